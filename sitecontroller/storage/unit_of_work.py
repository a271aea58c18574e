"""What a plain function may do with the database inside its savepoint.

It is one connection seen as domain values; it belongs to the database's thread and to one call.
"""

import sqlite3
from collections.abc import Callable

from sitecontroller import ports
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.storage.kept_rows import KeptRows
from sitecontroller.storage.ledger_rows import LedgerRows
from sitecontroller.storage.limit_rows import LimitRows
from sitecontroller.storage.payment_rows import PaymentRows
from sitecontroller.storage.quarter_rows import QuarterRows
from sitecontroller.storage.report_rows import ReportRows
from sitecontroller.storage.site_rows import SiteRows
from sitecontroller.storage.till_rows import TillRows
from sitecontroller.storage.transaction_rows import TransactionRows


def _good() -> TimeQuality:
    return TimeQuality.GOOD


class UnitOfWork(
    TransactionRows,
    ReportRows,
    SiteRows,
    LedgerRows,
    KeptRows,
    QuarterRows,
    LimitRows,
    PaymentRows,
    TillRows,
):
    """`ports.UnitOfWork` on SQLite."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock_quality: Callable[[], TimeQuality] = _good,
    ) -> None:
        self.connection = connection
        self.clock_quality = clock_quality
        self._known = {}


_PROMISED: type[ports.UnitOfWork] = UnitOfWork
