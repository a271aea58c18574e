"""OCPP's security events in plain words: what happened, how urgent, what to do.

From the white paper for 1.6, chapter 8, and the appendices 1 of 2.0.1 and 2.1. An event that the
specification calls critical becomes an alarm; what belongs to ordinary life (a restart, a clock
set) only when it comes again and again.
"""

from dataclasses import dataclass

from sitecontroller.domain.alarm import AlarmPriority

OFTEN = 5
"""How often an ordinary event must come within an hour to become an alarm."""


@dataclass(frozen=True, slots=True)
class EventWords:
    """`ordinary`: no alarm unless it comes `OFTEN`; `priority` None: never an alarm."""

    text: str
    priority: AlarmPriority | None = None
    remedy: str = ""
    ordinary: bool = False


_H, _M, _L = AlarmPriority.HIGH, AlarmPriority.MEDIUM, AlarmPriority.LOW
_LOOK = "Look at the charger; compare with the work that was ordered there"
_ROOT = "Install this site's root certificate on the charger again, from its security page"
_SERVICE = "Call the charger's service: its log holds the details"

EVENT_WORDS: dict[str, EventWords] = {
    "TamperDetectionActivated": EventWords(
        "its housing was opened",
        _H,
        "Look at the charger now; if nobody works there, switch it off",
    ),
    "SecurityLogWasCleared": EventWords("its security log was cleared", _M, _LOOK),
    "MemoryExhaustion": EventWords("its memory is nearly full", _M, _SERVICE),
    "InvalidFirmwareSignature": EventWords(
        "it was given a firmware whose signature is wrong",
        _M,
        "Get the firmware from its maker again",
    ),
    "InvalidFirmwareSigningCertificate": EventWords(
        "it was given a firmware signed with a certificate that it doesn't trust",
        _M,
        "Get the firmware and its signing certificate from its maker again",
    ),
    "InvalidCsmsCertificate": EventWords(
        "it doesn't trust this controller's certificate", _M, _ROOT
    ),
    "InvalidCentralSystemCertificate": EventWords(
        "it doesn't trust this controller's certificate", _M, _ROOT
    ),
    "InvalidChargingStationCertificate": EventWords(
        "it refused the certificate made for it", _M, "Renew its certificate from its security page"
    ),
    "InvalidChargePointCertificate": EventWords(
        "it refused the certificate made for it", _M, "Renew its certificate from its security page"
    ),
    "DiscardedRenewedClientCertificate": EventWords(
        "it could not connect with its new certificate and threw it away",
        _M,
        "Renew its certificate from its security page",
    ),
    "InvalidTLSVersion": EventWords("it met a TLS that is too old", _M, _SERVICE),
    "InvalidTLSCipherSuite": EventWords("it met a TLS that is too weak", _M, _SERVICE),
    "MaintenanceLoginFailed": EventWords("somebody failed to log in at the charger", _M, _LOOK),
    "MaintenanceLoginAccepted": EventWords("somebody logged in at the charger", _L, _LOOK),
    "FirmwareUpdated": EventWords("its firmware was updated", _L, _LOOK, ordinary=True),
    "SettingSystemTime": EventWords(
        "its clock was set again and again", _L, "Have its clock or battery checked", ordinary=True
    ),
    "StartupOfTheDevice": EventWords(
        "it starts again and again", _L, "Check its power supply; call its service", ordinary=True
    ),
    "ResetOrReboot": EventWords(
        "it restarts again and again", _L, "Check its power supply; call its service", ordinary=True
    ),
}

_BY_NAME = {name.casefold(): words for name, words in EVENT_WORDS.items()}


def words_of(event_type: str) -> EventWords | None:
    """What is known of an event; None: a maker's own, or one without consequence."""
    return _BY_NAME.get(event_type.strip().casefold())
