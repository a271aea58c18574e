"""The database's history: one revision for each change of `schema.py`, run at start-up.

A revision is plain SQL in a file of its own beside it, so that later changes of the code can't
change what it did. A file of the first revision must still open in ten years.
"""
