"""Tariffs and costs in OCPI's words, versions 2.2.1 and 2.3.0: read, written, and what is lost."""
