"""What every foreign station is put through, and what came of it: one row a feature.

A step that fails is a row, not an exception, so that one run tells all there is to learn.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sitecontroller.domain.topology import NOMINAL_V
from tests.interop.programs import Hand
from tests.interop.site import CARD, OTHER_CARD, STATION, InteropSite
from tests.support import wait_until

WORKS, CANT, FAILS = "works", "station can't", "fails"

BOOT_WITHIN_S = 60.0
STEP_WITHIN_S = 30.0
FOLLOWS_WITHIN_S = 15.0
FREELY_A = 14.0
"""What every car of these takes when it may; then its phases are known too."""
RISES_WITHIN_S = 150.0
"""Base load is held at its maximum of 30 s, and limits rise in steps of 10 s."""
TOLERANCE_A = 1.0
ROOM_A = 36.0
"""At first: more than the outlet's 32 A, so that nothing has to be proven."""
DISTRUST = {"station-disobedient", "fallback-unproven"}
LIMITS_A = (6.0, 16.0, 0.0)


class SessionEnded(Exception):
    """What a step needs is gone: no use to wait for it."""


@dataclass(slots=True)
class Row:
    """One feature: what came of it, and the figure or frame that shows it."""

    feature: str
    outcome: str
    detail: str = ""


@dataclass(slots=True)
class Run:
    """One station in one version at one site."""

    site: InteropSite
    hand: Hand
    version: str
    follows: bool
    """Whether its measured current follows a limit."""
    rows: list[Row] = field(default_factory=list)

    def play(self) -> list[Row]:
        """The whole scenario."""
        if self._row("boot", self._boot).outcome == FAILS:
            return self.rows
        self._row("status", self._status)
        self._row("set-up", self._set_up)
        self._row("authorise by card", self._authorise)
        self._row("transaction", self._transaction)
        if self.follows:
            self._row("meter values", self._meter_values)
            self._limits()
            self.site.leave(ROOM_A)
        self._row("stop at the station", self._stop_at_station)
        self._row("remote start", self._remote_start)
        if not self.follows:
            self._row("meter values", self._meter_values)
            self._limits()
        self._row("remote stop", self._remote_stop)
        self._row("energy", self._energy)
        self._row("alarms", self._alarms)
        return self.rows

    def _limits(self) -> None:
        step = self._limit if self.follows else self._raw_limit
        for limit_a in LIMITS_A:
            self._row(f"limit {limit_a:g} A", lambda limit_a=limit_a: step(limit_a))

    def _row(self, feature: str, step: Callable[[], str]) -> Row:
        try:
            row = Row(feature, WORKS, step())
        except (AssertionError, SessionEnded) as error:
            row = Row(feature, FAILS, str(error).partition("\n")[0])
        except NotImplementedError as error:
            row = Row(feature, CANT, str(error))
        self.rows.append(row)
        print(f"  {row.feature}: {row.outcome} {row.detail}", flush=True)
        return row

    def _boot(self) -> str:
        wait_until(lambda: self.site.station()["online"], within_s=BOOT_WITHIN_S)
        wait_until(lambda: self.site.station()["vendor"], within_s=BOOT_WITHIN_S)
        station = self.site.station()
        assert station["version"] == self.version, f"speaks {station['version']}"
        return f"{station['vendor']} {station['model']} {station['firmware_version'] or ''}".strip()

    def _status(self) -> str:
        def known() -> str | None:
            said = str(self.site.evse()["connector_status"])
            return None if said.casefold() == "unknown" else said

        return str(wait_until(known, within_s=STEP_WITHIN_S))

    def _set_up(self) -> str:
        """Its safe limit was told, or the attempt is over."""
        action = "SetChargingProfile"
        wait_until(lambda: self.site.said(action, "out"), within_s=STEP_WITHIN_S * 2)
        refused = {
            f"{row['action']}: {json.loads(row['text'])[2]}"
            for row in self.site.collect()
            if row["kind"] == "error" and row["direction"] == "in"
        }
        return "; ".join([*self.site.station()["warnings"], *sorted(refused)])

    def _authorise(self) -> str:
        self.hand.plug()
        self.hand.start(CARD)
        field_of = "idTagInfo" if self.version == "1.6" else "idTokenInfo"
        asked = ("Authorize", "StartTransaction", "TransactionEvent")

        def verdict() -> str | None:
            for row in self.site.collect():
                if row["kind"] == "result" and row["direction"] == "out":
                    said = json.loads(row["text"])[2].get(field_of)
                    if said and row["action"] in asked:
                        return f"{row['action']}: {said['status']}"
            return None

        said = str(wait_until(verdict, within_s=STEP_WITHIN_S))
        assert said.endswith("Accepted"), said
        return said

    def _transaction(self) -> str:
        row = wait_until(self.site.running, within_s=STEP_WITHIN_S)
        return f"on {row['id_token']}, {row['authorization_status']}"

    def _meter_values(self) -> str:
        """A reading of the running session; from who follows limits, with a current."""
        running = self.site.running()
        assert running is not None, "nothing runs"
        began_at = _instant(running["started_at"])

        def measured() -> str | None:
            evse = self.site.evse()
            fresh = evse["measured_at"] and _instant(evse["measured_at"]) > began_at
            if not fresh or (self.follows and (evse["current_a"][0] or 0) < FREELY_A):
                return None
            return f"{evse['current_a']} A, {evse['power_w']} W, {evse['energy_wh']} Wh"

        return str(wait_until(measured, within_s=STEP_WITHIN_S * 1.5))

    def _limit(self, limit_a: float) -> str:
        """From the frame with this limit on: how long until the meter shows it."""
        self.site.leave(limit_a)
        sent_at, answer = self._told(limit_a)
        assert answer == "Accepted", f"answered {answer}"

        def followed() -> list[float]:
            evse = self.site.evse()
            known = [value for value in evse["current_a"] if value is not None]
            fits = known and all(abs(value - limit_a) <= TOLERANCE_A for value in known)
            fresh = evse["measured_at"] and _instant(evse["measured_at"]) >= sent_at
            if not (fits and fresh):
                raise AssertionError(f"{known} A, not {limit_a:g} A")
            return known

        waited_s = (datetime.now(UTC) - sent_at).total_seconds()
        known = wait_until(followed, within_s=FOLLOWS_WITHIN_S - waited_s)
        took_s = (datetime.now(UTC) - sent_at).total_seconds()
        assert took_s <= FOLLOWS_WITHIN_S, f"shown only {took_s:.0f} s after it was told"
        return f"{max(known):.1f} A after {took_s:.1f} s"

    def _raw_limit(self, limit_a: float) -> str:
        """One whose current follows nothing is asked by hand whether it takes the profile."""
        path = f"/v1/stations/{STATION}/ocpp/SetChargingProfile"
        try:
            answer = self.site.demo.post(path, _profile(limit_a, self.version))
        except AssertionError as refusal:
            if "NotImplemented" in str(refusal) or "NotSupported" in str(refusal):
                raise NotImplementedError("has no SetChargingProfile") from None
            raise
        assert answer["status"] == "Accepted", f"answered {answer}"
        raise NotImplementedError("takes the profile; its meter values follow no limit")

    def _told(self, limit_a: float) -> tuple[datetime, str]:
        """When the newest profile with this limit went out, and its answer's status."""

        def answered() -> tuple[datetime, str] | None:
            limit = self.site.evse()["limit"]
            if self.site.running() is None:
                raise SessionEnded(f"the session has ended: {self._ends()}")
            if not limit or abs(limit["current_a"] - limit_a) > 0.1:
                raise AssertionError(f"load management: {limit}")
            frames = self.site.collect()
            for row in reversed(frames):
                if row["action"] == "SetChargingProfile" and row["kind"] == "call":
                    told_a = _limit_of(json.loads(row["text"])[3])
                    if told_a is None or abs(told_a - limit_a) > 0.1:
                        continue
                    for later in frames:
                        answers = later["message_id"] == row["message_id"]
                        if answers and later["direction"] == "in":
                            body = json.loads(later["text"])
                            status = body[2].get("status") if body[0] == 3 else f"CALLERROR {body}"
                            return _instant(row["at"]), str(status)
            raise AssertionError(f"no profile with {limit_a:g} A was sent and answered")

        return tuple(wait_until(answered, within_s=RISES_WITHIN_S))  # type: ignore[return-value]

    def _stop_at_station(self) -> str:
        running = self.site.running()
        assert running is not None, f"the session has ended: {self._ends()}"
        self.hand.stop(CARD)
        wait_until(lambda: self.site.running() is None, within_s=STEP_WITHIN_S)
        self.hand.unplug()
        return self._ends()

    def _remote_start(self) -> str:
        self._clear_the_bay()
        self.hand.plug()
        path = f"/v1/stations/{STATION}/evses/1/start"
        result = self.site.demo.post(path, {"id_token": OTHER_CARD})
        wait_until(self.site.running, within_s=STEP_WITHIN_S)
        return f"{result['state']}" + (f": {result['reason']}" if result["reason"] else "")

    def _remote_stop(self) -> str:
        running = self.site.running()
        assert running is not None, "nothing runs"
        result = self.site.demo.post(f"/v1/transactions/{running['key']}/stop", {})
        wait_until(lambda: self.site.running() is None, within_s=STEP_WITHIN_S)
        self.hand.unplug()
        return f"{result['state']}: {self._ends()}"

    def _energy(self) -> str:
        rows = self.site.transactions()
        assert rows, "no transaction was stored"
        said = "; ".join(
            f"{row['meter_start_wh']} to {row['meter_stop_wh']} Wh = {row['energy_wh']} Wh"
            + (f" {row['flags']}" if row["flags"] else "")
            for row in reversed(rows)
        )
        assert any(row["energy_wh"] is not None for row in rows), said
        return said

    def _alarms(self) -> str:
        """Of who follows limits nobody may say that it doesn't."""
        codes = {alarm["code"] for alarm in self.site.alarms()}
        assert not (self.follows and codes & DISTRUST), f"{sorted(codes)}"
        return ", ".join(sorted(codes))

    def _clear_the_bay(self) -> None:
        """End what a failed step has left running."""
        running = self.site.running()
        if running is not None:
            self.site.demo.post(f"/v1/transactions/{running['key']}/stop", {})
            wait_until(lambda: self.site.running() is None, within_s=STEP_WITHIN_S)
            self.hand.unplug()

    def _ends(self) -> str:
        row = self.site.transactions()[0]
        return f"ended, {row['stop_reason']}, {row['energy_wh']} Wh"


def _profile(limit_a: float, version: str) -> dict[str, Any]:
    """A raw SetChargingProfile for the outlet."""
    id_field = "chargingProfileId" if version == "1.6" else "id"
    schedule: dict[str, Any] = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
    }
    profile = {
        id_field: 99,
        "stackLevel": 2,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule if version == "1.6" else [schedule | {"id": 99}],
    }
    if version == "1.6":
        return {"connectorId": 1, "csChargingProfiles": profile}
    return {"evseId": 1, "chargingProfile": profile}


def _limit_of(payload: dict[str, Any]) -> float | None:
    """What the first period of a SetChargingProfile allows, unless it is the station's maximum."""
    profile = payload.get("csChargingProfiles") or payload.get("chargingProfile") or {}
    if "Max" in str(profile.get("chargingProfilePurpose")):
        return None
    schedule = profile.get("chargingSchedule")
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    if not schedule:
        return None
    period = schedule["chargingSchedulePeriod"][0]
    in_watts = schedule["chargingRateUnit"] == "W"
    return float(period["limit"]) / (NOMINAL_V * period["numberPhases"] if in_watts else 1)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
