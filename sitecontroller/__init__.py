"""The site controller: charging stations, load management and billing of one car park."""

__version__ = "0.1.0"
