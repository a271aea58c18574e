"""Signed readings from the charger's frame to the receipt: kept, judged, held back, decided on."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound
from sitecontroller.domain.signed_reading import (
    DecideSignedSession,
    MeterKeysQuery,
    PinMeterKey,
    SignedReadingsQuery,
    SignedVerdict,
)
from sitecontroller.domain.transaction import Transaction, TransactionFlag
from sitecontroller.signed.judge import judge_file
from sitecontroller.signed.keys import read_key
from tests.support import eventually
from tests.unit.signed.meters import BEGIN, END, meter, payload
from tests.wire.charger import Charger
from tests.wire.site import TestSite, boot16, boot201, instant, running_site

START_AT = datetime.now(UTC) - timedelta(minutes=60)
KEY = meter().public("der")
PIN = PinMeterKey("CP-01", 1, KEY, "An electrician", "4711")
ALARM = "signed-reading-invalid"


def record(first: dict[str, Any] = BEGIN, last: dict[str, Any] = END, **head: Any) -> bytes:
    return meter().record(payload(first, last, ID="CARD0001", **head))


def spoiled() -> bytes:
    return record().replace(b"112.75", b"112.76")


def alarms(site: TestSite) -> list[str]:
    found = (site.site.controller.alarm_view(key) for key in site.site.controller.ids().alarms)
    return [alarm.code for alarm in found if alarm is not None and alarm.cleared_at is None]


async def session16(charger: Charger, *signed: str, wh: int = 12_250) -> None:
    """A 1.6 session whose stop brings what the meter signed."""
    began = {"connectorId": 1, "idTag": "CARD0001", "meterStart": 1000}
    started = await charger.call("StartTransaction", began | {"timestamp": instant(START_AT)})
    at = instant(START_AT + timedelta(minutes=20))
    values = [
        {"value": text, "format": "SignedData", "context": "Transaction.End"} for text in signed
    ]
    stop = {
        "transactionId": started["transactionId"],
        "meterStop": 1000 + wh,
        "timestamp": at,
        "transactionData": [{"timestamp": at, "sampledValue": values}],
    }
    await charger.call("StopTransaction", stop)


async def judged(site: TestSite, verdict: SignedVerdict) -> Transaction:
    """The only session, once this is its final verdict."""
    row = await site.row()

    async def is_kept() -> bool:
        kept = await site.site.store.read(lambda tx: tx.kept("signed-session", row.key))
        return kept is not None and kept.body["is_final"] and kept.body["verdict"] == verdict

    await eventually(is_kept)
    return await site.row()


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(site, charger)` with one booted 1.6 charger."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            await play(site, charger)

    return lambda play: run(staged(play))


def test_a_genuine_reading_of_the_pinned_meter_is_billed(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        controller = site.site.controller
        await controller.execute(PIN)
        await session16(charger, record().decode())
        row = await judged(site, SignedVerdict.VALID)
        assert TransactionFlag.SIGNED_INVALID not in row.flags
        view = await controller.query(SignedReadingsQuery(row.key))
        assert (view.verdict, view.held, view.energy_wh) == (SignedVerdict.VALID, False, 12_250)
        assert [reading.record for reading in view.readings] == [record().decode()]
        assert (await controller.receipt_pdf(row.key)).startswith(b"%PDF")
        assert ALARM not in alarms(site)

    scene(play)


def test_a_changed_reading_holds_its_session_until_a_person_decides(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        controller = site.site.controller
        await controller.execute(PIN)
        await session16(charger, spoiled().decode())
        row = await judged(site, SignedVerdict.INVALID)
        await eventually(lambda: ALARM in alarms(site))
        assert TransactionFlag.SIGNED_INVALID in row.flags
        assert "TransactionCorrected" in await site.outbox_kinds()
        with pytest.raises(Conflict, match="signature doesn't fit"):
            await controller.receipt_pdf(row.key)
        assert (await site.row()).energy_wh == 12_250, "it isn't dropped either"

        with pytest.raises(InvalidInput):
            await controller.execute(DecideSignedSession(row.key, True, "Ann", " "))
        await controller.execute(DecideSignedSession(row.key, False, "Ann", "meter is broken"))
        await eventually(lambda: ALARM not in alarms(site))
        with pytest.raises(Conflict, match="Ann decided not to bill"):
            await controller.receipt_pdf(row.key)

        await controller.execute(DecideSignedSession(row.key, True, "Bob", "driver agreed"))
        assert (await controller.receipt_pdf(row.key)).startswith(b"%PDF")
        assert TransactionFlag.SIGNED_INVALID not in (await site.row()).flags
        view = await controller.query(SignedReadingsQuery(row.key))
        assert view.decision is not None
        assert (view.verdict, view.decision.by) == (SignedVerdict.INVALID, "Bob")

    scene(play)


def test_what_came_is_kept_and_exported_byte_for_byte_whatever_its_verdict(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        awkward = meter().record(payload(ID="CARD0001", GI="<ä> & \\u00e4", PG="T1")).decode()
        await session16(charger, awkward, record().hex(), "AP;0;3;ALFEN")
        row = await judged(site, SignedVerdict.UNSUPPORTED)
        kept = await site.site.store.read(lambda tx: tx.signed_readings(row.key))
        assert [reading.data for reading in kept] == [awkward, record().hex(), "AP;0;3;ALFEN"]
        xml = await site.site.controller.signed_xml(row.key)
        assert b'format="ALFEN"' in xml
        assert (await site.site.controller.receipt_pdf(row.key)).startswith(b"%PDF")

    scene(play)


def test_a_session_is_judged_anew_when_its_meters_key_is_pinned(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        controller = site.site.controller
        await session16(charger, record().decode())
        row = await judged(site, SignedVerdict.NO_KEY)
        await controller.execute(PIN)
        await judged(site, SignedVerdict.VALID)
        (pin,) = (await controller.query(MeterKeysQuery())).items
        assert (pin.public_key, pin.meter_serial, pin.pinned_by) == (KEY, "4711", "An electrician")
        xml = await controller.signed_xml(row.key)
        assert judge_file(xml, read_key(KEY)).is_valid
        await controller.execute(PinMeterKey("CP-01", 1, "", "An electrician"))
        assert (await controller.query(MeterKeysQuery())).items == ()

    scene(play)


def test_a_bill_of_other_energy_than_was_signed_is_held(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await site.site.controller.execute(PIN)
        await session16(charger, record().decode(), wh=13_250)
        row = await judged(site, SignedVerdict.INVALID)
        with pytest.raises(Conflict, match="the bill would say 13"):
            await site.site.controller.receipt_pdf(row.key)

    scene(play)


def test_energy_of_a_meter_that_signs_is_held_while_nothing_signed_is_there(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        controller = site.site.controller
        await controller.execute(PIN)
        await session16(charger)
        row = await judged(site, SignedVerdict.INVALID)
        with pytest.raises(Conflict, match="nothing signed came"):
            await controller.receipt_pdf(row.key)
        view = await controller.query(SignedReadingsQuery(row.key))
        assert (view.verdict, view.held, view.readings) == (SignedVerdict.INVALID, True, ())

    scene(play)


def test_a_session_without_energy_or_from_before_the_key_has_nothing_to_sign(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        controller = site.site.controller
        await session16(charger)
        row = await site.row()
        await controller.execute(PIN)
        assert (await controller.receipt_pdf(row.key)).startswith(b"%PDF")
        await session16(charger, wh=0)
        newest = (await site.rows())[-1]
        assert (await controller.query(SignedReadingsQuery(newest.key))).verdict is None

    scene(play)


def test_a_session_without_signed_readings_is_billed_as_ever(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        controller = site.site.controller
        await session16(charger)
        row = await site.row()
        assert (await controller.receipt_pdf(row.key)).startswith(b"%PDF")
        view = await controller.query(SignedReadingsQuery(row.key))
        assert (view.verdict, view.readings) == (None, ())
        with pytest.raises(NotFound):
            await controller.signed_xml(row.key)
        with pytest.raises(Conflict):
            await controller.execute(DecideSignedSession(row.key, True, "Ann", "why not"))

    scene(play)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (PinMeterKey("CP-01", 1, "04abcd", "Ann"), InvalidInput),
        (PinMeterKey("CP-01", 1, KEY, ""), InvalidInput),
        (PinMeterKey("CP-01", 9, KEY, "Ann"), NotFound),
        (PinMeterKey("CP-77", 1, KEY, "Ann"), NotFound),
        (DecideSignedSession("nothing", True, "Ann", "so"), NotFound),
    ],
)
def test_what_cant_be_done_is_said(scene, command, fault):
    async def play(site: TestSite, charger: Charger) -> None:
        with pytest.raises(fault):
            await site.site.controller.execute(command)

    scene(play)


def test_ended_sessions_are_judged_after_a_restart(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            await session16(charger, record().decode())
            row = await judged(site, SignedVerdict.NO_KEY)
            await site.site.store.commit(lambda tx: tx.drop_kept("signed-session", row.key))
        async with running_site(tmp_path, planted=True) as site:
            await judged(site, SignedVerdict.NO_KEY)

    run(play())


def test_a_reading_that_comes_by_a_vendors_own_message_belongs_to_its_session(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await site.site.controller.execute(PIN)
        await session16(charger)
        row = await site.row()
        number = int(row.station_transaction_id)
        data = {"transactionId": number, "values": [{"signed": record().decode()}]}
        transfer = {"vendorId": "com.example", "messageId": "SignedValues"}
        answer = await charger.call("DataTransfer", transfer | {"data": json.dumps(data)})
        assert answer == {"status": "Accepted"}
        assert (await judged(site, SignedVerdict.VALID)).key == row.key

    scene(play)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "OCMF|{}|{}",
        "{",
        "[" * 4000,
        json.dumps({"transactionId": 1}),
        json.dumps({"transactionId": True, "signed": record().decode()}),
        json.dumps({"transactionId": 1, "signed": "something else"}),
        json.dumps({"signed": record().decode()}),
    ],
)
def test_a_vendors_message_without_record_or_session_is_an_unknown_vendors(scene, data):
    async def play(site: TestSite, charger: Charger) -> None:
        payload = {"vendorId": "com.example"} | ({} if data is None else {"data": data})
        assert await charger.call("DataTransfer", payload) == {"status": "UnknownVendorId"}

    scene(play)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_begin_and_end_of_a_2x_station_are_judged_together(run, tmp_path, version):
    def value(signed: bytes, context: str, wh: float, at: str) -> list[dict[str, Any]]:
        held = {
            "signedMeterData": base64.b64encode(signed).decode(),
            "signingMethod": "ECDSA-secp256r1-SHA256",
            "encodingMethod": "OCMF",
            "publicKey": "",
        }
        sample = {"value": wh, "context": context, "signedMeterValue": held}
        return [{"timestamp": at, "sampledValue": [sample]}]

    async def play() -> None:
        begin = meter().record(payload(BEGIN, PG="T7", ID="CARD0001"))
        end = meter().record(payload({**BEGIN, **END}, PG="T8", ID="CARD0001"))
        async with running_site(tmp_path) as site, site.charger(version=version) as charger:
            await boot201(charger)
            await site.site.controller.execute(PIN)
            for seq_no, kind, signed, context, wh in (
                (0, "Started", begin, "Transaction.Begin", 100_500),
                (1, "Ended", end, "Transaction.End", 112_750),
            ):
                at = instant(START_AT + timedelta(minutes=20 * seq_no))
                await charger.call(
                    "TransactionEvent",
                    {
                        "eventType": kind,
                        "timestamp": at,
                        "triggerReason": "Authorized" if seq_no == 0 else "StopAuthorized",
                        "seqNo": seq_no,
                        "transactionInfo": {"transactionId": "tx-1"},
                        "evse": {"id": 1, "connectorId": 1},
                        "idToken": {"idToken": "CARD0001", "type": "ISO14443"},
                        "meterValue": value(signed, context, wh, at),
                    },
                )
            row = await judged(site, SignedVerdict.VALID)
            assert (await site.site.controller.receipt_pdf(row.key)).startswith(b"%PDF")

    run(play())
