"""The certificates that the site's authority makes: roots, issuing, server's and stations' ones.

Plain functions: keys, names and times come in, certificates go out. There is one chain of EC and
one of RSA keys, because a station that knows one of them only can't check a signature of the other.
No extended key usage, so that they suit ISO 15118 too (A00.FR.514).
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sitecontroller.pki.keys import KeyKind, PrivateKey, PublicKey, kind_of

ROOT_LIFE = timedelta(days=20 * 365)
ISSUING_LIFE = timedelta(days=10 * 365)
SERVER_LIFE = timedelta(days=90)
STATION_LIFE = timedelta(days=2 * 365)
BACKDATED = timedelta(hours=1)
"""Clocks of stations differ, and one that is behind would refuse a new certificate."""
NAME_CHARACTERS_MAX = 64
"""Of an organisation or a common name (RFC 5280, upper bounds)."""


@dataclass(frozen=True, slots=True)
class ServerNames:
    """What stations may call this controller; the first host name, else the first address, is its
    common name (A00.FR.510)."""

    hosts: tuple[str, ...]
    addresses: tuple[str, ...]

    @property
    def common_name(self) -> str:
        """The name that stands in the subject."""
        return (*self.hosts, *self.addresses, "sitecontroller")[0]


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that signs others, and its key."""

    certificate: x509.Certificate
    key: PrivateKey


def root(key: PrivateKey, organization: str, now: datetime) -> Issuer:
    """A root that signs itself."""
    kind = kind_of(key)
    name = _name(organization, f"{organization[:40]} root {'EC' if kind is KeyKind.EC else 'RSA'}")
    builder = _builder(name, name, key.public_key(), now, now + ROOT_LIFE)
    builder = _authority(builder, path_length=1)
    return Issuer(_signed(builder, key), key)


def issuing(key: PrivateKey, organization: str, above: Issuer, now: datetime) -> Issuer:
    """What signs everything else, so that the root's key is needed every few years only."""
    kind = "EC" if kind_of(key) is KeyKind.EC else "RSA"
    name = _name(organization, f"{organization[:40]} issuing {kind} {now:%Y}")
    ends = min(now + ISSUING_LIFE, above.certificate.not_valid_after_utc)
    builder = _builder(name, above.certificate.subject, key.public_key(), now, ends)
    builder = _authority(_below(builder, above), path_length=0)
    return Issuer(_signed(builder, above.key), key)


def server(
    key: PrivateKey, organization: str, names: ServerNames, above: Issuer, now: datetime
) -> x509.Certificate:
    """What the controller shows to stations."""
    subject = _name(organization, names.common_name)
    ends = min(now + SERVER_LIFE, above.certificate.not_valid_after_utc)
    builder = _builder(subject, above.certificate.subject, key.public_key(), now, ends)
    general: list[x509.GeneralName] = [x509.DNSName(host) for host in names.hosts]
    general += [x509.IPAddress(ipaddress.ip_address(address)) for address in names.addresses]
    if general:
        # Stations reach a site by more than one name, and by addresses (A00.FR.511, note).
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    builder = _end_entity(_below(builder, above), key.public_key())
    return _signed(builder, above.key)


def station(
    key: PublicKey, organization: str, common_name: str, above: Issuer, now: datetime
) -> x509.Certificate:
    """What a station shows to the controller; its common name is the station's serial number
    (A00.FR.511). We write the subject: nothing of a request but its name and key goes in."""
    subject = _name(organization, common_name)
    ends = min(now + STATION_LIFE, above.certificate.not_valid_after_utc)
    builder = _builder(subject, above.certificate.subject, key, now, ends)
    return _signed(_end_entity(_below(builder, above), key), above.key)


def names_of(certificate: x509.Certificate) -> ServerNames:
    """What a server certificate of ours stands for."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ServerNames((), ())
    hosts = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return ServerNames(tuple(hosts), tuple(str(address) for address in addresses))


def renewal_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether two thirds of its life are over."""
    began, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= began + (ends - began) * 2 / 3


def pem(*certificates: x509.Certificate) -> str:
    """As text, one after the other."""
    return "".join(c.public_bytes(Encoding.PEM).decode("ascii") for c in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over its DER form, hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def serial_number(certificate: x509.Certificate) -> str:
    """As OCPP writes it: hex without leading zeros."""
    return f"{certificate.serial_number:X}"


def common_name(name: x509.Name) -> str:
    """The last common name of a subject, or nothing."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value) if found else ""


def _name(organization: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:NAME_CHARACTERS_MAX]),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:NAME_CHARACTERS_MAX]),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before((now - BACKDATED).astimezone(UTC))
        .not_valid_after(ends.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _below(builder: x509.CertificateBuilder, above: Issuer) -> x509.CertificateBuilder:
    identifier = above.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value),
        critical=False,
    )


def _authority(builder: x509.CertificateBuilder, *, path_length: int) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    usage = _usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _end_entity(builder: x509.CertificateBuilder, key: PublicKey) -> x509.CertificateBuilder:
    # TLS_RSA_WITH_… (A00.FR.318) encrypts with the certificate's key.
    usage = _usage(digital_signature=True, key_encipherment=kind_of(key) is KeyKind.RSA)
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    # RSA signs with PKCS 1 v1.5: stations that speak TLS_RSA rarely know PSS (A00.FR.505 only
    # recommends it).
    return builder.sign(key, hashes.SHA256())
