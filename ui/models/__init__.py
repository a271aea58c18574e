"""Tables for Qt's views."""
