"""Meters on Modbus: a file per meter family, one lock per bus, one task per meter."""
