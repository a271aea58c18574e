"""`[ocpp]` and `[plug_and_charge]` of site.toml: the port for stations and what they are told."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sitecontroller.config.table import Table


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """How stations prove who they are, and the site's own certificates.

    `profile_min`: the least security profile that any station may come with. `names`: host names
    and addresses by which stations call this controller, beside those the PC has. `organization`
    "": the site's name. `client_roots`: a PEM file of further authorities whose station
    certificates are taken.
    """

    tls: bool = True
    profile_min: int = 0
    names: tuple[str, ...] = ()
    organization: str = ""
    client_roots: Path | None = None


@dataclass(frozen=True, slots=True)
class PlugAndChargeSettings:
    """What is answered to cars that identify themselves.

    `unknown_contracts` "accept": a contract that the site doesn't know may charge when its root is
    trusted, up to `unknown_limit` (0: no limit) of the site's currency. `revocation` "strict":
    without proof that a certificate is not revoked nobody charges; "soft": only a proven revocation
    counts. `revocation_urls`: below what URLs responders and lists may be asked; none: nobody.
    """

    unknown_contracts: str = "refuse"
    unknown_limit: Decimal = Decimal(20)
    revocation: str = "strict"
    revocation_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """What stations are told to do with cards when they have no contact, and before they ask.

    `unknown_cards`: any card may charge. `known_cards`: those on their list or in their cache may.
    `before_asking`: those may also begin while the station has contact, without its asking first;
    only at a site whose fallbacks are 0, as no room is made for them before. `amount_max`, in the
    site's currency: what an unknown card may have charged before a person is told.
    """

    unknown_cards: bool = False
    known_cards: bool = True
    before_asking: bool = False
    amount_max: Decimal = Decimal(20)


@dataclass(frozen=True, slots=True)
class OcppSettings:
    """The port for stations. Times in seconds."""

    host: str = "0.0.0.0"
    port: int = 9000
    heartbeat_interval_s: int = 300
    sample_interval_s: int = 10
    ping_interval_s: float | None = 20.0
    allow_missing_subprotocol: bool = True
    requests: str = "repair"
    answers: str = "repair"
    """What is done with messages and answers that break their schema: strict, repair, accept."""
    call_timeout_s: float = 30.0
    quirks: Path | None = None
    """The site's own findings about models, besides those that come with the controller."""
    self_healing: bool = True
    """Whether faults that the catalogue allows it for are healed by the controller itself."""
    security: SecuritySettings = field(default_factory=SecuritySettings)
    offline: OfflineSettings = field(default_factory=OfflineSettings)


def read_ocpp(table: Table, base_dir: Path) -> OcppSettings:
    """`[ocpp]`; file names count from `base_dir`."""
    ping_s = table.number("ping_interval_s", 20.0, low=0, high=3600)
    return OcppSettings(
        host=table.text("host", "0.0.0.0"),
        port=table.integer("port", 9000, low=0, high=65535),
        heartbeat_interval_s=table.integer("heartbeat_interval_s", 300, low=10, high=86400),
        sample_interval_s=table.integer("sample_interval_s", 10, low=1, high=900),
        ping_interval_s=ping_s or None,
        requests=table.text("requests", "repair", pattern="strict|repair|accept"),
        answers=table.text("answers", "repair", pattern="strict|repair|accept"),
        allow_missing_subprotocol=table.flag("allow_missing_subprotocol", default=True),
        call_timeout_s=table.number("call_timeout_s", 30.0, low=1, high=600),
        security=_security(table.table("security"), base_dir),
        quirks=_file(table, "quirks", base_dir),
        self_healing=table.flag("self_healing", default=True),
        offline=_offline(table.table("offline")),
    )


def read_plug_and_charge(table: Table) -> PlugAndChargeSettings:
    """`[plug_and_charge]`."""
    settings = PlugAndChargeSettings(
        unknown_contracts=table.text("unknown_contracts", "refuse", pattern="refuse|accept"),
        unknown_limit=Decimal(str(table.number("unknown_limit", 20.0, low=0, high=10_000))),
        revocation=table.text("revocation", "strict", pattern="strict|soft"),
        revocation_urls=table.texts(
            "revocation_urls", pattern=r"https?://[^/\s@?#]+(?:/[^\s@?#]*)?"
        ),
    )
    table.no_more()
    return settings


def _security(table: Table, base_dir: Path) -> SecuritySettings:
    settings = SecuritySettings(
        tls=table.flag("tls", default=True),
        profile_min=table.integer("profile_min", 0, low=0, high=3),
        names=table.texts("names", pattern=r"[A-Za-z0-9._-]{1,64}|[0-9a-fA-F:]{2,39}"),
        organization=table.text("organization", "", pattern=r"[^\x00-\x1f]{0,64}"),
        client_roots=_file(table, "client_roots", base_dir),
    )
    if settings.profile_min >= 2 and not settings.tls:
        table.fault("profile_min", "profiles 2 and 3 need TLS: write tls = true")
    table.no_more()
    return settings


def _offline(table: Table) -> OfflineSettings:
    settings = OfflineSettings(
        unknown_cards=table.flag("unknown_cards", default=False),
        known_cards=table.flag("known_cards", default=True),
        before_asking=table.flag("before_asking", default=False),
        amount_max=Decimal(str(table.number("amount_max", 20.0, low=0, high=10_000))),
    )
    table.no_more()
    return settings


def _file(table: Table, key: str, base_dir: Path) -> Path | None:
    """A file that must be there; its name counts from where site.toml is."""
    name = table.optional_text(key)
    if name is None:
        return None
    path = (base_dir / name).resolve()
    if not path.is_file():
        table.fault(key, f"there is no file {path}")
    return path
