"""`init`: a new site's first price is in the currency of its site.toml."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sitecontroller.cli import main, sites
from sitecontroller.clock import SystemClock
from sitecontroller.domain.tariff import Tariff
from sitecontroller.simulation.demo import init_site
from sitecontroller.storage.store import Store


@pytest.fixture
def price_of(run):
    """`price_of(directory)` is the tariff that a site's database begins with."""

    async def read(directory) -> Tariff | None:
        store = await Store.open(directory / "state" / "site.db", SystemClock())
        try:
            return await store.read(lambda tx: tx.tariff_at(datetime.now(UTC)))
        finally:
            await store.close()

    return lambda directory: run(read(directory))


def test_the_first_price_is_in_the_sites_currency(tmp_path, monkeypatch, price_of):
    def swiss(directory):
        path = init_site(directory)
        path.write_text(path.read_text().replace('"EUR"', '"CHF"'))
        return path

    monkeypatch.setattr(sites, "init_site", swiss)
    assert main(["init", str(tmp_path), "--price-per-kwh", "0.49", "--session-fee", "1"]) == 0
    tariff = price_of(tmp_path)
    assert tariff.currency == "CHF"
    assert [component.price for component in tariff.components] == [Decimal("0.49"), Decimal(1)]


def test_without_a_price_there_is_no_tariff(tmp_path, price_of):
    assert main(["init", str(tmp_path)]) == 0
    assert price_of(tmp_path) is None


def test_a_price_that_is_no_number_makes_no_site(tmp_path, capsys):
    assert main(["init", str(tmp_path / "new"), "--price-per-kwh", "cheap"]) == 1
    assert "--price-per-kwh" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
