"""The blocks of OCPP as a simulated station knows them, each in the words of every version."""
