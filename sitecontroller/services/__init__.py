"""Use cases: one call from an edge, one commit, then tell the others."""
