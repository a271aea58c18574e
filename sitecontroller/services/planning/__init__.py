"""Planning in the running controller: what it learns from, what it plans, what the cycle gets."""
