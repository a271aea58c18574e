"""Certificates for tests, made with the product's own functions, and a clock in the test's hand."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sitecontroller.pki import certificates, keys
from sitecontroller.pki.authority import LocalAuthority
from sitecontroller.pki.certificates import Issuer, ServerNames

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORGANIZATION = "Test car parks"
NAMES = ServerNames(("csms.test", "localhost"), ("127.0.0.1",))


class StandingClock:
    """Stands still until a test moves it."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return (self.at - NOW).total_seconds()


class QuickWorkshop:
    """Does the work here and now, with RSA keys of 2048 bits: five times as fast."""

    async def run(self, fn, *args, **kwargs):
        if fn is keys.new_key_pem:
            return fn(args[0], 2048)
        return fn(*args, **kwargs)


def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def rsa_key(bits: int = 2048, exponent: int = 65537) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, bits)


def csr(key, common_name: str = "SN-1", *, hash_=None, **names: str) -> str:
    """What a station sends in a SignCertificate."""
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    if "organization" in names:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, names["organization"]))
    signs_with_hash = isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(subject))
        .sign(key, (hash_ or hashes.SHA256()) if signs_with_hash else None)
    )
    return request.public_bytes(Encoding.PEM).decode()


def authority_of(kind=keys.KeyKind.EC, name="Elsewhere", at=NOW - timedelta(days=400)) -> Issuer:
    """A root of somebody else."""
    return certificates.root(keys.new_key(kind, 2048), name, at)


def issued(above: Issuer, common_name: str, key=None, at: datetime = NOW) -> x509.Certificate:
    """A station's or contract's certificate right below an issuer."""
    return certificates.station((key or ec_key()).public_key(), "Anyone", common_name, above, at)


async def made_authority(directory, clock=None, names=lambda: NAMES, **options) -> LocalAuthority:
    """An authority that is ready."""
    authority = LocalAuthority(
        directory / "pki", ORGANIZATION, names, clock or StandingClock(), QuickWorkshop(), **options
    )
    await authority.keep()
    return authority
