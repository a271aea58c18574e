"""A believable site for the console's tests: any number of chargers behind two or more feeders.

`a_site(12)` is a snapshot as a controller would send it. Everything follows from the arguments;
nothing is random.
"""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sitecontroller.domain.alarm import ALARMS
from sitecontroller.domain.money import Money
from sitecontroller.domain.topology import PerPhase
from sitecontroller.domain.views import (
    AlarmView,
    CircuitView,
    EvseActivity,
    EvseView,
    JournalEntry,
    LimitView,
    MeterView,
    NewStationView,
    PhaseSample,
    SiteView,
    Snapshot,
    StationView,
    TransactionView,
)

NOW = datetime(2026, 3, 17, 13, 7, 32, tzinfo=UTC)
ZONE = "Europe/Berlin"
PER_FEEDER = 6
PRICE_PER_KWH = Decimal("0.49")
NOTHING: PerPhase = (None, None, None)

CHARGING = EvseActivity.CHARGING
_MOODS = [
    CHARGING, EvseActivity.AVAILABLE, CHARGING, CHARGING, EvseActivity.PAUSED_BY_CAR, CHARGING,
    EvseActivity.FAULTED, CHARGING, EvseActivity.FINISHED, EvseActivity.OFFLINE, CHARGING,
    EvseActivity.PAUSED_BY_SITE, EvseActivity.AVAILABLE, CHARGING, EvseActivity.PLUGGED, CHARGING,
    EvseActivity.AVAILABLE, EvseActivity.AVAILABLE, CHARGING, EvseActivity.UNAVAILABLE,
]  # fmt: skip
_MAKERS = [("Alfen", "Eve Single Pro"), ("KEBA", "KeContact P30"), ("Mennekes", "Amtron 4You")]
_WITH_TRANSACTION = {
    CHARGING,
    EvseActivity.PAUSED_BY_CAR,
    EvseActivity.PAUSED_BY_SITE,
}


def a_site(stations: int = 12, *, alarms: bool = True, now: datetime = NOW) -> Snapshot:
    """A snapshot with that many chargers; a third alarm-free mood each, faults where they fit."""
    feeders = max(1, -(-stations // max(PER_FEEDER, stations // 20 or 1))) if stations else 2
    feeders = max(2, min(feeders, 20))
    per_feeder = max(1, -(-stations // feeders))
    evses = {}
    built = {}
    transactions = {}
    for number in range(stations):
        feeder = number // per_feeder
        mood = _MOODS[number % len(_MOODS)] if alarms else CHARGING
        station, transaction = _station(number, feeder, mood, now)
        built[station.station_id] = station
        evses[station.station_id] = station.evses
        if transaction is not None:
            transactions[transaction.key] = transaction
    for transaction in _ended(min(stations, 6), now):
        transactions[transaction.key] = transaction
    circuits = _circuits(feeders, list(built.values()), now)
    standing = _alarms(built, now) if alarms else {}
    site = _site(built, circuits["main"], now)
    return Snapshot(site, built, circuits, _meters(circuits["main"], now), transactions, standing)


def with_new_station(snapshot: Snapshot) -> Snapshot:
    """The same site in commissioning mode, with one charger at the door."""
    new = NewStationView("CP-NEW-7", "ABB", "Terra AC W22", "192.168.20.47", NOW)
    site = replace(
        snapshot.site, commissioning_until=NOW + timedelta(minutes=22), new_stations=(new,)
    )
    return replace(snapshot, site=site)


def history(
    minutes: int = 60,
    *,
    now: datetime = NOW,
    last: PerPhase = (60.0, 61.0, 46.0),
    cap_a: float = 60.0,
) -> tuple[PhaseSample, ...]:
    """The chart's samples, one every 10 s, with a short gap of the meter."""
    samples = []
    for step in range(minutes * 6 + 1):
        at = now - timedelta(seconds=10 * (minutes * 6 - step))
        t = (step - minutes * 6) / 6
        values = tuple(
            (last[phase] or 0.0) * math.exp(t / 40)
            + (1 - math.exp(t / 15)) * (14 + 7 * math.sin(t / 7 + phase) - phase * 2)
            + 1.1 * math.sin(t * 2.1 + phase * 2)
            for phase in range(3)
        )
        current: PerPhase = (values[0], values[1], values[2])
        samples.append(PhaseSample(at, NOTHING if -31 < t < -29 else current, cap_a))
    return tuple(samples)


def journal(count: int = 60, *, now: datetime = NOW) -> tuple[JournalEntry, ...]:
    """Messages, newest first."""
    frames = [
        ("in", "MeterValues", "call", '[2,"a91","MeterValues",{"connectorId":1,"transactionId":'
         '412,"meterValue":[{"timestamp":"2026-03-17T13:07:30Z","sampledValue":[{"value":"16.02",'
         '"measurand":"Current.Import","phase":"L1","unit":"A"}]}]}]', None),
        ("out", "MeterValues", "result", '[3,"a91",{}]', 1.4),
        ("out", "SetChargingProfile", "call", '[2,"c17","SetChargingProfile",{"connectorId":1,'
         '"csChargingProfiles":{"chargingProfileId":7,"stackLevel":1}}]', None),
        ("in", "SetChargingProfile", "result", '[3,"c17",{"status":"Accepted"}]', 84.0),
        ("in", "Heartbeat", "call", '[2,"h5","Heartbeat",{}]', None),
        ("out", "Heartbeat", "result", '[3,"h5",{"currentTime":"2026-03-17T13:07:28.114Z"}]', 0.6),
        ("in", "StatusNotification", "call", '[2,"s3","StatusNotification",{"connectorId":1,'
         '"errorCode":"GroundFailure","status":"Faulted"}]', None),
        ("in", None, "invalid", '[2,"x","Bogus"', None),
    ]  # fmt: skip
    return tuple(
        JournalEntry(
            5000 - number, now - timedelta(milliseconds=730 * number),
            f"CP-{number % 12 + 1:02d}", direction, action, f"m{number}", kind, text, latency,
        )
        for number in range(count)
        for direction, action, kind, text, latency in [frames[number % len(frames)]]
    )  # fmt: skip


def _station(
    number: int, feeder: int, mood: EvseActivity, now: datetime
) -> tuple[StationView, TransactionView | None]:
    station_id = f"CP-{number + 1:02d}"
    direct = number == 11
    phases = "L1L2L3" if number % 3 else ("L1", "L2", "L3")[number % 9 // 3]
    count = 3 if number % 3 else 1
    maximum = 80.0 if direct else 32.0 if number % 2 else 16.0
    limit_a = min(maximum, [11.0, 16.0, 8.4, 13.0][number % 4])
    drawn = {CHARGING: limit_a * (0.62 if number % 4 == 3 else 0.985)}.get(mood, 0.0)
    current = _on_phases(drawn, phases)
    busy = mood in _WITH_TRANSACTION or mood is EvseActivity.FINISHED
    energy = 2140.0 + 1733.0 * (number % 9) if busy else None
    online = mood is not EvseActivity.OFFLINE
    key = f"01JPHV5K8Z{number:016d}" if mood in _WITH_TRANSACTION else None
    price = Money(Decimal(str((energy or 0) / 1000)) * PRICE_PER_KWH, "EUR") if busy else None
    circuit_id = f"feeder-{feeder + 1}"
    reason = ["Feeder {f}, L2", "main fuse, L1", "Feeder {f}, L3", "the car takes no more"]
    limit = LimitView(
        0.0 if mood is EvseActivity.PAUSED_BY_SITE else limit_a,
        "waits for its turn: main fuse, L1"
        if mood is EvseActivity.PAUSED_BY_SITE
        else f"{limit_a:g} A: " + reason[number % 4].format(f="AB"[feeder % 2]),
        "pause" if mood is EvseActivity.PAUSED_BY_SITE else circuit_id,
        maximum if not online else limit_a,
    )
    level = feeder % 4 + 1
    evse = EvseView(
        1, f"P{level}-{number + 1:02d}", f"DE*PHN*ECP{number + 1:02d}*1", mood,
        "Occupied" if busy else "Available", "DC" if direct else "AC", phases, circuit_id,
        maximum, maximum * 230 * count, current, _on_phases(231.0, phases),
        drawn * 230 * count if online else None, 64.0 if direct else None,
        now - timedelta(seconds=3 + number % 7 if online else 960), not online, limit, key,
        energy, price, "Ground failure (residual current)" if mood is EvseActivity.FAULTED
        else None,
    )  # fmt: skip
    vendor, model = _MAKERS[number % 3] if not direct else ("Alpitronic", "HYC 50")
    station = StationView(
        station_id, "", online, now - timedelta(minutes=16 if not online else 190 + number),
        "2.0.1" if number % 3 == 2 else "1.6", vendor, model, "6.4.1-4208", f"ACE0{41870 + number}",
        now - timedelta(seconds=4) if online else now - timedelta(minutes=16), (), (evse,),
    )  # fmt: skip
    if key is None:
        return station, None
    started = now - timedelta(minutes=7 + 11 * (number % 8))
    return station, _transaction(key, station_id, evse, started, None, energy, price)


def _transaction(
    key: str,
    station_id: str,
    evse: EvseView,
    started: datetime,
    ended: datetime | None,
    energy: float | None,
    price: Money | None,
    flags: tuple[str, ...] = (),
) -> TransactionView:
    charging = {
        CHARGING: "Charging",
        EvseActivity.PAUSED_BY_CAR: "SuspendedEV",
        EvseActivity.PAUSED_BY_SITE: "SuspendedEVSE",
    }
    start_wh = 4821600.0
    return TransactionView(
        key, station_id, evse.evse_id, evse.bay, "412", "ended" if ended else "active",
        "…" + key[-4:], "Accepted", started, ended, 0.0, energy, evse.power_w, start_wh,
        start_wh + (energy or 0) if ended else None, "EVDisconnected" if ended else None,
        None if ended else charging.get(evse.activity), "Public day, version 7", price, flags,
    )  # fmt: skip


def _ended(count: int, now: datetime) -> list[TransactionView]:
    made = []
    for number in range(count):
        station, _ = _station(number, 0, EvseActivity.FINISHED, now)
        ended = now - timedelta(minutes=4 + 9 * number)
        energy = 5120.0 + 3411.0 * number
        price = Money(Decimal(str(energy / 1000)) * PRICE_PER_KWH, "EUR")
        flags = ("missing-stop", "offline") if number == 2 else ()
        started = ended - timedelta(minutes=48 + 13 * number)
        made.append(
            _transaction(
                f"01JPHR00{number:018d}", station.station_id, station.evses[0], started, ended,
                energy, price, flags,
            )
        )  # fmt: skip
    return made


def _circuits(feeders: int, stations: list[StationView], now: datetime) -> dict[str, CircuitView]:
    rows: dict[str, CircuitView] = {}
    evses = [evse for station in stations for evse in station.evses]
    total = [0.0, 0.0, 0.0]
    limits = 40.0 if len(evses) <= 12 else 160.0
    for number in range(feeders):
        circuit_id = f"feeder-{number + 1}"
        below = [evse for evse in evses if evse.circuit_id == circuit_id]
        sums = [sum(evse.current_a[p] or 0.0 for evse in below) for p in range(3)]
        total = [a + b for a, b in zip(total, sums, strict=True)]
        rows[circuit_id] = _circuit(
            circuit_id, f"Feeder {'ABCDEFGHIJKLMNOPQRST'[number]}", "main", limits, 2.0, sums,
            (0.0, 0.0, 0.0), sum(evse.power_w or 0.0 for evse in below), now,
        )  # fmt: skip
    base = (9.2, 12.7, 6.1)
    currents = [a + b for a, b in zip(total, base, strict=True)]
    main_limit = 63.0 if len(evses) <= 12 else 50.0 * round(max(currents) * 1.2 / 50 + 1)
    watts = sum(c.power_w or 0.0 for c in rows.values()) + sum(base) * 230
    main = _circuit("main", "Main fuse", None, main_limit, 3.0, currents, base, watts, now)
    return {"main": main, **rows}


def _circuit(
    circuit_id: str, name: str, parent: str | None, limit: float, margin: float,
    current: list[float], base: tuple[float, float, float], power_w: float, now: datetime,
) -> CircuitView:  # fmt: skip
    limits: PerPhase = (limit,) * 3
    caps: PerPhase = (limit - margin,) * 3
    now_a: PerPhase = (current[0], current[1], current[2])
    headroom: PerPhase = tuple(limit - margin - a for a in current)  # type: ignore[assignment]
    return CircuitView(
        circuit_id, name, parent, limits, caps, now_a, base, now_a, headroom, power_w,
        now - timedelta(seconds=1), False, None,
    )  # fmt: skip


def _meters(main: CircuitView, now: datetime) -> dict[str, MeterView]:
    meter = MeterView(
        "grid", "Grid meter", "eastron-sdm630", "tcp://192.168.20.5:502", True, main.current_a,
        (231.2, 230.4, 229.8), (7000.0, 8000.0, 6900.0), main.power_w, 88123456.0, 49.99,
        now - timedelta(seconds=1), False, None,
    )  # fmt: skip
    return {"grid": meter}


def _alarms(stations: dict[str, StationView], now: datetime) -> dict[str, AlarmView]:
    rows = []
    for station in stations.values():
        activity = station.evses[0].activity
        if activity is EvseActivity.FAULTED:
            rows.append(
                (
                    "station-faulted",
                    f"{station.station_id}/1",
                    {"evse": f"{station.station_id}/1", "error": "Ground failure"},
                    2,
                    False,
                )
            )
        if activity is EvseActivity.OFFLINE:
            rows.append(("station-offline", station.station_id,
                         {"station": station.station_id, "since": "13:51"}, 16, True))  # fmt: skip
    if "CP-03" in stations:
        rows.append(
            (
                "transaction-review",
                "CP-03/1",
                {"evse": "CP-03/1", "reason": "its end was never reported"},
                41,
                False,
            )
        )
    made = {}
    for code, subject, parameters, minutes, seen in rows:
        row = ALARMS[code]
        at = now - timedelta(minutes=minutes)
        key = f"{code}:{subject}"
        made[key] = AlarmView(
            key, code, row.priority, subject, row.text.format_map(parameters), row.remedy,
            parameters, at, None, at + timedelta(minutes=1) if seen else None,
            "console" if seen else None, 1,
        )  # fmt: skip
    return made


def _site(stations: dict[str, StationView], main: CircuitView, now: datetime) -> SiteView:
    moods = [evse.activity for station in stations.values() for evse in station.evses]
    share = max(
        a / limit for a, limit in zip(main.current_a, main.limit_a, strict=True) if a and limit
    )
    return SiteView(
        "parkhaus-nord", "Parkhaus Nord", now, now - timedelta(hours=26), "0.1.0", "EUR", ZONE,
        True, "ws://192.168.20.2:9000/ocpp", moods.count(CHARGING),
        moods.count(EvseActivity.AVAILABLE), moods.count(EvseActivity.FAULTED),
        moods.count(EvseActivity.OFFLINE), main.power_w, share * 100, 412_345.0, 1.2, None, None,
        (),
    )  # fmt: skip


def _on_phases(value: float, phases: str) -> PerPhase:
    return (
        value if "L1" in phases else None,
        value if "L2" in phases else None,
        value if "L3" in phases else None,
    )
