"""OCPP 1.6. Its words live in this package alone."""
