"""Where each command and question has its place in the API: one row each, read by both ends.

The API makes an endpoint of a row, the client a request. Fields named in the path stand there; a
command's other fields are its JSON body, a question's its query parameters. What needs more than a
row has a hand-written route in `api/` and its own words in `client.py`.
"""

import re
from dataclasses import dataclass, fields
from typing import Any, TypeVar
from urllib.parse import quote

from sitecontroller.domain import (
    availability,
    commissioning,
    configuration,
    conformance,
    costs,
    customer,
    device,
    digital_input,
    display,
    emergency,
    faults,
    grid,
    limit_history,
    limit_proof,
    limit_signal,
    limit_source,
    local_list,
    monitoring,
    paying,
    payment,
    planning,
    reservation,
    security,
    session_needs,
    signed_reading,
    streams,
    swap,
    till,
    transaction_check,
)
from sitecontroller.domain import certificates as pki
from sitecontroller.domain import commands as core
from sitecontroller.domain import files as station_files
from sitecontroller.domain import firmware as fw
from sitecontroller.domain import rollout as ro
from sitecontroller.domain import smart as sm
from sitecontroller.domain.commands import Command
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.wire import to_json

T = TypeVar("T", bound=type)

_FIELD = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class CommandRoute:
    """A row: `tag` groups it in the API's description; `hand_written`: `api/` has its endpoint."""

    method: str
    path: str
    tag: str = "commands"
    hand_written: bool = False

    @property
    def in_path(self) -> tuple[str, ...]:
        """Fields of the command that the path names."""
        return tuple(_FIELD.findall(self.path))


@dataclass(frozen=True, slots=True)
class QueryRoute:
    """A row: the `answer` is a view, or `Page[View]`."""

    path: str
    answer: Any
    tag: str = "stations"

    @property
    def in_path(self) -> tuple[str, ...]:
        """Fields of the question that the path names."""
        return tuple(_FIELD.findall(self.path))


_STATION = "/v1/stations/{station_id}"
_EVSE = f"{_STATION}/evses/{{evse_id}}"


def _core(method: str, path: str) -> CommandRoute:
    return CommandRoute(method, path, hand_written=True)


COMMANDS: dict[type[Command], CommandRoute] = {
    core.StartTransaction: _core("POST", f"{_EVSE}/start"),
    core.StopTransaction: _core("POST", "/v1/transactions/{transaction_key}/stop"),
    core.UnlockConnector: _core("POST", f"{_EVSE}/unlock"),
    core.ResetStation: _core("POST", f"{_STATION}/reset"),
    core.TriggerMessage: _core("POST", f"{_STATION}/trigger"),
    core.SetVariable: _core("PUT", f"{_STATION}/variables"),
    core.AcceptStation: _core("POST", f"{_STATION}/accept"),
    core.RejectStation: _core("POST", f"{_STATION}/reject"),
    core.PauseCharging: CommandRoute("POST", "/v1/transactions/{transaction_key}/pause"),
    core.ResumeCharging: CommandRoute("POST", "/v1/transactions/{transaction_key}/resume"),
    costs.PushTariff: CommandRoute("POST", f"{_STATION}/tariffs", "money"),
    costs.ReadTariffs: CommandRoute("POST", f"{_STATION}/tariffs/read", "money"),
    costs.ClearTariffs: CommandRoute("POST", f"{_STATION}/tariffs/clear", "money"),
    costs.NotifyWebPaymentStarted: CommandRoute("POST", f"{_EVSE}/web-payment", "money"),
    costs.UseCurrentTariff: CommandRoute(
        "POST", "/v1/transactions/{transaction_key}/tariff", "money"
    ),
    costs.ShowCost: CommandRoute("POST", "/v1/transactions/{transaction_key}/show-cost", "money"),
    core.AcknowledgeAlarm: _core("POST", "/v1/alarms/{alarm_key}/acknowledge"),
    device.TakeSnapshot: CommandRoute("POST", f"{_STATION}/snapshots", "settings"),
    device.RestoreSnapshot: CommandRoute(
        "POST", f"{_STATION}/snapshots/{{snapshot_key}}/restore", "settings"
    ),
    device.CopySettings: CommandRoute(
        "POST", "/v1/stations/{to_station}/settings/copy", "settings"
    ),
    device.SetVariables: CommandRoute("PUT", f"{_STATION}/settings", "settings"),
    device.SetNetworkProfile: CommandRoute("PUT", f"{_STATION}/network-profile", "settings"),
    device.UseNetworkProfile: CommandRoute("POST", f"{_STATION}/network-profile/use", "settings"),
    transaction_check.CheckTransaction: CommandRoute(
        "POST", "/v1/transactions/{transaction_key}/check", "transactions"
    ),
    transaction_check.CheckQueue: CommandRoute("POST", f"{_STATION}/check-queue", "transactions"),
    reservation.ReserveEvse: CommandRoute("POST", f"{_STATION}/reservations", "reservations"),
    reservation.CancelReservation: CommandRoute(
        "DELETE", "/v1/reservations/{reservation_key}", "reservations"
    ),
    local_list.SyncLocalList: CommandRoute("POST", f"{_STATION}/local-list/sync", "cards"),
    local_list.EmptyLocalList: CommandRoute("DELETE", f"{_STATION}/local-list", "cards"),
    local_list.ClearAuthorizationCache: CommandRoute(
        "POST", f"{_STATION}/authorization-cache/clear", "cards"
    ),
}

COMMANDS |= {
    station_files.GetLog: CommandRoute("POST", f"{_STATION}/logs", "logs"),
    fw.InstallFirmware: CommandRoute("POST", f"{_STATION}/firmware", "firmware"),
    fw.SignFirmware: CommandRoute("PUT", "/v1/firmware/{image_key}/signature", "firmware"),
    fw.RemoveFirmware: CommandRoute("DELETE", "/v1/firmware/{image_key}", "firmware"),
    fw.PublishFirmware: CommandRoute("POST", f"{_STATION}/published-firmware", "firmware"),
    fw.UnpublishFirmware: CommandRoute(
        "DELETE", f"{_STATION}/published-firmware/{{image_key}}", "firmware"
    ),
    ro.StartRollout: CommandRoute("POST", "/v1/rollouts", "firmware"),
    ro.PauseRollout: CommandRoute("POST", "/v1/rollouts/{rollout_key}/pause", "firmware"),
    ro.ResumeRollout: CommandRoute("POST", "/v1/rollouts/{rollout_key}/resume", "firmware"),
    ro.AbortRollout: CommandRoute("POST", "/v1/rollouts/{rollout_key}/abort", "firmware"),
    monitoring.SetVariableMonitoring: CommandRoute("POST", f"{_STATION}/monitors", "monitoring"),
    monitoring.ClearVariableMonitoring: CommandRoute(
        "POST", f"{_STATION}/monitors/clear", "monitoring"
    ),
    monitoring.GetMonitoringReport: CommandRoute(
        "POST", f"{_STATION}/monitors/report", "monitoring"
    ),
    monitoring.SetMonitoringBase: CommandRoute("PUT", f"{_STATION}/monitoring-base", "monitoring"),
    monitoring.SetMonitoringLevel: CommandRoute(
        "PUT", f"{_STATION}/monitoring-level", "monitoring"
    ),
    customer.CustomerInformation: CommandRoute(
        "POST", f"{_STATION}/customer-information", "customers"
    ),
    display.SetDisplayMessage: CommandRoute("POST", "/v1/display-messages", "displays"),
    display.ClearDisplayMessage: CommandRoute("POST", "/v1/display-messages/clear", "displays"),
    display.GetDisplayMessages: CommandRoute(
        "POST", f"{_STATION}/display-messages/report", "displays"
    ),
}

QUERIES: dict[type[Query], QueryRoute] = {
    core.CommandsQuery: QueryRoute("/v1/commands", Page[core.CommandRecord], "commands"),
    costs.SettlementsQuery: QueryRoute("/v1/settlements", Page[costs.Settlement], "money"),
    availability.OutOfServiceQuery: QueryRoute(
        "/v1/out-of-service", Page[availability.OutOfServiceView]
    ),
    station_files.LogJobsQuery: QueryRoute("/v1/log-jobs", Page[station_files.LogJobView], "logs"),
    station_files.LogJobQuery: QueryRoute(
        "/v1/log-jobs/{job_key}", station_files.LogJobView, "logs"
    ),
    fw.FirmwareImagesQuery: QueryRoute("/v1/firmware", Page[fw.FirmwareImage], "firmware"),
    fw.FirmwareJobsQuery: QueryRoute("/v1/firmware-jobs", Page[fw.FirmwareJobView], "firmware"),
    fw.FirmwareJobQuery: QueryRoute("/v1/firmware-jobs/{job_key}", fw.FirmwareJobView, "firmware"),
    fw.PublishedFirmwareQuery: QueryRoute(
        "/v1/published-firmware", Page[fw.PublishedFirmwareView], "firmware"
    ),
    ro.RolloutsQuery: QueryRoute("/v1/rollouts", Page[ro.RolloutView], "firmware"),
    ro.RolloutQuery: QueryRoute("/v1/rollouts/{rollout_key}", ro.RolloutView, "firmware"),
    conformance.ConformanceQuery: QueryRoute(
        f"{_STATION}/conformance", conformance.ConformanceReport
    ),
    device.SnapshotsQuery: QueryRoute(
        f"{_STATION}/snapshots", Page[device.DeviceSnapshot], "settings"
    ),
    device.SnapshotQuery: QueryRoute(
        f"{_STATION}/snapshots/{{snapshot_key}}", device.SettingsView, "settings"
    ),
    device.SettingsQuery: QueryRoute(f"{_STATION}/settings", device.SettingsView, "settings"),
    device.DifferencesQuery: QueryRoute(
        f"{_STATION}/differences", device.DifferencesView, "settings"
    ),
    device.StationDifferencesQuery: QueryRoute(
        f"{_STATION}/differences/{{other_station_id}}", device.DifferencesView, "settings"
    ),
    faults.HealingsQuery: QueryRoute("/v1/healings", Page[faults.Healing], "faults"),
    monitoring.MonitorsQuery: QueryRoute(
        f"{_STATION}/monitors", monitoring.StationMonitors, "monitoring"
    ),
    monitoring.StationEventsQuery: QueryRoute(
        "/v1/station-events", Page[monitoring.StationEvent], "monitoring"
    ),
    display.DisplayMessagesQuery: QueryRoute(
        "/v1/display-messages", Page[display.WantedMessage], "displays"
    ),
    reservation.ReservationsQuery: QueryRoute(
        "/v1/reservations", Page[reservation.ReservationView], "reservations"
    ),
    reservation.ReservationQuery: QueryRoute(
        "/v1/reservations/{reservation_key}", reservation.ReservationView, "reservations"
    ),
    local_list.LocalListsQuery: QueryRoute(
        "/v1/local-lists", Page[local_list.LocalListView], "cards"
    ),
    local_list.LocalListQuery: QueryRoute(
        f"{_STATION}/local-list", local_list.LocalListView, "cards"
    ),
}


COMMANDS |= {
    sm.ReadChargingProfiles: CommandRoute("POST", f"{_STATION}/charging-profiles/read", "smart"),
    sm.SetChargingProfile: CommandRoute("POST", f"{_STATION}/charging-profiles", "smart"),
    sm.ClearChargingProfiles: CommandRoute("POST", f"{_STATION}/charging-profiles/clear", "smart"),
    sm.StartLimited: CommandRoute("POST", f"{_EVSE}/start-limited", "smart"),
    sm.ReadSchedule: CommandRoute("POST", f"{_STATION}/schedule", "smart"),
    sm.UseDynamicLimits: CommandRoute("POST", f"{_STATION}/dynamic-limits", "smart"),
    sm.UsePriorityCharging: CommandRoute(
        "POST", "/v1/transactions/{transaction_key}/priority-charging", "smart"
    ),
    sm.AllowEnergyTransfers: CommandRoute(
        "POST", "/v1/transactions/{transaction_key}/energy-transfers", "smart"
    ),
    streams.AdjustStream: CommandRoute("PUT", f"{_STATION}/streams/{{stream_id}}", "smart"),
    streams.ReadStreams: CommandRoute("POST", f"{_STATION}/streams/read", "smart"),
    grid.SetDerControl: CommandRoute("POST", f"{_STATION}/der-controls", "grid"),
    grid.ReadDerControls: CommandRoute("POST", f"{_STATION}/der-controls/read", "grid"),
    grid.ClearDerControls: CommandRoute("POST", f"{_STATION}/der-controls/clear", "grid"),
    grid.SendAfrrSignal: CommandRoute("POST", f"{_STATION}/afrr-signal", "grid"),
    swap.RequestBatterySwap: CommandRoute("POST", f"{_STATION}/battery-swaps", "smart"),
}

QUERIES |= {
    sm.ChargingProfilesQuery: QueryRoute(f"{_STATION}/charging-profiles", sm.ProfilesView, "smart"),
    sm.ExternalLimitsQuery: QueryRoute("/v1/external-limits", Page[sm.ExternalLimit], "smart"),
    sm.ChargingNeedsQuery: QueryRoute(
        f"{_STATION}/charging-needs", Page[sm.ChargingNeeds], "smart"
    ),
    sm.EvSchedulesQuery: QueryRoute(f"{_STATION}/ev-schedules", Page[sm.EvSchedule], "smart"),
    sm.EvStatesQuery: QueryRoute(f"{_STATION}/ev-states", Page[sm.EvState], "smart"),
    streams.StreamsQuery: QueryRoute(f"{_STATION}/streams", Page[streams.EventStream], "smart"),
    grid.DerControlsQuery: QueryRoute(f"{_STATION}/der-controls", grid.DerControlsView, "grid"),
    grid.DerEventsQuery: QueryRoute(f"{_STATION}/der-events", Page[grid.DerEvent], "grid"),
    swap.BatterySwapsQuery: QueryRoute(
        f"{_STATION}/battery-swaps", Page[swap.BatterySwap], "smart"
    ),
}

COMMANDS |= {
    signed_reading.PinMeterKey: CommandRoute("PUT", f"{_EVSE}/meter-key", "transactions"),
    signed_reading.DecideSignedSession: CommandRoute(
        "POST", "/v1/transactions/{transaction_key}/signed-readings/decision", "transactions"
    ),
}

QUERIES |= {
    signed_reading.SignedReadingsQuery: QueryRoute(
        "/v1/transactions/{transaction_key}/signed-readings",
        signed_reading.SignedReadingsView,
        "transactions",
    ),
    signed_reading.MeterKeysQuery: QueryRoute(
        "/v1/meter-keys", Page[signed_reading.MeterKeyPin], "transactions"
    ),
}

COMMANDS |= {
    emergency.TriggerEmergency: CommandRoute("POST", "/v1/emergency", "site"),
    emergency.ReleaseEmergency: CommandRoute("POST", "/v1/emergency/release", "site"),
}

QUERIES |= {
    emergency.EmergencyQuery: QueryRoute("/v1/emergency", emergency.EmergencyView, "site"),
    digital_input.InputsQuery: QueryRoute("/v1/inputs", Page[digital_input.InputView], "site"),
}

COMMANDS |= {
    limit_source.SetSiteLimit: CommandRoute("PUT", "/v1/site-limits/{limit_id}", "site"),
    limit_source.WithdrawSiteLimit: CommandRoute("DELETE", "/v1/site-limits/{limit_id}", "site"),
}

QUERIES |= {
    limit_source.SiteLimitsQuery: QueryRoute(
        "/v1/site-limits", Page[limit_source.SiteLimitView], "site"
    ),
    limit_source.GroupsQuery: QueryRoute("/v1/groups", Page[limit_source.GroupView], "site"),
    limit_proof.LimitProofsQuery: QueryRoute(
        "/v1/limit-proofs", Page[limit_proof.LimitProof], "site"
    ),
    limit_signal.LimitSourcesQuery: QueryRoute(
        "/v1/limit-sources", Page[limit_signal.LimitSourceView], "site"
    ),
    limit_source.SiteLimitQuery: QueryRoute(
        "/v1/site-limits/{limit_id}", limit_source.SiteLimitView, "site"
    ),
}

COMMANDS |= {
    commissioning.StartCheck: CommandRoute("POST", "/v1/commissioning/checks", "commissioning"),
    commissioning.SkipCheck: CommandRoute("POST", "/v1/commissioning/skipped", "commissioning"),
    commissioning.CancelCheck: CommandRoute("POST", "/v1/commissioning/cancel", "commissioning"),
}

QUERIES |= {
    commissioning.CommissioningQuery: QueryRoute(
        "/v1/commissioning", commissioning.CommissioningView, "commissioning"
    ),
    commissioning.FallbackProposalQuery: QueryRoute(
        "/v1/commissioning/fallbacks", commissioning.FallbackProposal, "commissioning"
    ),
}

COMMANDS |= {configuration.ApplyConfiguration: CommandRoute("PUT", "/v1/configuration", "site")}

QUERIES |= {
    configuration.ConfigurationQuery: QueryRoute(
        "/v1/configuration", configuration.ConfigurationView, "site"
    ),
}

COMMANDS |= {planning.SetPrices: CommandRoute("PUT", "/v1/prices", "site")}

QUERIES |= {
    planning.PricesQuery: QueryRoute("/v1/prices", planning.PricesView, "site"),
    planning.PlanQuery: QueryRoute("/v1/plan", planning.PlanView, "site"),
    planning.ForecastQuery: QueryRoute("/v1/forecast", Page[planning.ForecastView], "site"),
}

_SESSION = "/v1/transactions/{transaction_key}"

COMMANDS |= {
    session_needs.SetChargingNeeds: CommandRoute("PUT", f"{_SESSION}/charging-needs", "smart"),
    session_needs.BoostSession: CommandRoute("PUT", f"{_SESSION}/boost", "smart"),
    session_needs.EndBoost: CommandRoute("DELETE", f"{_SESSION}/boost", "smart"),
    session_needs.AllowDischarge: CommandRoute("PUT", f"{_SESSION}/discharge", "smart"),
    session_needs.EndDischarge: CommandRoute("DELETE", f"{_SESSION}/discharge", "smart"),
}

QUERIES |= {
    session_needs.SessionNeedsQuery: QueryRoute(
        f"{_SESSION}/charging-needs", session_needs.SessionNeedsView, "smart"
    ),
    limit_history.LimitHistoryQuery: QueryRoute(
        "/v1/limit-history", Page[limit_history.LimitChange], "site"
    ),
}

COMMANDS |= {
    security.AllowUnsecured: CommandRoute("PUT", f"{_STATION}/security/exception", "security"),
    security.LowerSecurityProfile: CommandRoute("POST", f"{_STATION}/security/lower", "security"),
    security.RaiseSecurityProfile: CommandRoute("POST", f"{_STATION}/security/raise", "security"),
    security.RotatePassword: CommandRoute("POST", f"{_STATION}/password/rotate", "security"),
    pki.InstallCertificate: CommandRoute("POST", f"{_STATION}/certificates", "security"),
    pki.DeleteCertificate: CommandRoute("POST", f"{_STATION}/certificates/delete", "security"),
    pki.ListCertificates: CommandRoute("POST", f"{_STATION}/certificates/list", "security"),
    pki.RenewCertificate: CommandRoute("POST", f"{_STATION}/certificates/renew", "security"),
    pki.RevokeCertificates: CommandRoute("POST", f"{_STATION}/certificates/revoke", "security"),
    pki.TrustRoot: CommandRoute("POST", "/v1/plug-and-charge/roots", "security"),
    pki.ForgetRoot: CommandRoute("DELETE", "/v1/plug-and-charge/roots/{fingerprint}", "security"),
}

QUERIES |= {
    security.SiteSecurityQuery: QueryRoute("/v1/security", security.SiteSecurityView, "security"),
    security.SecurityEventsQuery: QueryRoute(
        "/v1/security/events", Page[security.SecurityEvent], "security"
    ),
    security.SecurityJobsQuery: QueryRoute(
        "/v1/security/jobs", Page[security.SecurityJob], "security"
    ),
    security.StationSecurityQuery: QueryRoute(
        f"{_STATION}/security", security.StationSecurityView, "security"
    ),
    pki.InstalledCertificatesQuery: QueryRoute(
        f"{_STATION}/certificates", pki.InstalledCertificates, "security"
    ),
    pki.TrustedRootsQuery: QueryRoute(
        "/v1/plug-and-charge/roots", Page[pki.TrustedRoot], "security"
    ),
}

COMMANDS |= {
    paying.PayTransaction: CommandRoute("POST", f"{_SESSION}/payments", "money"),
    paying.HoldPayment: CommandRoute("POST", f"{_SESSION}/payments/hold", "money"),
    paying.CapturePayment: CommandRoute("POST", "/v1/payments/{payment_key}/capture", "money"),
    paying.VoidPayment: CommandRoute("POST", "/v1/payments/{payment_key}/void", "money"),
    paying.RefundPayment: CommandRoute("POST", "/v1/payments/{payment_key}/refunds", "money"),
    paying.ResolvePayment: CommandRoute("POST", "/v1/payments/{payment_key}/resolve", "money"),
    paying.OpenShift: CommandRoute("POST", "/v1/shifts", "till"),
    paying.CloseShift: CommandRoute("POST", "/v1/shifts/{shift_key}/close", "till"),
    paying.PayIn: CommandRoute("POST", "/v1/shifts/{shift_key}/pay-ins", "till"),
    paying.PayOut: CommandRoute("POST", "/v1/shifts/{shift_key}/pay-outs", "till"),
}

QUERIES |= {
    paying.PaymentsQuery: QueryRoute("/v1/payments", Page[payment.Payment], "money"),
    paying.PaymentQuery: QueryRoute("/v1/payments/{payment_key}", payment.Payment, "money"),
    paying.SessionPaymentsQuery: QueryRoute(
        f"{_SESSION}/payments", paying.SessionPayments, "money"
    ),
    paying.ShiftsQuery: QueryRoute("/v1/shifts", Page[till.Shift], "till"),
    paying.ShiftReportQuery: QueryRoute("/v1/shifts/{shift_key}/report", till.ShiftReport, "till"),
}


def filled(path: str, value: Any) -> tuple[str, dict[str, Any]]:
    """The path with a value's fields in it, and the other fields as JSON."""
    named = _FIELD.findall(path)
    rest = {
        field.name: to_json(getattr(value, field.name))
        for field in fields(value)
        if field.name not in named
    }
    return _FIELD.sub(lambda match: segment(str(getattr(value, match[1]))), path), rest


def segment(text: str) -> str:
    """One segment of a path; dots too, else `..` would climb."""
    return quote(text, safe="").replace(".", "%2E")
