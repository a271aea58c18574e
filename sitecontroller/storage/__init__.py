"""The site's database and the journal of OCPP frames, on SQLite."""

from sitecontroller.storage.store import Store

__all__ = ["Store"]
