"""Paper: receipts laid out in the reader's language and made into files that print."""
