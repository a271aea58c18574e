"""`init` and the demo site: a site.toml, a database with what the site starts from."""

import argparse
import asyncio
from decimal import Decimal, InvalidOperation
from pathlib import Path

import platformdirs

from sitecontroller.clock import SystemClock
from sitecontroller.config import load_config
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput
from sitecontroller.domain.tariff import TariffTerms, tariff_of
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.demo import init_site, make_demo_site


def config_path(options: argparse.Namespace) -> Path:
    """The site.toml meant: the given one, or the demo site's in the user's data folder."""
    if options.config is not None:
        path: Path = options.config
        return path / "site.toml" if path.is_dir() else path
    return Path(platformdirs.user_data_dir("sitecontroller", appauthor=False)) / "demo/site.toml"


def init(options: argparse.Namespace) -> int:
    """Make a new site in a directory."""
    directory: Path = options.directory
    if (directory / "site.toml").exists():
        raise Conflict(
            f"{directory / 'site.toml'} exists already",
            remedy="Edit it, or choose another directory",
        )
    if options.demo:
        make_demo(directory)
    else:
        terms = _terms(options)
        directory.mkdir(parents=True, exist_ok=True)
        currency = load_config(init_site(directory)).currency
        now = SystemClock().now()
        _plant(directory, Seed(tariff=None if terms is None else tariff_of(terms, currency, now)))
    print(f"Made {directory / 'site.toml'}. Now:")
    print("  1. edit it: fuses, meter, chargers (the comments say what goes where)")
    print(f"  2. sitecontroller selfcheck --config {directory / 'site.toml'}")
    print(f"  3. sitecontroller run --config {directory / 'site.toml'} --commissioning 30m")
    return 0


def make_demo(directory: Path) -> None:
    """The demo site: 12 simulated chargers with passwords of their own, cards, a tariff."""
    directory.mkdir(parents=True, exist_ok=True)
    demo = make_demo_site(directory)
    print(f"Made a demo site in {directory}", flush=True)
    _plant(directory, Seed(demo.passwords, demo.tokens, demo.tariff))


def _plant(directory: Path, seed: Seed) -> None:
    asyncio.run(plant(load_config(directory / "site.toml"), SystemClock(), seed))


def amount(option: str, text: str, *, below: int = 1000) -> Decimal:
    """A number of an option, with at most six digits after the point."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not 0 <= value < below or value != round(value, 6):
        raise InvalidInput(
            f"{option}: '{text}' is no amount",
            remedy="Write a number with a point, such as 0.49",
            errors=(FieldError(option, f"a number from 0 to {below}"),),
        )
    return value


def _terms(options: argparse.Namespace) -> TariffTerms | None:
    if options.price_per_kwh is None:
        return None
    return TariffTerms(
        name="Standard",
        price_per_kwh=amount("--price-per-kwh", options.price_per_kwh),
        session_fee=amount("--session-fee", options.session_fee),
        vat_percent=amount("--vat", options.vat, below=101),
    )
