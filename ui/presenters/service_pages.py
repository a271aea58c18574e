"""The pages of the service screen, one a subject: its question, its columns, its actions.

A new subject is a function here. Words of the protocol are turned into plain ones where attendants
meet them; a technician sees the rest as it is.
"""

from datetime import timedelta

from sitecontroller.domain import commands as core
from sitecontroller.domain.certificates import RenewCertificate
from sitecontroller.domain.conformance import ConformanceQuery
from sitecontroller.domain.costs import SettlementsQuery
from sitecontroller.domain.device import RestoreSnapshot, SnapshotsQuery, TakeSnapshot
from sitecontroller.domain.faults import HealingsQuery
from sitecontroller.domain.files import GetLog, LogJobsQuery, LogType
from sitecontroller.domain.firmware import FirmwareImagesQuery, FirmwareJobsQuery, InstallFirmware
from sitecontroller.domain.local_list import (
    ClearAuthorizationCache,
    EmptyLocalList,
    LocalListsQuery,
    SyncLocalList,
)
from sitecontroller.domain.monitoring import StationEventsQuery
from sitecontroller.domain.reservation import CancelReservation, ReservationsQuery, ReserveEvse
from sitecontroller.domain.rollout import AbortRollout, RolloutsQuery, StartRollout
from sitecontroller.domain.security import (
    RaiseSecurityProfile,
    RotatePassword,
    SecurityEventsQuery,
)
from sitecontroller.domain.smart import ExternalLimitsQuery
from ui.i18n.texts import translate
from ui.presenters.service import ServiceAction, ServicePage

ROWS = 100
RESERVED_FOR = timedelta(hours=1)


def pages() -> tuple[ServicePage, ...]:
    """Every subject, in the attendant's language and in the order of the list."""
    return (
        _commands(),
        _reservations(),
        _lists(),
        _firmware(),
        _images(),
        _rollouts(),
        _logs(),
        _settings(),
        _events(),
        _healings(),
        _security(),
        _conformance(),
        _limits(),
        _settlements(),
    )


def _commands() -> ServicePage:
    return ServicePage(
        "commands",
        translate("Service", "Commands"),
        translate("Service", "What was asked of chargers, what they answered, what came of it"),
        lambda station: core.CommandsQuery(ROWS, None, station or None),
        (
            (translate("Service", "When"), "asked_at"),
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Asked"), "kind"),
            (translate("Service", "Answered"), "answered_at"),
            (translate("Service", "State"), "state"),
            (translate("Service", "Reason"), "reason"),
        ),
        "command_id",
        translate("Service", "Nothing was asked since the controller started"),
        attention=("rejected", "failed", "ineffective"),
    )


def _reservations() -> ServicePage:
    return ServicePage(
        "reservations",
        translate("Service", "Reservations"),
        translate("Service", "Outlets kept free for a card; for one hour from now"),
        lambda station: ReservationsQuery(ROWS, None, station or None),
        (
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Outlet"), "evse_id"),
            (translate("Service", "Card"), "id_token"),
            (translate("Service", "From"), "starts_at"),
            (translate("Service", "Until"), "ends_at"),
            (translate("Service", "State"), "state"),
            (translate("Service", "Reason"), "reason"),
        ),
        "reservation_key",
        translate("Service", "Nothing is reserved"),
        (
            ServiceAction(
                translate("Service", "Reserve for one hour"),
                lambda a: ReserveEvse(a.station_id, a.text, a.now + RESERVED_FOR),
                translate("Service", "Reserved for one hour"),
                asks=translate("Service", "Card number"),
            ),
            ServiceAction(
                translate("Service", "Cancel the reservation"),
                lambda a: CancelReservation(a.key),
                translate("Service", "The reservation is cancelled"),
                needs_row=True,
                needs_station=False,
            ),
        ),
    )


def _lists() -> ServicePage:
    return ServicePage(
        "lists",
        translate("Service", "Card lists"),
        translate("Service", "Cards that chargers know by themselves when the line is down"),
        lambda station: LocalListsQuery(ROWS),
        (
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "State"), "state"),
            (translate("Service", "Cards"), "entries"),
            (translate("Service", "Wanted"), "wanted"),
            (translate("Service", "Room for"), "entries_max"),
            (translate("Service", "In step since"), "synced_at"),
            (translate("Service", "Reason"), "reason"),
        ),
        "station_id",
        translate("Service", "No charger has told of a list yet"),
        (
            ServiceAction(
                translate("Service", "Bring in step now"),
                lambda a: SyncLocalList(a.station_id),
                translate("Service", "The list is being brought in step"),
            ),
            ServiceAction(
                translate("Service", "Empty the list"),
                lambda a: EmptyLocalList(a.station_id),
                translate("Service", "The list is empty"),
                grave=True,
            ),
            ServiceAction(
                translate("Service", "Forget known cards"),
                lambda a: ClearAuthorizationCache(a.station_id),
                translate("Service", "The charger forgot the cards it remembered"),
                grave=True,
            ),
        ),
        attention=("failed",),
    )


def _firmware() -> ServicePage:
    return ServicePage(
        "firmware",
        translate("Service", "Firmware"),
        translate("Service", "Versions before and after; an image is put in by the API"),
        lambda station: FirmwareJobsQuery(ROWS, None, station or None),
        (
            (translate("Service", "When"), "created_at"),
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Before"), "version_before"),
            (translate("Service", "After"), "version_after"),
            (translate("Service", "State"), "state"),
            (translate("Service", "Result"), "result"),
        ),
        "key",
        translate("Service", "No firmware was installed yet"),
        (
            ServiceAction(
                translate("Service", "Install on this charger"),
                lambda a: InstallFirmware(a.station_id, a.text),
                translate("Service", "The charger is fetching its firmware"),
                asks=translate("Service", "Number of the image"),
                grave=True,
            ),
        ),
        attention=("failed", "unproven"),
    )


def _images() -> ServicePage:
    return ServicePage(
        "images",
        translate("Service", "Firmware images"),
        translate("Service", "Rolled out to one charger, a tenth, then all; it stops by itself"),
        lambda station: FirmwareImagesQuery(ROWS),
        (
            (translate("Service", "Maker"), "vendor"),
            (translate("Service", "Model"), "model"),
            (translate("Service", "Version"), "version"),
            (translate("Service", "File"), "file_name"),
            (translate("Service", "Added"), "added_at"),
            (translate("Service", "Number"), "key"),
        ),
        "key",
        translate("Service", "No image yet: POST one to /v1/firmware"),
        (
            ServiceAction(
                translate("Service", "Roll out to all of its model"),
                lambda a: StartRollout(a.key),
                translate("Service", "The roll-out begins with one charger"),
                needs_row=True,
                grave=True,
                needs_station=False,
            ),
        ),
    )


def _rollouts() -> ServicePage:
    return ServicePage(
        "rollouts",
        translate("Service", "Roll-outs"),
        translate("Service", "How far each roll-out is, and why one has stopped"),
        lambda station: RolloutsQuery(ROWS),
        (
            (translate("Service", "When"), "created_at"),
            (translate("Service", "Version"), "version"),
            (translate("Service", "State"), "state"),
            (translate("Service", "Installed"), "installed"),
            (translate("Service", "Failed"), "failed"),
            (translate("Service", "Of"), "total"),
            (translate("Service", "Reason"), "reason"),
        ),
        "key",
        translate("Service", "No roll-out yet"),
        (
            ServiceAction(
                translate("Service", "End the roll-out"),
                lambda a: AbortRollout(a.key),
                translate("Service", "The roll-out has ended; nothing more is installed"),
                needs_row=True,
                grave=True,
                needs_station=False,
            ),
        ),
        attention=("stopped", "failed"),
    )


def _logs() -> ServicePage:
    return ServicePage(
        "logs",
        translate("Service", "Logs of chargers"),
        translate("Service", "Fetched by the controller itself; download them by the API"),
        lambda station: LogJobsQuery(ROWS, None, station or None),
        (
            (translate("Service", "When"), "created_at"),
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Log"), "log_type"),
            (translate("Service", "State"), "state"),
            (translate("Service", "File"), "file_name"),
            (translate("Service", "Bytes"), "size_bytes"),
            (translate("Service", "Reason"), "reason"),
        ),
        "key",
        translate("Service", "No log was fetched yet"),
        (
            ServiceAction(
                translate("Service", "Fetch the diagnostics"),
                lambda a: GetLog(a.station_id, LogType.DIAGNOSTICS),
                translate("Service", "The charger is sending its log"),
            ),
            ServiceAction(
                translate("Service", "Fetch the security log"),
                lambda a: GetLog(a.station_id, LogType.SECURITY),
                translate("Service", "The charger is sending its security log"),
            ),
        ),
        attention=("failed",),
    )


def _settings() -> ServicePage:
    return ServicePage(
        "settings",
        translate("Service", "Settings kept"),
        translate("Service", "Snapshots of what the charger is set to; one can be put back"),
        lambda station: SnapshotsQuery(station, ROWS),
        (
            (translate("Service", "When"), "at"),
            (translate("Service", "Why"), "cause"),
            (translate("Service", "Label"), "label"),
            (translate("Service", "Firmware"), "firmware_version"),
            (translate("Service", "Settings"), "count"),
            (translate("Service", "Note"), "note"),
        ),
        "key",
        translate("Service", "No snapshot yet"),
        (
            ServiceAction(
                translate("Service", "Take a snapshot"),
                lambda a: TakeSnapshot(a.station_id, a.text),
                translate("Service", "The settings are being read"),
                asks=translate("Service", "Label"),
            ),
            ServiceAction(
                translate("Service", "Put this one back"),
                lambda a: RestoreSnapshot(a.station_id, a.key),
                translate("Service", "What differed was written back"),
                needs_row=True,
                grave=True,
            ),
        ),
        needs_station=True,
    )


def _events() -> ServicePage:
    return ServicePage(
        "events",
        translate("Service", "Events"),
        translate("Service", "What chargers told of themselves"),
        lambda station: StationEventsQuery(ROWS, None, station or None),
        (
            (translate("Service", "When"), "at"),
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Event"), "words"),
            (translate("Service", "Value"), "value"),
            (translate("Service", "Severity"), "severity"),
            (translate("Service", "Over"), "cleared"),
        ),
        "key",
        translate("Service", "No events"),
    )


def _healings() -> ServicePage:
    return ServicePage(
        "healings",
        translate("Service", "Self-healing"),
        translate("Service", "What the controller tried by itself: once an hour at most"),
        lambda station: HealingsQuery(ROWS, None, station or None),
        (
            (translate("Service", "When"), "began_at"),
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Fault"), "fault"),
            (translate("Service", "State"), "state"),
            (translate("Service", "Tried"), "tries"),
        ),
        "key",
        translate("Service", "Nothing had to be healed"),
    )


def _security() -> ServicePage:
    return ServicePage(
        "security",
        translate("Service", "Security"),
        translate("Service", "Security events; passwords and profiles of the charger"),
        lambda station: SecurityEventsQuery(ROWS, None, station or None),
        (
            (translate("Service", "When"), "last_at"),
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Event"), "type"),
            (translate("Service", "Times"), "count"),
            (translate("Service", "Details"), "info"),
        ),
        "event_id",
        translate("Service", "No security events"),
        (
            ServiceAction(
                translate("Service", "New password"),
                lambda a: RotatePassword(a.station_id),
                translate("Service", "The charger has a new password"),
                grave=True,
            ),
            ServiceAction(
                translate("Service", "Encrypt (profile 2)"),
                lambda a: RaiseSecurityProfile(a.station_id, 2),
                translate("Service", "The charger is led to security profile 2"),
                grave=True,
            ),
            ServiceAction(
                translate("Service", "Renew its certificate"),
                lambda a: RenewCertificate(a.station_id),
                translate("Service", "The charger is asked for a new certificate"),
            ),
        ),
    )


def _conformance() -> ServicePage:
    return ServicePage(
        "conformance",
        translate("Service", "For its maker"),
        translate("Service", "Where the charger's messages broke the specification"),
        lambda station: ConformanceQuery(station),
        (
            (translate("Service", "Message"), "subject"),
            (translate("Service", "Fault"), "fault"),
            (translate("Service", "Times"), "count"),
            (translate("Service", "First"), "first_at"),
            (translate("Service", "Last"), "last_at"),
        ),
        "",
        translate("Service", "Every message so far kept to the specification"),
        items="faults",
        needs_station=True,
    )


def _limits() -> ServicePage:
    return ServicePage(
        "limits",
        translate("Service", "Limits of others"),
        translate("Service", "Limits that someone else gave a charger"),
        lambda station: ExternalLimitsQuery(ROWS, None, station or None),
        (
            (translate("Service", "When"), "received_at"),
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Outlet"), "evse_id"),
            (translate("Service", "From whom"), "source"),
            (translate("Service", "Over since"), "cleared_at"),
        ),
        "",
        translate("Service", "Nobody else limits a charger"),
    )


def _settlements() -> ServicePage:
    return ServicePage(
        "settlements",
        translate("Service", "Payments at chargers"),
        translate("Service", "What the payment terminals of chargers took"),
        lambda station: SettlementsQuery(ROWS),
        (
            (translate("Service", "When"), "settled_at"),
            (translate("Service", "Charger"), "station_id"),
            (translate("Service", "Reference"), "reference"),
            (translate("Service", "Amount"), "amount"),
            (translate("Service", "State"), "status"),
        ),
        "reference",
        translate("Service", "No payments at chargers"),
        attention=("Failed", "Rejected"),
    )
