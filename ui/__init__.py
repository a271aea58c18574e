"""The attendant's console: a Qt client of the controller's local API."""
