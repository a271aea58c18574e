"""What tells the site by itself how much it may take: one module a protocol."""
