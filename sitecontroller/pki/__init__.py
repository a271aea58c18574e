"""The site's own certificate authority, and what is read of other people's certificates."""
