"""Every error that leaves a service, in one tree.

`code` is what the API's problem document carries and what the client raises again; `remedy` tells
the reader what to do. A refusal (a blocked card, a rejected command) is a value, never one of
these.

    ControllerError
    ├── InvalidInput          the caller's fault: names the fields
    ├── NotFound
    ├── Conflict
    ├── Unauthorized
    ├── ConfigurationError    a key of site.toml, with the remedy
    └── OperatingError        the world's fault: becomes an alarm or a retry
        ├── StationOffline
        ├── ConnectionLost    the station's socket closed while a call was under way
        ├── CallTimeout       no answer from the station in time
        ├── CallRefused       the station answered CALLERROR
        ├── Unsupported       this station, or its OCPP version, has no such function
        ├── MeterTimeout
        ├── MeterFault
        ├── NoTariff
        ├── PaymentUnreachable   the provider was not reached: nothing was sent
        ├── PaymentDeclined      the provider refused the money
        ├── PaymentUnclear       nobody knows yet whether the money moved
        ├── StoreUnavailable
        └── ControllerUnreachable   the console or CLI can't reach its controller
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of an input that can't be accepted; `field` is a dotted path."""

    field: str
    message: str


class ControllerError(Exception):
    """A fault with a stable code, a plain sentence and a remedy."""

    code = "internal"
    status = 500

    def __init__(
        self, detail: str, *, remedy: str = "", errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.errors = errors


class InvalidInput(ControllerError):
    """The request or value can't be accepted; `errors` names the fields."""

    code = "invalid-input"
    status = 422


class NotFound(ControllerError):
    """No such station, transaction, circuit, …"""

    code = "not-found"
    status = 404


class Conflict(ControllerError):
    """The thing exists but is not in a state that allows this."""

    code = "conflict"
    status = 409


class Unauthorized(ControllerError):
    """The caller did not prove who they are."""

    code = "unauthorized"
    status = 401


class ConfigurationError(ControllerError):
    """site.toml can't be used as it is; `errors` names the keys."""

    code = "configuration"
    status = 422


class OperatingError(ControllerError):
    """Something outside did not do its part: an alarm or a retry, never a crash."""

    code = "operating"
    status = 503


class StationOffline(OperatingError):
    """The station has no connection."""

    code = "station-offline"
    status = 409


class ConnectionLost(StationOffline):
    """The station's connection closed before it answered."""

    code = "connection-lost"


class CallTimeout(OperatingError):
    """The station did not answer before the deadline."""

    code = "call-timeout"
    status = 504


class CallRefused(OperatingError):
    """The station answered with a CALLERROR."""

    code = "call-refused"
    status = 502

    def __init__(self, error_code: str, description: str, details: object = None) -> None:
        super().__init__(f"{error_code}: {description}" if description else error_code)
        self.error_code = error_code
        self.description = description
        self.details = details


class Unsupported(OperatingError):
    """The station's OCPP version has no such message, or it said that it lacks it."""

    code = "unsupported"
    status = 409


class MeterTimeout(OperatingError):
    """A meter did not answer within its time-out and retries."""

    code = "meter-timeout"


class MeterFault(OperatingError):
    """A meter answered, but with an exception or something that can't be its answer.

    `since_s` (monotonic): what it said after that was no answer either; None: before, it was.
    """

    code = "meter-fault"

    def __init__(
        self,
        detail: str,
        *,
        remedy: str = "",
        errors: tuple[FieldError, ...] = (),
        since_s: float | None = None,
    ) -> None:
        super().__init__(detail, remedy=remedy, errors=errors)
        self.since_s = since_s


class NoTariff(OperatingError):
    """No tariff is valid: a sale stops; it never prices at 0."""

    code = "no-tariff"
    status = 409


class PaymentUnreachable(OperatingError):
    """A payment provider was not reached: nothing was sent, nothing took place."""

    code = "payment-unreachable"


class PaymentDeclined(OperatingError):
    """A payment provider refused; no money moved."""

    code = "payment-declined"
    status = 409


class PaymentUnclear(OperatingError):
    """Nobody knows yet whether the money moved; asking again must not repeat it."""

    code = "payment-unclear"
    status = 409


class StoreUnavailable(OperatingError):
    """The database could not commit; nothing was acknowledged."""

    code = "store-unavailable"


class ControllerUnreachable(OperatingError):
    """The controller's API does not answer."""

    code = "controller-unreachable"


def error_classes() -> dict[str, type[ControllerError]]:
    """Every class of the tree by its code, for the client that raises them again."""
    found: dict[str, type[ControllerError]] = {}
    pending: list[type[ControllerError]] = [ControllerError]
    while pending:
        cls = pending.pop()
        found[cls.code] = cls
        pending.extend(cls.__subclasses__())
    return found
