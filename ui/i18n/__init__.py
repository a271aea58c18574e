"""The console's languages: the texts' hook and, beside it, the translations."""
