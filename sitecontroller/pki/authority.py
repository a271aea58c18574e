"""The site's certificate authority: made once, renews what it shows, signs what stations ask for.

Two chains, EC and RSA, each of a root, an issuing and a server certificate. What is renewed holds
for new handshakes; no connection ends. Everything that takes long (RSA keys) is done by the
workshop; signing takes a millisecond.
"""

import asyncio
import dataclasses
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from sitecontroller.domain.certificates import CertificateHash
from sitecontroller.domain.errors import InvalidInput, OperatingError
from sitecontroller.domain.security import TLS_CIPHERS, OwnCertificateView, PeerCertificate
from sitecontroller.pki import certificates, chains, keys, ocsp
from sitecontroller.pki.certificates import Issuer, ServerNames
from sitecontroller.pki.keys import KeyKind
from sitecontroller.pki.names import covers
from sitecontroller.pki.requests import check_request
from sitecontroller.pki.store import KeyStore
from sitecontroller.ports import Clock, Workshop
from sitecontroller.services.trust import SignedCertificate

log = logging.getLogger(__name__)

CLOCK_MIN = datetime(2025, 1, 1, tzinfo=UTC)
"""Before this the PC's clock is wrong: a certificate of 1970 would be of no use to anyone."""


@dataclass(frozen=True, slots=True)
class _Chain:
    root: Issuer
    issuing: Issuer
    server: x509.Certificate


class LocalAuthority:
    """`services.trust.Authority`, and the TLS of the stations' port."""

    def __init__(
        self,
        directory: Path,
        organization: str,
        names: Callable[[], ServerNames],
        clock: Clock,
        workshop: Workshop,
        client_roots: Path | None = None,
    ) -> None:
        self._store = KeyStore(directory)
        self._organization = organization
        self._names = names
        self._clock = clock
        self._workshop = workshop
        self._client_roots = client_roots
        self._chains: dict[KeyKind, _Chain] = {}
        self._context: ssl.SSLContext | None = None

    # its life

    async def keep(self) -> None:
        """Make it, take it up, or renew what is due; called now and then. As `open` it raises
        OperatingError, and OSError when the disk fails."""
        if self.ready:
            await self.renew()
        else:
            await self.open()

    @property
    def exists(self) -> bool:
        """Whether it was made before, so that opening it takes no time."""
        return self._store.exists

    async def open(self) -> None:
        """Take up the authority of this site, or make one; renew what is due.

        Raises OperatingError when the clock is wrong or the files can't be used: they are never
        replaced, because stations trust them.
        """
        if self._clock.now() < CLOCK_MIN:
            raise OperatingError(
                f"this PC's clock says {self._clock.now():%Y-%m-%d}", remedy="Set the clock"
            )
        if not self._store.exists:
            await self._make()
        try:
            self._chains = {kind: self._load(kind) for kind in KeyKind}
        except (OSError, ValueError) as error:
            raise OperatingError(
                f"{self._store.path} can't be used: {error}",
                remedy="Restore that folder from a backup; without it all chargers need a new root",
            ) from None
        for name in self._store.too_open():
            log.warning("certificates: %s can be read by others than its owner", name)
        if not await self.renew():
            self._context = await asyncio.to_thread(self._new_context)

    async def renew(self) -> bool:
        """Replace what has lived for two thirds of its life, or lacks one of our names."""
        names, now = await asyncio.to_thread(self._names), self._clock.now()
        renewed = False
        for kind, chain in tuple(self._chains.items()):
            if certificates.renewal_due(chain.issuing.certificate, now):
                chain = await self._with_new_issuing(kind, chain)
                renewed = True
            has = certificates.names_of(chain.server)
            if certificates.renewal_due(chain.server, now) or not covers(has, names):
                chain = await self._with_new_server(kind, chain, names)
                renewed = True
            self._chains[kind] = chain
        if renewed:
            self._context = await asyncio.to_thread(self._new_context)
        return renewed

    async def _make(self) -> None:
        made = {
            kind: (
                await self._new_key(kind),
                await self._new_key(kind),
                await self._new_key(kind, keys.RSA_SERVER_BITS),
            )
            for kind in KeyKind
        }
        await asyncio.to_thread(self._write, made)
        log.info("certificates: this site has its own authority now, in %s", self._store.path)

    def _write(self, made: Mapping[KeyKind, tuple[keys.PrivateKey, ...]]) -> None:
        """Certificates for these keys of root, issuing and server; in a thread."""
        names, now = self._names(), self._clock.now()
        beside = self._store.beside()
        for kind, (root_key, issuing_key, server_key) in made.items():
            root = certificates.root(root_key, self._organization, now)
            issuing = certificates.issuing(issuing_key, self._organization, root, now)
            server = certificates.server(server_key, self._organization, names, issuing, now)
            beside.keep_issuer(kind, "root", root)
            beside.keep_issuer(kind, "issuing", issuing)
            beside.keep_server(kind, server_key, server, issuing.certificate)
        self._store.take_over(beside)

    def _load(self, kind: KeyKind) -> _Chain:
        return _Chain(
            self._store.issuer(kind, "root"),
            self._store.issuer(kind, "issuing"),
            self._store.server(kind),
        )

    async def _with_new_issuing(self, kind: KeyKind, chain: _Chain) -> _Chain:
        key = await self._new_key(kind)
        issuing = certificates.issuing(key, self._organization, chain.root, self._clock.now())
        await asyncio.to_thread(self._store.keep_issuer, kind, "issuing", issuing)
        log.info("certificates: a new %s issuing certificate", kind.upper())
        chain = dataclasses.replace(chain, issuing=issuing)
        names = certificates.names_of(chain.server)
        return await self._with_new_server(kind, chain, names)

    async def _with_new_server(self, kind: KeyKind, chain: _Chain, names: ServerNames) -> _Chain:
        key = await self._new_key(kind, keys.RSA_SERVER_BITS)
        now = self._clock.now()
        server = certificates.server(key, self._organization, names, chain.issuing, now)
        await asyncio.to_thread(
            self._store.keep_server, kind, key, server, chain.issuing.certificate
        )
        log.info("certificates: a new %s server certificate for %s", kind.upper(), names)
        return dataclasses.replace(chain, server=server)

    async def _new_key(
        self, kind: KeyKind, rsa_bits: int = keys.RSA_AUTHORITY_BITS
    ) -> keys.PrivateKey:
        if kind is KeyKind.EC:
            return keys.new_key(kind)
        return keys.read_key(await self._workshop.run(keys.new_key_pem, kind, rsa_bits))

    def _new_context(self) -> ssl.SSLContext:
        """Takes 6 ms: OpenSSL checks the RSA key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(TLS_CIPHERS)
        # No resumption: a certificate that was revoked or has expired since would not be looked at.
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_OPTIONAL
        for kind, chain in self._chains.items():
            context.load_cert_chain(self._store.server_file(kind))
            # The issuing one too: many stations show their own certificate without it.
            above = certificates.pem(chain.root.certificate, chain.issuing.certificate)
            context.load_verify_locations(cadata=above)
        if self._client_roots is not None:
            context.load_verify_locations(cafile=self._client_roots)
        return context

    # TLS

    def context(self) -> ssl.SSLContext | None:
        """For the next handshake; None: not ready."""
        return self._context

    def peer(self, der: bytes) -> PeerCertificate:
        """What a station showed in a handshake, which has verified it. Raises ValueError."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            return PeerCertificate(
                certificates.fingerprint(certificate),
                certificates.serial_number(certificate),
                certificates.common_name(certificate.subject),
                certificate.not_valid_after_utc,
                issued_here=any(_issued(certificate, issuer) for issuer in self._issuers()),
            )
        except keys.UNREADABLE as error:
            raise ValueError(f"the certificate can't be read: {error}") from None

    # services.trust.Authority

    @property
    def ready(self) -> bool:
        """Whether it can be used."""
        return self._context is not None

    def own_certificates(self) -> tuple[OwnCertificateView, ...]:
        """Roots, issuing and server certificates."""
        shown = []
        for kind, chain in self._chains.items():
            shown.append(_view(f"{kind}-root", chain.root.certificate, shows_pem=True))
            shown.append(_view(f"{kind}-issuing", chain.issuing.certificate))
            shown.append(_view(f"{kind}-server", chain.server))
        return tuple(shown)

    def roots(self) -> tuple[str, ...]:
        """EC first."""
        self._check_ready()
        return tuple(certificates.pem(c.root.certificate) for c in self._chains.values())

    def sign(self, csr: str, names: frozenset[str]) -> SignedCertificate:
        """By the chain of the request's own kind of key."""
        self._check_ready()
        request = check_request(csr, names)
        kind = keys.kind_of(request.public_key)
        if kind is None:
            raise InvalidInput("its key is neither EC nor RSA")
        above = self._chains[kind].issuing
        made = certificates.station(
            request.public_key, self._organization, request.common_name, above, self._clock.now()
        )
        return SignedCertificate(
            certificates.pem(made, above.certificate),
            PeerCertificate(
                certificates.fingerprint(made),
                certificates.serial_number(made),
                request.common_name,
                made.not_valid_after_utc,
                issued_here=True,
            ),
        )

    def status(self, asked: CertificateHash, revoked: Mapping[str, datetime]) -> bytes | None:
        """An OCSP answer for a certificate that a root or an issuing certificate of ours signed."""
        wanted = asked.issuer
        for chain in self._chains.values():
            for issuer in (chain.issuing, chain.root):
                found = chains.issuer_hashes(issuer.certificate, asked.hash_algorithm)
                if ":".join(found) == wanted:
                    revoked_at = revoked.get(asked.serial_number.upper().lstrip("0"))
                    return ocsp.own_answer(asked, issuer, self._clock.now(), revoked_at)
        return None

    def _issuers(self) -> list[x509.Certificate]:
        return [chain.issuing.certificate for chain in self._chains.values()]

    def _check_ready(self) -> None:
        if not self.ready:
            raise OperatingError(
                "this site's certificates are not ready yet", remedy="Try again in a minute"
            )


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*keys.UNREADABLE, InvalidSignature):
        return False
    return True


def _view(
    name: str, certificate: x509.Certificate, *, shows_pem: bool = False
) -> OwnCertificateView:
    return OwnCertificateView(
        name,
        certificate.subject.rfc4514_string(),
        certificate.not_valid_after_utc,
        certificates.fingerprint(certificate),
        certificates.pem(certificate) if shows_pem else None,
    )
