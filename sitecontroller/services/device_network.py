"""How a 2.x station reaches its controller: stored in a slot first (B09), used by a second step
(B10), so that a mistake in the first costs nothing.

The second puts the slot first in the station's list and restarts it when idle. The slots used
before stay behind it: a station that can't connect over the new one comes back over them.
"""

import logging
from urllib.parse import urlsplit

from sitecontroller.domain.commands import CommandResult, CommandState, ResetType
from sitecontroller.domain.device import SetNetworkProfile, StoreNetworkProfile, UseNetworkProfile
from sitecontroller.domain.device_rules import in_words, is_taken
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, OperatingError
from sitecontroller.domain.events import StationReady
from sitecontroller.domain.station import OcppVersion
from sitecontroller.services.desk import Desk
from sitecontroller.services.device_readings import DeviceReadings
from sitecontroller.services.effect import Effect

log = logging.getLogger(__name__)

PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"
ACTIVE = "OCPPCommCtrlr.ActiveNetworkProfile"
SECURITY_PROFILE = "SecurityCtrlr.SecurityProfile"
BACK_WITHIN_S = 300.0
"""A restart takes a minute; a connection that fails is tried a few times before the next."""
SLOT_MAX = 99
URL_CHARACTERS_MAX = 512
MESSAGE_TIMEOUT_S_MAX = 600
INTERFACES = tuple(f"{kind}{number}" for kind in ("Wired", "Wireless") for number in range(4))
APN_AUTHENTICATIONS = ("AUTO", "CHAP", "NONE", "PAP")
VPN_TYPES = ("IKEv2", "IPSec", "L2TP", "PPTP")
_REFUSALS = {
    "Rejected": "the charger refuses it: the slot or a value is not one it has",
    "Failed": "the charger could not store it",
}


class DeviceNetwork:
    """Both steps, each a command."""

    def __init__(self, desk: Desk, readings: DeviceReadings) -> None:
        self._desk = desk
        self._readings = readings

    async def store(self, command: SetNetworkProfile, command_id: str) -> CommandResult:
        """Store a connection in a slot. Raises InvalidInput, Conflict, Unsupported, …"""
        _check(command)
        link = self._desk.link(command.station_id)
        if link.supports(StoreNetworkProfile):
            await self._check_against_station(command)
        answer = await link.ask(StoreNetworkProfile(command))
        if not answer.accepted:
            reason = _REFUSALS.get(answer.status, answer.status)
            return CommandResult(command_id, CommandState.REJECTED, reason)
        reason = f"stored in slot {command.slot}; the charger uses it once it is told to"
        return CommandResult(command_id, CommandState.ACCEPTED, reason)

    async def use(self, command: UseNetworkProfile, command_id: str) -> CommandResult:
        """Make a slot the first, restart, and see over which slot the station comes back."""
        station_id, slot = command.station_id, str(command.slot)
        _check_slot(command.slot)
        link = self._desk.link(station_id)
        known = await self._read(station_id, PRIORITY)
        if known is None:
            raise Conflict(
                f"{station_id} doesn't tell its list of network slots",
                remedy="Look whether the charger has this function, or set it at the charger",
            )
        others = [part.strip() for part in known.split(",") if part.strip() not in ("", slot)]
        written = await link.set_variable(PRIORITY, ",".join([slot, *others]))
        if not is_taken(written.status):
            reason = f"the list of slots was not taken: {in_words(written.status)}"
            return CommandResult(command_id, CommandState.REJECTED, reason)
        with Effect(
            self._desk.publisher, lambda event: event.station_id == station_id, StationReady
        ) as back:
            restart = await link.reset(ResetType.ON_IDLE)
            if not restart.accepted:
                reason = f"slot {slot} is first, but the charger refuses to restart: restart it"
                return CommandResult(command_id, CommandState.ACCEPTED, reason)
            if restart.status == "Scheduled":
                reason = f"slot {slot} is used when the running sessions have ended"
                return CommandResult(command_id, CommandState.ACCEPTED, reason)
            if not await back.kept().shows(BACK_WITHIN_S):
                reason = f"{station_id} did not come back here within {BACK_WITHIN_S:.0f} s"
                return CommandResult(command_id, CommandState.INEFFECTIVE, reason)
        return await self._judged(command, command_id)

    async def _judged(self, command: UseNetworkProfile, command_id: str) -> CommandResult:
        active = await self._read(command.station_id, ACTIVE)
        log.info(
            "%s: back after a change of its network slot wanted=%d active=%s",
            command.station_id,
            command.slot,
            active,
        )
        if active is None:
            reason = "the charger is back; it doesn't tell over which slot"
            return CommandResult(command_id, CommandState.ACCEPTED, reason)
        if active.strip() == str(command.slot):
            return CommandResult(command_id, CommandState.EFFECTIVE)
        reason = f"the charger came back over slot {active}: slot {command.slot} doesn't connect"
        return CommandResult(command_id, CommandState.INEFFECTIVE, reason)

    async def _check_against_station(self, command: SetNetworkProfile) -> None:
        """Never a lower security profile (A05.FR.07), nor by accident the slot in use."""
        link = self._desk.link(command.station_id)
        if command.interface == "Any" and link.version is not OcppVersion.V21:
            raise _invalid(FieldError("interface", "'Any' is for OCPP 2.1"))
        told = await self._read(command.station_id, SECURITY_PROFILE)
        current = int(told) if told is not None and told.strip().isdecimal() else 0
        lowest = max(current, self._desk.stations.guard.profile_min(command.station_id))
        if command.security_profile < lowest:
            said = f"is {lowest} at the charger now, and never lowered"
            raise _invalid(FieldError("security_profile", said))
        if command.even_if_active:
            return
        active = await self._read(command.station_id, ACTIVE)
        if active is not None and active.strip() == str(command.slot):
            said = "is the one the charger uses now"
            raise _invalid(FieldError("slot", said))

    async def _read(self, station_id: str, name: str) -> str | None:
        """None where the station doesn't say."""
        try:
            found = await self._readings.now(station_id, (name,))
        except OperatingError as error:
            log.info("%s: %s not read: %s", station_id, name, error.detail)
            return None
        variable = found.get(name.casefold())
        return None if variable is None else variable.value or None


def _check_slot(slot: int) -> None:
    if not 0 <= slot <= SLOT_MAX:
        raise _invalid(FieldError("slot", f"0 to {SLOT_MAX}"))


def _check(command: SetNetworkProfile) -> None:
    """What can be judged without the station. Raises InvalidInput with every fault."""
    _check_slot(command.slot)
    faults = [*_url_faults(command)]
    if not 1 <= command.security_profile <= 3:
        faults.append(FieldError("security_profile", "1, 2 or 3; 0 has no password at all"))
    if command.interface not in (*INTERFACES, "Any"):
        faults.append(FieldError("interface", f"one of {', '.join(INTERFACES)}"))
    if not 1 <= command.message_timeout_s <= MESSAGE_TIMEOUT_S_MAX:
        faults.append(FieldError("message_timeout_s", f"1 to {MESSAGE_TIMEOUT_S_MAX}"))
    if command.apn is not None:
        if command.apn.authentication not in APN_AUTHENTICATIONS:
            words = f"one of {', '.join(APN_AUTHENTICATIONS)}"
            faults.append(FieldError("apn.authentication", words))
        if not command.apn.apn:
            faults.append(FieldError("apn.apn", "the access point's name"))
    if command.vpn is not None and command.vpn.type not in VPN_TYPES:
        faults.append(FieldError("vpn.type", f"one of {', '.join(VPN_TYPES)}"))
    if faults:
        raise _invalid(*faults)


def _url_faults(command: SetNetworkProfile) -> list[FieldError]:
    scheme = "ws" if command.security_profile == 1 else "wss"
    try:
        url = urlsplit(command.csms_url)
        hostname, _ = url.hostname, url.port
    except ValueError:
        return [FieldError("csms_url", "is no URL")]
    if len(command.csms_url) > URL_CHARACTERS_MAX or not hostname:
        return [FieldError("csms_url", f"a URL of at most {URL_CHARACTERS_MAX} characters")]
    if url.username is not None or url.query or url.fragment:
        return [FieldError("csms_url", "without password, '?' and '#'")]
    if url.scheme != scheme:
        words = f"must begin with {scheme}:// for security profile {command.security_profile}"
        return [FieldError("csms_url", words)]
    return []


def _invalid(*faults: FieldError) -> InvalidInput:
    return InvalidInput(
        "this network profile can't be stored: "
        + "; ".join(f"{fault.field} {fault.message}" for fault in faults),
        remedy="Mend the fields named in `errors`",
        errors=faults,
    )
