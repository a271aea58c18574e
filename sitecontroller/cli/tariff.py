"""`tariff`: what charging costs, shown and set at the running controller."""

import argparse
from zoneinfo import ZoneInfo

from sitecontroller.cli.asking import answer
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.cli.sites import amount, config_path
from sitecontroller.config import SiteConfig, load_config
from sitecontroller.domain.tariff import Tariff, TariffDimension, TariffTerms

UNITS = {
    TariffDimension.ENERGY: "per kWh",
    TariffDimension.FLAT: "per session",
    TariffDimension.PARKING_TIME: "per hour after charging",
    TariffDimension.TIME: "per hour",
}


def add_tariff(commands: Commands) -> None:
    """Its options and help."""
    prices = commands.add_parser("tariff", help="what charging costs: show it, set it")
    actions = prices.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show_ = actions.add_parser(
        "show",
        help="the price in force",
        description="Print the price in force, from the running controller.",
    )
    add_config(show_)
    show_.set_defaults(work=show)
    change_ = actions.add_parser(
        "set",
        help="set a price from now on",
        description="Set a price at the running controller, valid for sessions that start from "
        "now on; those that run keep theirs.",
    )
    add_config(change_)
    change_.add_argument("--kwh", required=True, metavar="0.49", help="per kWh, site currency")
    change_.add_argument("--fee", default="0", metavar="0.00", help="per session (default none)")
    change_.add_argument("--vat", default="19", metavar="19", help="per cent (default 19)")
    change_.add_argument("--net", action="store_true", help="the prices don't include VAT")
    change_.add_argument("--name", default="Standard", help="on receipts (default Standard)")
    change_.set_defaults(work=change)


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
