"""`tariff`: what charging costs, shown and set at the running controller."""

import argparse
from zoneinfo import ZoneInfo

from sitecontroller.cli.asking import answer
from sitecontroller.cli.sites import amount, config_path
from sitecontroller.config import SiteConfig, load_config
from sitecontroller.domain.tariff import Tariff, TariffDimension, TariffTerms

UNITS = {
    TariffDimension.ENERGY: "per kWh",
    TariffDimension.FLAT: "per session",
    TariffDimension.PARKING_TIME: "per hour after charging",
    TariffDimension.TIME: "per hour",
}


def show(options: argparse.Namespace) -> int:
    """Print the tariff in force."""
    return _print(options, answer(options, lambda client: client.tariff()))


def change(options: argparse.Namespace) -> int:
    """Set a price from now on and print it."""
    wanted = terms(options)
    return _print(options, answer(options, lambda client: client.set_tariff(wanted)))


def terms(options: argparse.Namespace) -> TariffTerms:
    """What the options say. Raises InvalidInput naming the option."""
    return TariffTerms(
        name=options.name,
        price_per_kwh=amount("--kwh", options.kwh),
        session_fee=amount("--fee", options.fee),
        vat_percent=amount("--vat", options.vat, below=101),
        tax_included=not options.net,
    )


def render(tariff: Tariff, config: SiteConfig) -> list[str]:
    """The tariff, line by line; times are the site's."""
    since = tariff.valid_from.astimezone(ZoneInfo(config.time_zone))
    with_vat = "including" if tariff.tax_included else "plus"
    return [
        f"{tariff.name}, version {tariff.version}, since {since:%Y-%m-%d %H:%M} "
        f"({config.time_zone})",
        *(
            f"  {component.price} {tariff.currency} {UNITS[component.dimension]}, "
            + (
                "no VAT"
                if component.vat_percent is None
                else f"{with_vat} {component.vat_percent} % VAT"
            )
            for component in tariff.components
        ),
    ]


def _print(options: argparse.Namespace, tariff: Tariff) -> int:
    print("\n".join(render(tariff, load_config(config_path(options)))))
    return 0
