"""What a 2.x station keeps of a customer: read or cleared for his rights to his data (N09, N10)."""

from dataclasses import dataclass
from enum import StrEnum

from sitecontroller.domain.authorization import IdTokenType
from sitecontroller.domain.commands import Command, StationRequest


class HashAlgorithm(StrEnum):
    """OCPP 2.0.1 HashAlgorithmEnumType."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


@dataclass(frozen=True, slots=True)
class CustomerCertificate:
    """A contract certificate by its hashes, as the station was asked to keep them."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


@dataclass(frozen=True, slots=True)
class CustomerInformation(Command):
    """Ask a 2.x station for what it keeps of a customer (`report`), or have it cleared (`clear`).

    Exactly one of card, certificate and identifier names the customer. `reason` and `by` go into
    the log. `forget`: the card is taken out of the site's own list too, so that the stations' lists
    follow. `answer` has the station's text; nothing of it is kept.
    """

    station_id: str
    reason: str
    id_token: str | None = None
    id_token_type: IdTokenType = IdTokenType.ISO14443
    certificate: CustomerCertificate | None = None
    customer_identifier: str | None = None
    report: bool = True
    clear: bool = False
    forget: bool = False
    by: str = "console"


@dataclass(frozen=True, slots=True)
class AskCustomer(StationRequest):
    """The same, said to the station: its text under "text", whether all parts came under
    "complete"."""

    wanted: CustomerInformation
