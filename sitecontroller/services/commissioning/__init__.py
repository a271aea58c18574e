"""Commissioning: checks of a newly wired site, one after the other, and their record."""
