"""The authority's files below `state_dir/pki`: keys and certificates, for their owner alone.

A new authority is made in a folder beside it and moved into place as a whole, so that a crash
leaves all of it or nothing. A server certificate and its key are one file, replaced in one step.
"""

import os
import shutil
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sitecontroller.pki.certificates import Issuer, pem
from sitecontroller.pki.keys import KeyKind, PrivateKey, key_pem, read_key
from sitecontroller.statedir import write_atomically


class KeyStore:
    """Reads and writes; knows no rules of what a certificate must be."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether an authority was made here."""
        return self.path.is_dir()

    def issuer(self, kind: KeyKind, role: str) -> Issuer:
        """ "root" or "issuing". Raises OSError, ValueError when the files don't fit together."""
        certificate = x509.load_pem_x509_certificate(self._path(f"{kind}-{role}.pem").read_bytes())
        key = read_key(self._path(f"{kind}-{role}.key").read_text(encoding="ascii"))
        if _public(key.public_key()) != _public(certificate.public_key()):
            raise ValueError(f"{kind}-{role}: key and certificate don't belong together")
        return Issuer(certificate, key)

    def keep_issuer(self, kind: KeyKind, role: str, issuer: Issuer) -> None:
        """The key first: a certificate without its key is worth nothing."""
        self._write(f"{kind}-{role}.key", key_pem(issuer.key))
        self._write(f"{kind}-{role}.pem", pem(issuer.certificate))

    def server_file(self, kind: KeyKind) -> Path:
        """Key and chain in one, as `ssl` takes them."""
        return self._path(f"{kind}-server.pem")

    def server(self, kind: KeyKind) -> x509.Certificate:
        """Our own certificate. Raises OSError, ValueError."""
        text = self.server_file(kind).read_bytes()
        read_key(text.decode("ascii"))
        return x509.load_pem_x509_certificates(text)[0]

    def keep_server(self, kind: KeyKind, key: PrivateKey, *chain: x509.Certificate) -> None:
        """Replace it."""
        self._write(f"{kind}-server.pem", key_pem(key) + pem(*chain))

    def beside(self) -> "KeyStore":
        """An empty store to build a new authority in; what a crash left there goes."""
        beside = self.path.with_name(self.path.name + ".new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700, parents=True)
        return KeyStore(beside)

    def take_over(self, other: "KeyStore") -> None:
        """Put a new authority in place."""
        other.path.rename(self.path)

    def too_open(self) -> list[str]:
        """Names of files that others than their owner can read."""
        if sys.platform == "win32" or not self.exists:
            return []
        found = (self.path, *sorted(self.path.iterdir()))
        return [path.name for path in found if os.stat(path).st_mode & 0o077]

    def _path(self, name: str) -> Path:
        return self.path / name

    def _write(self, name: str, text: str) -> None:
        write_atomically(self._path(name), text)


def _public(key: object) -> bytes:
    der: bytes = key.public_bytes(  # type: ignore[attr-defined]
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return der
