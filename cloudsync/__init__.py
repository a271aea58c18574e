"""What travels between a site and headquarters: the contract and its two ends."""
