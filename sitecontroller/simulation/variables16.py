"""The configuration keys of a simulated OCPP 1.6 station, without those of its blocks."""

from sitecontroller.domain.topology import ChargingStation
from sitecontroller.simulation import samples
from sitecontroller.simulation.profiles import PERIODS_MAX, PROFILES_MAX, STACK_LEVEL_MAX
from sitecontroller.simulation.settings import FLAG, WHOLE_NUMBER, Setting

KEYS_MAX = 50
PROFILES = "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"


def core_keys(station: ChargingStation) -> list[Setting]:
    """The keys of OCPP 1.6 chapter 9 that every station of ours has."""
    unit = "Power" if station.evses[0].limit_unit.value == "W" else "Current"
    rotation = ",".join(f"{evse.evse_id}.NotApplicable" for evse in station.evses)
    fixed = {
        "NumberOfConnectors": str(len(station.evses)),
        "SupportedFeatureProfiles": PROFILES,
        "ChargeProfileMaxStackLevel": str(STACK_LEVEL_MAX),
        "ChargingScheduleAllowedChargingRateUnit": unit,
        "ChargingScheduleMaxPeriods": str(PERIODS_MAX),
        "MaxChargingProfilesInstalled": str(PROFILES_MAX),
        "GetConfigurationMaxKeys": str(KEYS_MAX),
        "SupportedFileTransferProtocols": "HTTP,HTTPS,FTP,FTPS",
    }
    sampled = ",".join(samples.DEFAULT_MEASURANDS)
    return [
        Setting("HeartbeatInterval", "300", WHOLE_NUMBER),
        Setting("MeterValueSampleInterval", "60", WHOLE_NUMBER),
        Setting("MeterValuesSampledData", sampled, samples.MEASURAND_LIST),
        Setting("StopTxnSampledData", "", rf"|{samples.MEASURAND_LIST}"),
        Setting("ClockAlignedDataInterval", "0", WHOLE_NUMBER),
        Setting("MeterValuesAlignedData", sampled, samples.MEASURAND_LIST),
        Setting("StopTxnAlignedData", "", rf"|{samples.MEASURAND_LIST}"),
        Setting("ConnectionTimeOut", "120", WHOLE_NUMBER),
        Setting("WebSocketPingInterval", "0", WHOLE_NUMBER),
        Setting("AuthorizeRemoteTxRequests", "false", FLAG),
        Setting("LocalPreAuthorize", "false", FLAG),
        Setting("LocalAuthorizeOffline", "false", FLAG),
        Setting("AllowOfflineTxForUnknownId", "false", FLAG),
        Setting("AuthorizationCacheEnabled", "true", FLAG),
        Setting("StopTransactionOnInvalidId", "true", FLAG),
        Setting("StopTransactionOnEVSideDisconnect", "true", FLAG),
        Setting("UnlockConnectorOnEVSideDisconnect", "true", FLAG),
        Setting("MinimumStatusDuration", "0", WHOLE_NUMBER),
        Setting("ResetRetries", "1", WHOLE_NUMBER),
        Setting("TransactionMessageAttempts", "3", WHOLE_NUMBER),
        Setting("TransactionMessageRetryInterval", "10", WHOLE_NUMBER),
        Setting("ConnectorPhaseRotation", rotation),
        *(Setting(name, value, writable=False) for name, value in fixed.items()),
    ]
