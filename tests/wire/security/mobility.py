"""A provider of contracts in the test's hand: its hierarchy, contracts, and an OCSP responder."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from sitecontroller.domain.certificates import HashAlgorithm
from sitecontroller.pki import certificates as pki
from sitecontroller.pki import chains, keys
from sitecontroller.pki.certificates import Issuer
from sitecontroller.pki.keys import KeyKind
from sitecontroller.pki.ocsp import own_answer
from tests.unit.pki.hands import authority_of, ec_key

EMAID = "DE8AAC12345678"


class Provider:
    """One root, one sub-CA; serial numbers that are `revoked`, and that a site `asked_for`."""

    def __init__(self, name: str = "Mobility") -> None:
        self.now = datetime.now(UTC)
        self.root = authority_of(name=name, at=self.now - timedelta(days=400))
        self.sub = pki.issuing(
            keys.new_key(KeyKind.EC), name, self.root, self.now - timedelta(days=300)
        )
        self.revoked: set[int] = set()
        self.asked_for: list[int] = []
        self.url = ""
        self._url_within = False

    @property
    def asked(self) -> int:
        """The responder's visits."""
        return len(self.asked_for)

    @property
    def root_pem(self) -> str:
        return pki.pem(self.root.certificate)

    def contract(self, emaid: str = EMAID, at: datetime | None = None) -> x509.Certificate:
        made = pki.station(ec_key().public_key(), "Driver", emaid, self.sub, at or self.now)
        return self._telling(made, self.sub) if self._url_within else made

    def put_url_within(self) -> None:
        """From now on its certificates themselves say where the responder is."""
        self._url_within = True
        self.sub = Issuer(self._telling(self.sub.certificate, self.root), self.sub.key)

    def _telling(self, made: x509.Certificate, issuer: Issuer) -> x509.Certificate:
        place = x509.UniformResourceIdentifier(self.url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
        builder = (
            x509.CertificateBuilder()
            .subject_name(made.subject)
            .issuer_name(made.issuer)
            .public_key(made.public_key())
            .serial_number(made.serial_number)
            .not_valid_before(made.not_valid_before_utc)
            .not_valid_after(made.not_valid_after_utc)
            .add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        )
        for extension in made.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(issuer.key, hashes.SHA256())

    def chain(self, contract: x509.Certificate) -> str:
        return pki.pem(contract, self.sub.certificate)

    def hashes(self, contract: x509.Certificate) -> list[dict[str, Any]]:
        pairs = [(contract, self.sub.certificate), (self.sub.certificate, self.root.certificate)]
        return [
            {**hash_payload(certificate, issuer), "responderURL": self.url}
            for certificate, issuer in pairs
        ]

    def issuer_of(self, key_hash: bytes) -> Issuer:
        for issuer in (self.sub, self.root):
            if chains.key_hash(issuer.certificate, HashAlgorithm.SHA256) == key_hash.hex():
                return issuer
        raise AssertionError("a certificate of somebody else was asked for")

    @contextlib.asynccontextmanager
    async def responder(self) -> AsyncIterator[str]:
        """An OCSP responder on this PC."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        try:
            yield self.url
        finally:
            server.close()
            await server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().casefold()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        request = ocsp.load_der_ocsp_request(await reader.readexactly(length))
        self.asked_for.append(request.serial_number)
        issuer = self.issuer_of(request.issuer_key_hash)
        named = chains.CertificateHash(
            HashAlgorithm.SHA256,
            request.issuer_name_hash.hex(),
            request.issuer_key_hash.hex(),
            f"{request.serial_number:X}",
        )
        revoked_at = self.now if request.serial_number in self.revoked else None
        der = own_answer(named, issuer, self.now, revoked_at)
        answer = ocsp.load_der_ocsp_response(der)
        # The issuer's certificate comes along: those who know the chain by its hashes need its key.
        status = answer.certificate_status
        rebuilt = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                request.issuer_name_hash,
                request.issuer_key_hash,
                request.serial_number,
                hashes.SHA256(),
                status,
                answer.this_update_utc,
                answer.next_update_utc,
                revoked_at,
                None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
            .certificates([issuer.certificate])
            .sign(issuer.key, hashes.SHA256())
            .public_bytes(Encoding.DER)
        )
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n"
            + b"Content-Length: %d\r\n\r\n" % len(rebuilt)
            + rebuilt
        )
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()


def hash_payload(certificate: x509.Certificate, issuer: x509.Certificate) -> dict[str, Any]:
    named = chains.certificate_hash(certificate, issuer, HashAlgorithm.SHA256)
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": named.issuer_name_hash,
        "issuerKeyHash": named.issuer_key_hash,
        "serialNumber": named.serial_number,
    }
