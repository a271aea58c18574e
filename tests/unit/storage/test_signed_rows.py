"""What meters signed is kept with the reading that it came with, as it came."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sitecontroller.domain.metering import MeterReading, ReadingContext
from sitecontroller.domain.signed_reading import SignedReading
from sitecontroller.storage import report_rows, startup
from sitecontroller.storage.engine import connect
from sitecontroller.storage.unit_of_work import UnitOfWork
from tests.unit.storage.examples import NOON, a_transaction

TEXT = 'OCMF|{ "RV" : 1.500,\r\n "GI":"ä"}|{"SD":"00"}'
READING = MeterReading(NOON, signed_data=TEXT, context=ReadingContext.BEGIN)


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[UnitOfWork]:
    path = tmp_path / "site.db"
    startup.upgrade(path)
    with closing(connect(path)) as connection:
        unit = UnitOfWork(connection)
        for key in ("T1", "T2"):
            unit.add_transaction(a_transaction(key))
        yield unit


def test_it_comes_back_byte_for_byte_in_the_order_of_arrival(tx: UnitOfWork) -> None:
    later = replace(READING, at=NOON - timedelta(hours=1), signed_data=TEXT + " ")
    for reading in (READING, MeterReading(NOON, power_w=3.0), later):
        tx.add_reading("T1", reading)
    assert tx.signed_readings("T1") == [
        SignedReading("T1", NOON, ReadingContext.BEGIN, TEXT),
        SignedReading("T1", later.at, ReadingContext.BEGIN, TEXT + " "),
    ]


def test_the_same_text_is_kept_once_for_each_session(tx: UnitOfWork) -> None:
    for key in ("T1", "T1", "T2"):
        tx.add_reading(key, READING)
    assert [len(tx.signed_readings(key)) for key in ("T1", "T2", "T3")] == [1, 1, 0]


def test_it_is_kept_also_of_a_session_with_too_many_readings(
    tx: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_rows, "READINGS_MAX", 2)
    for number in range(4):
        tx.add_reading("T1", replace(READING, signed_data=f"{TEXT}{number}"))
    assert len(tx.readings("T1")) < len(tx.signed_readings("T1")) == 4
