"""Q23, Q24, Q38, Q39, Q42 and Q43 over a real socket: cards, values and times as stations write
them. The readers' own tests stand in `tests/unit/ocpp`."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sitecontroller.domain.commands import StartTransaction
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.metering import ReadingContext
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import TransactionFlag
from tests.wire.site import CARDS, boot16, boot201, instant, running_site
from tests.wire.transactions.scenes import start, stop
from tests.wire.transactions.test_transactions_201 import event

VERSIONS = ("1.6", "2.0.1", "2.1")
EVSE = EvseKey("CP-01", 1)


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play, version)` runs `await play(site, charger)` with one booted charger; `own` is a
    file of the site's quirks."""

    async def staged(play, version, own):
        quirks = {}
        if own:
            (tmp_path / "quirks.toml").write_text(own)
            quirks = {"quirks": str(tmp_path / "quirks.toml")}
        async with (
            running_site(tmp_path, **quirks) as site,
            site.charger(version=version) as charger,
        ):
            await (boot16 if version == "1.6" else boot201)(charger)
            await play(site, charger)

    return lambda play, version="1.6", own="": run(staged(play, version, own))


async def begun(charger, version, meter_wh=1000):
    """A session that began just now: its number in the words of 1.6, None otherwise."""
    if version == "1.6":
        answer = await charger.call("StartTransaction", start(meter_wh, timestamp=instant()))
        return answer["transactionId"]
    began = {**event("Started", 0, meter_wh), "timestamp": instant()}
    await charger.call("TransactionEvent", began)
    return None


async def measured(site, charger, version, number, samples):
    """The charger tells `samples`, of now, of its session; the readings stored of it since."""
    (row,) = await site.rows()
    before = await site.site.store.read(lambda tx: tx.readings(row.key))
    values = [{"timestamp": instant(), "sampledValue": samples}]
    if version == "1.6":
        message = {"connectorId": 1, "transactionId": number, "meterValue": values}
        answer = await charger.call("MeterValues", message)
    else:
        message = {**event("Updated", 1), "timestamp": instant(), "meterValue": values}
        answer = await charger.call("TransactionEvent", message)
    assert "status" not in answer
    after = await site.site.store.read(lambda tx: tx.readings(row.key))
    return after[len(before) :]


def live(site):
    """What the live view holds of the EVSE."""
    found = site.site.services.metering.evse(EVSE)
    return None if found is None else found.reading


# Q23


@pytest.mark.parametrize("card", ["CARD0001\x00\x00", " \x1bCARD0001\r\n", "card0001"])
def test_q23_a_card_is_known_whatever_stands_around_it(scene, card):
    async def play(site, charger):
        assert (await charger.call("Authorize", {"idTag": card}))["idTagInfo"] == {
            "status": "Accepted"
        }
        answer = await charger.call("StartTransaction", start(card=card))
        assert answer["idTagInfo"]["status"] == "Accepted"
        row = await site.row()
        assert row.id_token.id_token in (CARDS[0], CARDS[0].lower())
        assert TransactionFlag.REFUSED_TOKEN not in row.flags
        assert site.site.controller.station_view("CP-01").evses[0].transaction_key == row.key

    scene(play)


@pytest.mark.parametrize(
    ("vendor", "status", "stored"),
    [("Keba AG", "Accepted", "CARD0001"), ("Test", "Invalid", "CARD0001_17619300")],
)
def test_q23_a_kebas_serial_number_behind_a_card_is_cut_off(scene, vendor, status, stored):
    async def play(site, charger):
        names = {"chargePointVendor": vendor, "chargePointModel": "KC-P30"}
        await charger.call("BootNotification", {**names, "chargePointSerialNumber": "17619300"})
        answer = await charger.call("StartTransaction", start(card="CARD0001_17619300"))
        assert answer["idTagInfo"]["status"] == status
        row = await site.row()
        assert row.id_token.id_token == stored
        assert (TransactionFlag.REFUSED_TOKEN in row.flags) is (status == "Invalid")

    scene(play)


# Q24

ASKED = {"1.6": "RemoteStartTransaction", "2.0.1": "RequestStartTransaction"}
ASKED["2.1"] = ASKED["2.0.1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_q24_a_card_is_sent_in_capitals_over_the_wire(scene, version):
    async def play(site, charger):
        await site.site.controller.execute(StartTransaction("CP-01", 1, " card0001 "))
        (asked,) = charger.asked_for(ASKED[version])
        assert (asked.get("idTag") or asked["idToken"]["idToken"]) == CARDS[0]

    scene(play, version)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize(
    ("card", "own"),
    [
        ("CARD-0001", ""),
        ("ABCDEFGHIJKLMNOPQ", ""),
        ("CARD0001", "[[station]]\nid_token_characters = '0123456789ABCDEF'\n"),
    ],
    ids=["a sign", "17 characters", "not hex"],
)
def test_q24_a_card_that_a_station_may_not_take_never_leaves(scene, version, card, own):
    async def play(site, charger):
        with pytest.raises(InvalidInput, match="can't be sent"):
            await site.site.controller.execute(StartTransaction("CP-01", 1, card))
        assert charger.asked_for(ASKED[version]) == []
        assert await site.rows() == ()

    scene(play, version, own)


# Q38


@pytest.mark.parametrize(
    ("said", "energy_wh"),
    [
        ({"value": "5000"}, 5000),
        ({"value": " 5000 "}, 5000),
        ({"value": "5.0", "unit": "kWh"}, 5000),
        ({"value": "5", "unit": " KWH", "measurand": "energy.active.import.register "}, 5000),
    ],
)
def test_q38_what_a_value_leaves_out_has_its_default(scene, said, energy_wh):
    async def play(site, charger):
        number = await begun(charger, "1.6", energy_wh - 1)
        (reading,) = await measured(site, charger, "1.6", number, [said])
        assert reading.energy_import_wh == energy_wh
        assert reading.context is ReadingContext.PERIODIC
        assert (await site.row()).meter_last_wh == energy_wh
        assert live(site).energy_import_wh == energy_wh
        ended = stop(number, energy_wh + 1, timestamp=instant())
        assert await charger.call("StopTransaction", ended) == {}
        assert (await site.row()).energy_wh == 2

    scene(play)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_q38_units_and_multipliers_of_2x_are_scaled(scene, version):
    async def play(site, charger):
        await begun(charger, version)
        samples = [
            {"value": 5.0, "unitOfMeasure": {"unit": "kWh"}},
            {"value": 72, "measurand": "Power.Active.Import", "unitOfMeasure": {"multiplier": 2}},
        ]
        (reading,) = await measured(site, charger, version, None, samples)
        assert (reading.energy_import_wh, reading.power_w) == (5000, 7200)
        assert (await site.row()).meter_last_wh == 5000
        assert live(site).power_w == 7200

    scene(play, version)


def test_q38_currents_and_powers_come_in_amperes_and_watts_and_nothing_is_no_zero(scene):
    async def play(site, charger):
        number = await begun(charger, "1.6")
        samples = [
            {"value": "9500", "measurand": "Current.Import", "phase": "L1", "unit": "mA"},
            {"value": "9.5", "measurand": "Current.Import", "phase": "L2", "unit": "A"},
            {"value": "", "measurand": "Current.Import", "phase": "L3", "unit": "A"},
            {"value": "4.37", "measurand": "Power.Active.Import", "unit": "kW"},
        ]
        (reading,) = await measured(site, charger, "1.6", number, samples)
        for known in (reading, live(site)):
            assert known.current_a == (9.5, 9.5, None)
            assert known.power_w == 4370
            assert known.energy_import_wh is None

    scene(play)


# Q39


@pytest.mark.parametrize("version", VERSIONS)
def test_q39_each_context_goes_its_own_way(scene, version):
    async def play(site, charger):
        number = await begun(charger, version)
        contexts = {
            "Sample.Periodic": 10,
            "Transaction.Begin": 11,
            "Interruption.Begin": 12,
            "Other": 13,
        }
        samples = [
            {
                "value": str(amps) if version == "1.6" else amps,
                "measurand": "Current.Import",
                "phase": "L1",
                "context": context,
            }
            for context, amps in contexts.items()
        ]
        readings = await measured(site, charger, version, number, samples)
        assert {r.context.value: r.current_a[0] for r in readings} == contexts
        assert live(site).current_a[0] == 10, "of these the periodic sample alone tells what flows"

    scene(play, version)


PLACES = [("Inlet", "40"), ("Outlet", "9"), ("Body", "1")]


@pytest.mark.parametrize("places", [PLACES, PLACES[::-1]], ids=["inlet first", "outlet first"])
def test_q39_the_outlet_is_meant_where_the_inlet_is_told_too(scene, places):
    async def play(site, charger):
        number = await begun(charger, "1.6")
        samples = [
            {"value": value, "measurand": "Current.Import", "phase": "L1", "location": place}
            for place, value in places
        ]
        (reading,) = await measured(site, charger, "1.6", number, samples)
        assert reading.current_a[0] == live(site).current_a[0] == 9

    scene(play)


# Q42

BEGAN_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
BERLIN_AT = BEGAN_AT.astimezone(ZoneInfo("Europe/Berlin"))
READABLE = [
    f"{BEGAN_AT:%Y-%m-%d %H:%M:%S}",
    f"{BEGAN_AT:%Y-%m-%dT%H:%M:%S}.000000000Z",
    f"{BERLIN_AT:%Y-%m-%dT%H:%M:%S%z}",
]
UNREADABLE = ["1970-01-01T00:00:07Z", "soon", "", "2026-13-45T99:00:00Z"]


@pytest.mark.parametrize("stamp", READABLE, ids=["a blank", "nanoseconds", "an offset"])
def test_q42_a_start_has_the_time_that_is_meant(scene, stamp):
    async def play(site, charger):
        answer = await charger.call("StartTransaction", start(timestamp=stamp))
        assert answer["idTagInfo"]["status"] == "Accepted"
        row = await site.row()
        assert row.started_at == BEGAN_AT
        assert TransactionFlag.CLOCK_DOUBTFUL not in row.flags

    scene(play)


def test_q42_a_stamp_without_a_zone_is_local_time_for_a_model_that_writes_so(scene):
    async def play(site, charger):
        await boot16(charger, "Growatt", "THOR 11AS-P")
        await charger.call("StartTransaction", start(timestamp=f"{BERLIN_AT:%Y-%m-%dT%H:%M:%S}"))
        assert (await site.row()).started_at == BEGAN_AT

    scene(play)


@pytest.mark.parametrize("stamp", UNREADABLE)
def test_q42_a_start_without_a_time_that_can_be_has_that_of_its_arrival(scene, stamp):
    async def play(site, charger):
        before = datetime.now(UTC)
        message = {**start(), "timestamp": stamp}
        answer = await charger.call("StartTransaction", message)
        assert answer["transactionId"] > 0
        row = await site.row()
        assert before <= row.started_at <= datetime.now(UTC)
        assert row.started_at == row.start_received_at
        assert TransactionFlag.CLOCK_DOUBTFUL in row.flags
        assert site.site.controller.station_view("CP-01").evses[0].transaction_key == row.key

    scene(play)


# Q43


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("digits", "form"), [(3, r"\.\d{3}Z"), (0, "Z")])
def test_q43_we_write_utc_with_as_many_digits_as_a_model_takes(scene, version, digits, form):
    written = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d" + form)

    async def play(site, charger):
        answer = await charger.call("Heartbeat", {})
        assert written.fullmatch(answer["currentTime"])
        told = datetime.fromisoformat(answer["currentTime"])
        assert abs(datetime.now(UTC) - told) < timedelta(seconds=5)
        link = site.site.services.stations.link("CP-01")
        assert (await link.set_fallback(1, 6.0, 3)).accepted
        payload = charger.asked_for("SetChargingProfile")[-1]
        body = payload.get("csChargingProfiles") or payload["chargingProfile"]
        schedule = body["chargingSchedule"]
        schedule = schedule[0] if isinstance(schedule, list) else schedule
        assert written.fullmatch(schedule["startSchedule"])

    scene(play, version, f"[[station]]\ntimestamp_digits = {digits}\n")
