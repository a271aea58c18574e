"""Painted and small widgets: they show what presenters say and know nothing of the network."""
