"""The words of OCPP 1.6 beside those of the domain, as tables, and its settings as it tells them.

Only `v16` reads this.
"""

from typing import Any

from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.errors import Unsupported
from sitecontroller.domain.station import ChargingState, ConnectorStatus
from sitecontroller.domain.topology import LimitUnit
from sitecontroller.ocpp.profiles import Purpose
from sitecontroller.ocpp.setup import Setting
from sitecontroller.ocpp.values import rows, text

CARD_CHARACTERS_MAX = 20
KEYS_MAX = 1000
KEYS_PER_REQUEST = 20
"""Where a station doesn't say how many it takes."""

STATUSES = {
    "available": (ConnectorStatus.AVAILABLE, None),
    "preparing": (ConnectorStatus.OCCUPIED, ChargingState.EV_CONNECTED),
    "occupied": (ConnectorStatus.OCCUPIED, None),
    "charging": (ConnectorStatus.OCCUPIED, ChargingState.CHARGING),
    "suspendedevse": (ConnectorStatus.OCCUPIED, ChargingState.SUSPENDED_EVSE),
    "suspendedev": (ConnectorStatus.OCCUPIED, ChargingState.SUSPENDED_EV),
    "finishing": (ConnectorStatus.OCCUPIED, ChargingState.EV_CONNECTED),
    "reserved": (ConnectorStatus.RESERVED, None),
    "unavailable": (ConnectorStatus.UNAVAILABLE, None),
    "faulted": (ConnectorStatus.FAULTED, None),
}

CARD_STATUSES = {
    AuthorizationStatus.ACCEPTED: "Accepted",
    AuthorizationStatus.BLOCKED: "Blocked",
    AuthorizationStatus.EXPIRED: "Expired",
    AuthorizationStatus.CONCURRENT_TX: "ConcurrentTx",
    AuthorizationStatus.NOT_AT_THIS_TIME: "Invalid",
    AuthorizationStatus.INVALID: "Invalid",
    AuthorizationStatus.UNKNOWN: "Invalid",
}

STOP_REASONS = {
    "hardreset": "ImmediateReset",
    "softreset": "Reboot",
    "unlockcommand": "Other",
    "deauthorized": "DeAuthorized",
    "emergencystop": "EmergencyStop",
    "evdisconnected": "EVDisconnected",
    "local": "Local",
    "powerloss": "PowerLoss",
    "reboot": "Reboot",
    "remote": "Remote",
}

PURPOSES = {
    Purpose.STATION_MAXIMUM: "ChargePointMaxProfile",
    Purpose.TX_DEFAULT: "TxDefaultProfile",
    Purpose.TX: "TxProfile",
}

TRIGGERS = {
    "BootNotification": "BootNotification",
    "FirmwareStatusNotification": "FirmwareStatusNotification",
    "Heartbeat": "Heartbeat",
    "LogStatusNotification": "DiagnosticsStatusNotification",
    "MeterValues": "MeterValues",
    "StatusNotification": "StatusNotification",
    "TransactionEvent": "MeterValues",
}

_CURRENT = ("current", "a", "amp", "amps", "ampere", "amperes")
_POWER = ("power", "w", "watt", "watts")

SAMPLE_INTERVAL = "MeterValueSampleInterval"
SAMPLED_MEASURANDS = "MeterValuesSampledData"
STACK_LEVEL_MAX = "ChargeProfileMaxStackLevel"
ALLOWED_UNITS = "ChargingScheduleAllowedChargingRateUnit"
KEYS_PER_REQUEST_KEY = "GetConfigurationMaxKeys"

OFFLINE_KEYS = ("AllowOfflineTxForUnknownId", "LocalAuthorizeOffline", "LocalPreAuthorize")
"""For unknown cards, for known ones, and for those before they are asked for."""

OUR_KEYS = (
    SAMPLE_INTERVAL, SAMPLED_MEASURANDS, ALLOWED_UNITS, KEYS_PER_REQUEST_KEY,
    STACK_LEVEL_MAX, "StopTransactionOnInvalidId", *OFFLINE_KEYS,
)  # fmt: skip

STANDARD_KEYS = (
    *OUR_KEYS,
    "AllowOfflineTxForUnknownId", "AuthorizationCacheEnabled", "AuthorizeRemoteTxRequests",
    "BlinkRepeat", "ClockAlignedDataInterval", "ConnectionTimeOut", "ConnectorPhaseRotation",
    "ConnectorPhaseRotationMaxLength", "HeartbeatInterval", "LightIntensity",
    "LocalAuthorizeOffline", "LocalPreAuthorize", "MaxEnergyOnInvalidId", "MeterValuesAlignedData",
    "MeterValuesAlignedDataMaxLength", "MeterValuesSampledDataMaxLength", "MinimumStatusDuration",
    "NumberOfConnectors", "ResetRetries", "StopTransactionOnEVSideDisconnect", "StopTxnAlignedData",
    "StopTxnAlignedDataMaxLength", "StopTxnSampledData", "StopTxnSampledDataMaxLength",
    "SupportedFeatureProfiles", "SupportedFeatureProfilesMaxLength", "TransactionMessageAttempts",
    "TransactionMessageRetryInterval", "UnlockConnectorOnEVSideDisconnect", "WebSocketPingInterval",
    "LocalAuthListEnabled", "LocalAuthListMaxLength", "SendLocalListMaxLength",
    "ReserveConnectorZeroSupported", "ChargingScheduleMaxPeriods",
    "ConnectorSwitch3to1PhaseSupported", "MaxChargingProfilesInstalled",
    "AdditionalRootCertificateCheck", "CertificateSignedMaxChainSize", "CertificateStoreMaxLength",
    "CpoName", "SecurityProfile", "SupportedFileTransferProtocols",
)  # fmt: skip
"""What OCPP 1.6 edition 2, chapter 9, and its security extension, chapter 7, name."""


def parse_settings(body: dict[str, Any]) -> dict[str, Setting]:
    """A GetConfiguration answer (Q16): values of any type, missing ones, keys in any case."""
    ours = {key.casefold(): key for key in OUR_KEYS}
    settings = {}
    for row in rows(body.get("configurationKey"), KEYS_MAX):
        key = text(row.get("key"))
        if key is None:
            continue
        value = row.get("value")
        said = str(value).lower() if isinstance(value, bool) else text(value)
        read_only = str(row.get("readonly", False)).strip().casefold() in ("true", "1")
        settings[ours.get(key.casefold(), key)] = Setting(said, writable=not read_only)
    return settings


def parse_units(value: str | None) -> frozenset[LimitUnit]:
    """Units a station takes limits in, however it writes and separates them (Q48)."""
    words = "".join(c if c.isalpha() else " " for c in value or "").casefold().split()
    named = {LimitUnit.A: _CURRENT, LimitUnit.W: _POWER}
    return frozenset(unit for unit, names in named.items() if not set(names).isdisjoint(words))


def transaction_number(station_transaction_id: str) -> int:
    """The id of a transaction as 1.6 knows it. Unsupported for one that the station began while it
    spoke 2.x: that one it can't be told of any more."""
    if not station_transaction_id.isdecimal():
        raise Unsupported(
            f"transaction {station_transaction_id[:40]} was begun over another version of OCPP",
            remedy="Restart the charger: it ends its sessions then",
        )
    return int(station_transaction_id)
