"""A site with TLS, and chargers that hold real keys: they trust what they were given, make CSRs,
and connect by plain WebSocket or TLS."""

import asyncio
import base64
import contextlib
import functools
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import connect

from sitecontroller.clock import SystemClock
from sitecontroller.pki.authority import LocalAuthority
from sitecontroller.pki.keys import key_pem
from sitecontroller.pki.names import server_names
from tests.support import eventually, run_bounded
from tests.unit.pki.hands import QuickWorkshop, csr, ec_key
from tests.wire.charger import Charger
from tests.wire.site import PASSWORD, TestSite, running_site

SERIALS = {"CP-01": "SN-0001", "CP-02": "SN-0002"}


@functools.cache
def _made_pki() -> Path:
    """An authority made once for all tests: its RSA keys take a while."""
    directory = Path(tempfile.mkdtemp(prefix="test-pki-"))

    async def make() -> None:
        authority = LocalAuthority(
            directory / "pki",
            "Test site",
            lambda: server_names("127.0.0.1", ()),
            SystemClock(),
            QuickWorkshop(),  # type: ignore[arg-type]
        )
        await authority.keep()

    run_bounded(make())
    return directory / "pki"


@contextlib.asynccontextmanager
async def secure_site(
    directory: Path, *, security: dict[str, Any] | None = None, fresh: bool = True, **options: Any
) -> AsyncIterator[TestSite]:
    """A running site that speaks TLS; `fresh` False: the state of an earlier run is there."""
    if fresh:
        shutil.copytree(_pki(), directory / "state/pki")
        (directory / "state").chmod(0o700)
    async with running_site(
        directory, planted=not fresh, security={"tls": True, **(security or {})}, **options
    ) as site:
        await eventually(lambda: site.site.authority is not None and site.site.authority.ready)
        yield site


def _pki() -> Path:
    """Made in a thread of its own: a test's loop runs already."""
    if _made_pki.cache_info().currsize == 0:
        import threading

        thread = threading.Thread(target=_made_pki)
        thread.start()
        thread.join()
    return _made_pki()


def roots(site: TestSite) -> tuple[str, ...]:
    """The site's own roots: EC, RSA."""
    authority = site.site.authority
    assert authority is not None
    return authority.roots()


@dataclass
class Box:
    """What a charger has: its name, its key and certificate, and whom it trusts."""

    station_id: str = "CP-01"
    version: str = "2.0.1"
    password: str | None = PASSWORD
    trusted: list[str] = field(default_factory=list)
    key: ec.EllipticCurvePrivateKey = field(default_factory=ec_key)
    chain: str | None = None
    ciphers: str | None = None
    tls: tuple[ssl.TLSVersion | None, ssl.TLSVersion | None] = (None, None)

    @property
    def serial_number(self) -> str:
        """As it tells it in its boot."""
        return SERIALS[self.station_id]

    def csr(self, common_name: str | None = None, key: Any = None) -> str:
        """A signing request for its key."""
        return csr(key or self.key, common_name or self.serial_number)

    def context(self) -> ssl.SSLContext:
        """TLS as the box speaks it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        lowest, highest = self.tls
        context.minimum_version = lowest or ssl.TLSVersion.TLSv1_2
        if highest is not None:
            context.maximum_version = highest
        if self.ciphers is not None:
            context.set_ciphers(self.ciphers)
        for root in self.trusted:
            context.load_verify_locations(cadata=root)
        if self.chain is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(key_pem(self.key) + self.chain)
                file.flush()
                context.load_cert_chain(file.name)
        return context

    @contextlib.asynccontextmanager
    async def connected(
        self, site: TestSite, *, tls: bool = True, path: str | None = None
    ) -> AsyncIterator[Charger]:
        """A connection that has not booted yet; websockets' exceptions when refused."""
        headers = {}
        if self.password is not None:
            login = base64.b64encode(f"{self.station_id}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        scheme = "wss" if tls else "ws"
        async with connect(
            f"{scheme}://127.0.0.1:{site.site.ocpp_port}/ocpp/{path or self.station_id}",
            subprotocols=[f"ocpp{self.version}"],  # type: ignore[list-item]
            additional_headers=headers,
            ping_interval=None,
            proxy=None,
            **({"ssl": self.context()} if tls else {}),
        ) as socket:
            charger = Charger(socket, self.version)
            reader = asyncio.create_task(charger.read())
            try:
                yield charger
            finally:
                await socket.close()
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    async def boot(self, charger: Charger) -> dict[str, Any]:
        """A BootNotification with its serial number."""
        if self.version == "1.6":
            return await charger.call(
                "BootNotification",
                {
                    "chargePointVendor": "Test",
                    "chargePointModel": "Box",
                    "chargePointSerialNumber": self.serial_number,
                },
            )
        return await charger.call(
            "BootNotification",
            {
                "reason": "PowerUp",
                "chargingStation": {
                    "vendorName": "Test",
                    "model": "Box",
                    "serialNumber": self.serial_number,
                },
            },
        )

    def takes_its_certificate(self, charger: Charger, status: str = "Accepted") -> None:
        """Keep what a CertificateSigned brings, as a good box does."""

        def take(payload: dict[str, Any]) -> dict[str, Any]:
            if status == "Accepted":
                self.chain = payload["certificateChain"]
            return {"status": status}

        charger.answers["CertificateSigned"] = take


def box(site: TestSite, station_id: str = "CP-01", version: str = "2.0.1", **rest: Any) -> Box:
    """A charger that trusts the site's roots."""
    return Box(station_id, version, trusted=list(roots(site)), **rest)


def certified(
    site: TestSite, station_id: str = "CP-01", common_name: str | None = None, **rest: Any
) -> Box:
    """A charger with a certificate of the site's authority, made behind the site's back."""
    made = box(site, station_id, **rest)
    name = common_name or made.serial_number
    authority = site.site.authority
    assert authority is not None
    made.chain = authority.sign(made.csr(name), frozenset({name})).chain
    return made


def leaf(chain: str) -> x509.Certificate:
    """The first certificate of a chain."""
    return x509.load_pem_x509_certificate(chain.encode())


async def profile_of(site: TestSite, station_id: str = "CP-01") -> int:
    """The profile that is pinned to a station."""
    return site.site.services.stations.guard.security(station_id).profile
