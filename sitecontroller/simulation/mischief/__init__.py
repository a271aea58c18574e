"""How simulated stations misbehave, as real ones do: plain functions for the table in `quirks`."""
