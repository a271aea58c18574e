"""Load management at work: it owns every limit, and the cycle that decides them."""
