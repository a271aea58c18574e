"""What `selfcheck` says of certificates: the site's files, what it shows, what chargers have."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sitecontroller.cli.finding import Finding
from sitecontroller.domain.security import (
    ENDS_SOON,
    OWN_ENDS_SOON,
    OwnCertificateView,
    StationSecurityView,
)
from sitecontroller.pki.keys import KeyKind
from sitecontroller.pki.store import KeyStore


def files(state_dir: Path) -> Finding:
    """The authority's folder: whole, keys and certificates fit, for its owner alone."""
    name, store = "certificate files", KeyStore(state_dir / "pki")
    if not store.exists:
        return Finding(name, True, "none yet; made at the first start with TLS")
    try:
        for kind in KeyKind:
            for role in ("root", "issuing"):
                store.issuer(kind, role)
            store.server(kind)
    except (OSError, ValueError) as error:
        remedy = "restore this folder from a backup; without it all chargers need a new root"
        return Finding(name, False, f"{store.path}: {error}", remedy)
    if store.too_open():
        detail = f"others on this PC can read {', '.join(store.too_open())}"
        return Finding(name, False, detail, f"chmod -R go= {store.path}")
    return Finding(name, True, f"{store.path} is whole and for its owner alone")


def own(certificates: Sequence[OwnCertificateView], now: datetime) -> Finding:
    """Those that the running controller shows and signs with."""
    ends = [(c.name, c.not_after) for c in certificates]
    remedy = "look for the alarm that says why it isn't renewed by itself: sitecontroller status"
    return _ends("the site's certificates", ends, now, OWN_ENDS_SOON, remedy)


def of_chargers(stations: Sequence[StationSecurityView], now: datetime) -> Finding:
    """The newest one that each charger has."""
    ends = []
    for station in stations:
        held = [c for c in station.certificates if c.taken and not c.revoked]
        if held:
            newest = max(held, key=lambda c: c.issued_at)
            ends.append((station.station_id, newest.not_after))
    remedy = "renew it on the charger's security page while it is connected; see docs/security.md"
    return _ends("chargers' certificates", ends, now, ENDS_SOON, remedy)


def _ends(
    name: str, ends: list[tuple[str, datetime]], now: datetime, soon: timedelta, remedy: str
) -> Finding:
    if not ends:
        return Finding(name, True, "none")
    late = [
        f"{whose} {'has ended' if end <= now else 'ends'} on {end:%Y-%m-%d}"
        for whose, end in sorted(ends, key=lambda pair: pair[1])
        if end - now < soon
    ]
    if late:
        return Finding(name, False, "; ".join(late), remedy)
    first = min(end for _, end in ends)
    return Finding(name, True, f"{len(ends)}, valid; the first ends on {first:%Y-%m-%d}")
