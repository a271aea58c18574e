"""Headquarters' end: takes in what the sites report and serves it to operators and drivers."""
