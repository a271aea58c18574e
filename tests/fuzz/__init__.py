"""Frames no station should send, by the million, against the real gate, session and services."""
