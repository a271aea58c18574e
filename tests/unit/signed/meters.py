"""Meters for tests that sign what they are told, on any curve, and records of real ones."""

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ecdsa import SigningKey
from ecdsa.util import sigencode_der

from sitecontroller.signed.curves import SignatureCurve, curve_named

PUBLIC = tomllib.loads(Path(__file__).with_name("public_records.toml").read_text())["records"]
NAMES = (
    "secp192k1",
    "secp192r1",
    "secp256k1",
    "secp256r1",
    "secp384r1",
    "secp521r1",
    "brainpool256r1",
    "brainpool384r1",
    "brainpool512r1",
)

BEGIN = {
    "TM": "2026-03-01T12:00:00,000+0100 S",
    "TX": "B",
    "RV": 100.5,
    "RI": "1-0:1.8.0",
    "RU": "kWh",
    "RT": "AC",
    "EF": "",
    "ST": "G",
}
END = {"TM": "2026-03-01T13:00:00,000+0100 S", "TX": "E", "RV": 112.75}
HEAD = {
    "FV": "1.0",
    "GI": "Test gateway",
    "GS": "G-1",
    "GV": "1.2",
    "PG": "T7",
    "MV": "Test meters",
    "MM": "M-1",
    "MS": "4711",
    "IS": True,
    "IL": "VERIFIED",
    "IF": ["RFID_PLAIN"],
    "IT": "ISO14443",
    "ID": "04AB076A345B85",
}


def payload(*readings: dict[str, Any], **head: Any) -> bytes:
    """A session's payload; without readings it begins and ends in it."""
    said = HEAD | head | {"RD": list(readings) or [BEGIN, END]}
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Meter:
    """Signs on its curve; `name` is what it writes into SA."""

    curve: SignatureCurve
    key: SigningKey

    def signature(self, signed: bytes, hash_name: str = "sha256") -> bytes:
        digest = hashlib.new(hash_name, signed).digest()
        made: bytes = self.key.sign_digest_deterministic(
            digest, hashlib.sha256, sigencode=sigencode_der, allow_truncate=True
        )
        return made

    def record(self, signed: bytes | None = None, **section: str) -> bytes:
        """OCMF of the payload; `section` is put over what the signature's JSON says."""
        signed = payload() if signed is None else signed
        said = {"SA": f"ECDSA-{self.curve.name}-SHA256", "SD": self.signature(signed).hex()}
        return b"OCMF|" + signed + b"|" + json.dumps(said | section).encode()

    def public(self, form: str = "uncompressed") -> str:
        """The key as hex: uncompressed, compressed, raw (x and y) or der."""
        key = self.key.verifying_key
        if form != "der":
            return str(key.to_string(form).hex())
        point = key.to_string("uncompressed")
        algorithm = _der(0x30, bytes.fromhex("06072a8648ce3d0201") + self.curve.oid)
        return _der(0x30, algorithm + _der(0x03, b"\x00" + point)).hex()


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x81, size])) + content


@cache
def meter(name: str = "secp256r1", number: int = 1) -> Meter:
    """The same meter for the same name and number."""
    curve = curve_named(name)
    assert curve is not None
    secret = int.from_bytes(hashlib.sha256(f"{name} {number}".encode()).digest())
    order = curve.pure.order
    key = SigningKey.from_secret_exponent(secret % (order - 1) + 1, curve.pure, hashlib.sha256)
    return Meter(curve, key)
