"""The site's database and the journal of OCPP frames, on SQLite."""

from sitecontroller.storage.journal import FrameJournal
from sitecontroller.storage.store import Store

__all__ = ["FrameJournal", "Store"]
