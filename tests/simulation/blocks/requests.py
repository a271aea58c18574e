"""One plain request for every message that a CSMS sends, by version.

Used to prove that a simulated station answers each of them by what it is, and with what fits.
"""

from typing import Any

from sitecontroller.domain.station import OcppVersion

Payload = dict[str, Any]

CARD = {"idToken": "04AABBCCDD", "type": "ISO14443"}
SOON = "2025-03-03T07:00:00Z"
HASH: Payload = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "ab",
    "issuerKeyHash": "cd",
    "serialNumber": "1",
}
POWER: Payload = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
TARIFF: Payload = {
    "tariffId": "day",
    "currency": "EUR",
    "energy": {"prices": [{"priceKwh": 0.5}], "taxRates": [{"type": "VAT", "tax": 19}]},
}
PLAN: Payload = {
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
    "startSchedule": "2025-03-03T05:59:00Z",
}
PROFILE_2X: Payload = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": [{"id": 1, **PLAN}],
}
PROFILE_16: Payload = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": PLAN,
}

REQUESTS_16: dict[str, Payload] = {
    "CancelReservation": {"reservationId": 1},
    "CertificateSigned": {"certificateChain": "none"},
    "ChangeAvailability": {"connectorId": 1, "type": "Operative"},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "60"},
    "ClearCache": {},
    "ClearChargingProfile": {},
    "DataTransfer": {"vendorId": "nobody"},
    "DeleteCertificate": {"certificateHashData": HASH},
    "ExtendedTriggerMessage": {"requestedMessage": "Heartbeat"},
    "GetCompositeSchedule": {"connectorId": 1, "duration": 60},
    "GetConfiguration": {},
    "GetDiagnostics": {"location": "http://127.0.0.1:1/"},
    "GetInstalledCertificateIds": {"certificateType": "CentralSystemRootCertificate"},
    "GetLocalListVersion": {},
    "GetLog": {
        "log": {"remoteLocation": "http://127.0.0.1:1/"},
        "logType": "SecurityLog",
        "requestId": 1,
    },
    "InstallCertificate": {
        "certificateType": "CentralSystemRootCertificate",
        "certificate": "none",
    },
    "RemoteStartTransaction": {"idTag": "04AABBCCDD", "connectorId": 1},
    "RemoteStopTransaction": {"transactionId": 1},
    "ReserveNow": {
        "connectorId": 1,
        "expiryDate": SOON,
        "idTag": "04AABBCCDD",
        "reservationId": 1,
    },
    "Reset": {"type": "Soft"},
    "SendLocalList": {"listVersion": 1, "updateType": "Full"},
    "SetChargingProfile": {"connectorId": 1, "csChargingProfiles": PROFILE_16},
    "SignedUpdateFirmware": {
        "requestId": 1,
        "firmware": {
            "location": "http://127.0.0.1:1/",
            "retrieveDateTime": SOON,
            "signingCertificate": "none",
            "signature": "none",
        },
    },
    "TriggerMessage": {"requestedMessage": "Heartbeat"},
    "UnlockConnector": {"connectorId": 1},
    "UpdateFirmware": {"location": "http://127.0.0.1:1/", "retrieveDate": SOON},
}

REQUESTS_201: dict[str, Payload] = {
    "CancelReservation": {"reservationId": 1},
    "CertificateSigned": {"certificateChain": "none"},
    "ChangeAvailability": {"operationalStatus": "Operative"},
    "ClearCache": {},
    "ClearChargingProfile": {"chargingProfileId": 1},
    "ClearDisplayMessage": {"id": 1},
    "ClearVariableMonitoring": {"id": [77]},
    "CostUpdated": {"totalCost": 1.5, "transactionId": "x"},
    "CustomerInformation": {"requestId": 1, "report": True, "clear": False, "idToken": CARD},
    "DataTransfer": {"vendorId": "nobody"},
    "DeleteCertificate": {"certificateHashData": HASH},
    "GetBaseReport": {"requestId": 1, "reportBase": "SummaryInventory"},
    "GetChargingProfiles": {"requestId": 1, "chargingProfile": {}},
    "GetCompositeSchedule": {"evseId": 1, "duration": 60},
    "GetDisplayMessages": {"requestId": 1},
    "GetInstalledCertificateIds": {},
    "GetLocalListVersion": {},
    "GetLog": {
        "log": {"remoteLocation": "http://127.0.0.1:1/"},
        "logType": "SecurityLog",
        "requestId": 1,
    },
    "GetMonitoringReport": {"requestId": 1},
    "GetReport": {"requestId": 1, "componentVariable": [POWER]},
    "GetTransactionStatus": {},
    "GetVariables": {"getVariableData": [POWER]},
    "InstallCertificate": {"certificateType": "CSMSRootCertificate", "certificate": "none"},
    "PublishFirmware": {
        "location": "http://127.0.0.1:1/",
        "checksum": "0" * 32,
        "requestId": 1,
    },
    "RequestStartTransaction": {"idToken": CARD, "remoteStartId": 1, "evseId": 1},
    "RequestStopTransaction": {"transactionId": "x"},
    "ReserveNow": {"id": 1, "expiryDateTime": SOON, "idToken": CARD, "evseId": 1},
    "Reset": {"type": "OnIdle"},
    "SendLocalList": {"versionNumber": 1, "updateType": "Full"},
    "SetChargingProfile": {"evseId": 1, "chargingProfile": PROFILE_2X},
    "SetDisplayMessage": {
        "message": {
            "id": 1,
            "priority": "NormalCycle",
            "message": {"format": "UTF8", "content": "Hello"},
        }
    },
    "SetMonitoringBase": {"monitoringBase": "All"},
    "SetMonitoringLevel": {"severity": 5},
    "SetNetworkProfile": {
        "configurationSlot": 1,
        "connectionData": {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": "ws://127.0.0.1:1/ocpp",
            "messageTimeout": 30,
            "securityProfile": 1,
            "ocppInterface": "Wired0",
        },
    },
    "SetVariableMonitoring": {
        "setMonitoringData": [{"value": 1, "type": "UpperThreshold", "severity": 5, **POWER}]
    },
    "SetVariables": {"setVariableData": [{"attributeValue": "1", **POWER}]},
    "TriggerMessage": {"requestedMessage": "Heartbeat"},
    "UnlockConnector": {"evseId": 1, "connectorId": 1},
    "UnpublishFirmware": {"checksum": "0" * 32},
    "UpdateFirmware": {
        "requestId": 1,
        "firmware": {"location": "http://127.0.0.1:1/", "retrieveDateTime": SOON},
    },
}

REQUESTS_21: dict[str, Payload] = REQUESTS_201 | {
    "AFRRSignal": {"timestamp": SOON, "signal": 1},
    "AdjustPeriodicEventStream": {"id": 1, "params": {}},
    "ChangeTransactionTariff": {"transactionId": "x", "tariff": TARIFF},
    "ClearDERControl": {"isDefault": True},
    "ClearTariffs": {},
    "GetDERControl": {"requestId": 1},
    "GetPeriodicEventStream": {},
    "GetTariffs": {"evseId": 0},
    "NotifyAllowedEnergyTransfer": {
        "transactionId": "x",
        "allowedEnergyTransfer": ["AC_three_phase"],
    },
    "NotifyWebPaymentStarted": {"evseId": 1, "timeout": 60},
    "RequestBatterySwap": {"idToken": CARD, "requestId": 1},
    "SetDERControl": {
        "isDefault": True,
        "controlId": "c1",
        "controlType": "Gradients",
        "gradient": {"priority": 1, "gradient": 1.0, "softGradient": 1.0},
    },
    "SetDefaultTariff": {"evseId": 0, "tariff": TARIFF},
    "UpdateDynamicSchedule": {"chargingProfileId": 1, "scheduleUpdate": {"limit": 8.0}},
    "UsePriorityCharging": {"transactionId": "x", "activate": True},
}

REQUESTS = {
    OcppVersion.V16: REQUESTS_16,
    OcppVersion.V201: REQUESTS_201,
    OcppVersion.V21: REQUESTS_21,
}

SAID_BY_STATIONS = {
    *("Authorize", "BootNotification", "DiagnosticsStatusNotification", "Heartbeat"),
    *("FirmwareStatusNotification", "LogStatusNotification", "MeterValues", "SignCertificate"),
    *("SecurityEventNotification", "SignedFirmwareStatusNotification", "StartTransaction"),
    *("StatusNotification", "StopTransaction", "TransactionEvent", "ClearedChargingLimit"),
    *("Get15118EVCertificate", "GetCertificateStatus", "NotifyChargingLimit", "NotifyReport"),
    *("NotifyCustomerInformation", "NotifyDisplayMessages", "NotifyEVChargingNeeds"),
    *("NotifyEVChargingSchedule", "NotifyEvent", "NotifyMonitoringReport"),
    *("PublishFirmwareStatusNotification", "ReportChargingProfiles", "ReservationStatusUpdate"),
    *("BatterySwap", "ClosePeriodicEventStream", "GetCertificateChainStatus", "NotifyDERAlarm"),
    *("NotifyDERStartStop", "NotifyPriorityCharging", "NotifySettlement", "VatNumberValidation"),
    *("OpenPeriodicEventStream", "PullDynamicScheduleUpdate", "ReportDERControl"),
    "NotifyPeriodicEventStream",
}
