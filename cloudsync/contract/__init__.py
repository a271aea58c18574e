"""The versioned messages that a site and headquarters exchange; pure, no I/O."""
