"""The site's end: ships the outbox, applies the inbox, knows the state of the connection."""
