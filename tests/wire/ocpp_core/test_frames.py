"""Q17 to Q20: whatever a station sends, the connection lives and everything is answered."""

import asyncio
import sys
import tracemalloc

import orjson
import pytest

from sitecontroller.domain.errors import CallRefused, StoreUnavailable
from tests.wire.ocpp_core.site import (
    BOOT,
    NOW,
    START,
    STATUS,
    ask,
    boot,
    hear,
    running_site,
    silent,
    still_answers,
    tell,
)

BROKEN_FRAMES = {
    "short": ('[2,"m"]', "m", "FormatViolation"),
    "missing payload": ('[2,"m","Heartbeat"]', "m", "FormatViolation"),
    "null payload": ('[2,"m","Heartbeat",null]', "m", "FormatViolation"),
    "list as payload": ('[2,"m","Heartbeat",[]]', "m", "FormatViolation"),
    "list as action": ('[2,"m",["Heartbeat"],{}]', "m", "FormatViolation"),
    "number as action": ('[2,"m",5,{}]', "m", "FormatViolation"),
    "unknown type": ('[9,"m","Heartbeat",{}]', "m", "MessageTypeNotSupported"),
    "cut off": ('[2,"m","Heartbeat",{"a":', "m", "RpcFrameworkError"),
    "1 MiB": ('[2,"m","Heartbeat",{"a":"%s"}]' % ("x" * 2**20), "m", "FormatViolation"),
    "deep": ('[2,"m","Heartbeat",{"a":%s' % ("[" * 100_000), "m", "FormatViolation"),
    "5000 digits": ('[2,"m","Heartbeat",{"a":%s}]' % ("9" * 5000), "m", "FormatViolation"),
    "many values": ('[2,"m","Heartbeat",{"a":[%s0]}]' % ("0," * 40_000), "m", "FormatViolation"),
    "not JSON": ("hello", None, "RpcFrameworkError"),
    "empty": ("", None, "RpcFrameworkError"),
    "object": ("{}", None, "RpcFrameworkError"),
    "empty list": ("[]", None, "RpcFrameworkError"),
    "no id": ('[2,null,"Heartbeat",{}]', None, "RpcFrameworkError"),
}

BOOTS = {
    "ocpp1.6": BOOT,
    "ocpp2.0.1": {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}},
}


@pytest.mark.parametrize("name", BROKEN_FRAMES)
def test_q17_a_broken_frame_gets_an_error_and_the_connection_stays(run, name):
    async def main():
        frame, message_id, code = BROKEN_FRAMES[name]
        async with running_site() as site, site.connect(protocols=["ocpp2.0.1"]) as station:
            answer = await ask(station, frame)
            assert answer[:3] == [4, message_id or "-1", code]
            await still_answers(station)

    run(main())


def _heartbeat(value: str) -> str:
    return f'[2,"m","Heartbeat",{{"a":{value}}}]'


def _of_bytes(count: int) -> str:
    """A frame of so many bytes."""
    filler = "x" * (count - len(_heartbeat('""')))
    return _heartbeat(f'"{filler}"')


BOUNDS = {
    "256 KiB": (_of_bytes(2**18), _of_bytes(2**18 + 1)),
    "16 levels": (_heartbeat("[" * 14 + "]" * 14), _heartbeat("[" * 15 + "]" * 15)),
    "integers below 2^53": (_heartbeat(f"-{2**53 - 1}"), _heartbeat(f"-{2**53}")),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_q17_what_is_read_has_bounds_that_hold_to_the_last_bit(run, name):
    async def main():
        read, refused = BOUNDS[name]
        async with running_site() as site, site.connect() as station:
            assert (await ask(station, read))[:2] == [3, "m"]
            assert (await ask(station, refused))[:3] == [4, "m", "FormationViolation"]
            await still_answers(station)
            assert site.dialect.count("Heartbeat") == 2

    run(main())


LATER_MESSAGES = {
    "CALLRESULTERROR": [5, "m", "FormationViolation", "not understood", {}],
    "SEND": [6, "m", "NotifyPeriodicEventStream", {"id": 1, "pending": 0, "basetime": NOW}],
    "short CALLRESULTERROR": [5],
    "SEND without an id": [6, None, "NotifyPeriodicEventStream", {}],
    "CALLRESULTERROR to what was answered": [5, "answered", "InternalError", "", {}],
    "CALLRESULTERROR with the id of our call": [5, "ours", "InternalError", "", {}],
}


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
@pytest.mark.parametrize("name", LATER_MESSAGES)
def test_q21_messages_of_a_later_version_never_end_the_session(run, name, protocol):
    async def main():
        frame = list(LATER_MESSAGES[name])
        async with running_site() as site, site.connect(protocols=[protocol]) as station:
            await ask(station, [2, "answered", "BootNotification", BOOTS[protocol]])
            call = asyncio.ensure_future(site.dialect.session.call("ClearCache", {}))
            ours = await hear(station)
            if frame[1:2] == ["ours"]:
                frame[1] = ours[1]
            for _ in range(3):
                await tell(station, frame)
            await still_answers(station)
            await tell(station, [3, ours[1], {"status": "Accepted"}])
            assert await call == {"status": "Accepted"}
            assert sum(site.server.conformance("CP01").values()) == 3

    run(main())


@pytest.mark.parametrize("name", [n for n, row in BROKEN_FRAMES.items() if row[1] is None])
def test_q17_ocpp_16_has_no_answer_to_a_frame_without_an_id(run, name):
    async def main():
        async with running_site() as site, site.connect() as station:
            await tell(station, BROKEN_FRAMES[name][0])
            assert (await ask(station, [2, "next", "Heartbeat", {}]))[1] == "next"

    run(main())


def test_q17_ocpp_16_spells_error_codes_its_own_way(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            assert (await ask(station, '[2,"m"]'))[2] == "FormationViolation"

    run(main())


def test_a_longer_call_than_four_elements_is_answered(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            assert (await ask(station, [2, "m", "Heartbeat", {}, "extra"]))[0] == 3

    run(main())


def test_a_binary_frame_is_read_as_text(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            assert (await ask(station, b'[2,"m","Heartbeat",{}]'))[0] == 3

    run(main())


@pytest.mark.parametrize(
    "frame",
    [
        b'[2,"m","Authorize",{"idTag":"AB\x00C"}]',
        b'[2,"m","Authorize",{"idTag":"AB\\u0000C"}]',
        b'[2,"m","Authorize",{"idTag":"AB\x1bC"}]\x00',
        b'\xef\xbb\xbf[2,"m","Authorize",{"idTag":"ABC","x":NaN}]',
        b'[2,"m","Authorize",{"idTag":"X","idTag":"ABC"}]',
    ],
)
def test_a_frame_with_control_characters_is_repaired(run, frame):
    async def main():
        async with running_site() as site, site.connect() as station:
            assert (await ask(station, frame))[0] == 3
            assert site.dialect.asked == [("Authorize", {"idTag": "ABC"})]

    run(main())


def test_wrong_utf_8_does_not_end_the_connection(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await station.send(b'[2,"m","Authorize",{"idTag":"A\xff"}]', text=True)
            assert (await hear(station))[0] == 3
            assert "frame: wrong UTF-8 replaced" in site.server.conformance("CP01")

    run(main())


@pytest.mark.parametrize("message_id", [1, 2.5, "x" * 37, "x" * 200, "ä/"])
def test_q18_odd_message_ids_are_answered(run, message_id):
    async def main():
        async with running_site() as site, site.connect() as station:
            answer = await ask(station, [2, message_id, "StatusNotification", STATUS])
            assert answer == [3, message_id, {}]

    run(main())


def test_q18_the_same_call_again_has_no_second_effect(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            first = await ask(station, [2, "m", "StartTransaction", START])
            site.dialect.answers["StartTransaction"] = {
                "transactionId": 8,
                "idTagInfo": {"status": "Accepted"},
            }
            assert await ask(station, [2, "m", "StartTransaction", START]) == first
            assert site.dialect.count("StartTransaction") == 1

    run(main())


def test_q18_a_reused_id_with_another_body_is_a_new_call(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await ask(station, [2, "m", "StartTransaction", START])
            await ask(station, [2, "m", "StartTransaction", {**START, "connectorId": 2}])
            assert site.dialect.count("StartTransaction") == 2

    run(main())


def test_q18_a_heartbeat_under_the_same_id_gets_the_time_of_now(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await ask(station, [2, "1", "Heartbeat", {}])
            later = {"currentTime": "2025-11-21T09:00:00.000Z"}
            site.dialect.answers["Heartbeat"] = later
            assert await ask(station, [2, "1", "Heartbeat", {}]) == [3, "1", later]

    run(main())


def test_q18_answers_kept_for_repeats_are_bounded(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            for number in range(200):
                await ask(station, [2, str(number), "StatusNotification", STATUS])
            assert len(site.server.session("CP01")._answered) == 64

    run(main())


ODD_ANSWERS = {
    "unsolicited result": [3, "nobody", {}],
    "result without payload": [3, "nobody"],
    "result with extra fields": [3, "nobody", {}, 1, 2],
    "result without id": [3],
    "unsolicited error": [4, "nobody", "GenericError", "", {}],
    "error of three": [4, "nobody", "GenericError"],
    "error with numbers": [4, "nobody", 5, 6, 7],
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_q19_answers_to_nothing_are_dropped(run, name):
    async def main():
        async with running_site() as site, site.connect() as station:
            await tell(station, ODD_ANSWERS[name])
            assert (await ask(station, [2, "next", "Heartbeat", {}]))[:2] == [3, "next"]

    run(main())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ([4, None, "NotSupported"], "NotSupported"),
        ([4, None, "NotSupported", "no"], "NotSupported"),
        ([4, None, "Made.Up", "no", {}], "Made.Up"),
        ([4, None], "GenericError"),
    ],
)
def test_q19_an_error_of_any_length_refuses_the_call(run, answer, code):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            call = asyncio.ensure_future(site.dialect.session.call("ClearCache", {}))
            asked = await hear(station)
            await tell(station, [answer[0], asked[1], *answer[2:]])
            with pytest.raises(CallRefused) as refused:
                await call
            assert refused.value.error_code == code

    run(main())


def test_q19_a_result_that_breaks_its_schema_is_mended(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            call = asyncio.ensure_future(site.dialect.session.call("ClearCache", {}))
            asked = await hear(station)
            await tell(station, [3, asked[1], {"status": "accepted", "extra": 1}])
            assert await call == {"status": "Accepted"}

    run(main())


def test_q19_ten_thousand_unsolicited_results_cost_less_than_1_mib(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await still_answers(station)
            site.journal.record = lambda *_, **__: None
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for number in range(10_000):
                await tell(station, [3, f"unsolicited-{number}", {"status": "Accepted"}])
            await still_answers(station)
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert site.server.session("CP01").unsolicited == 10_000
            assert grown < 2**20

    run(main(), timeout_s=50)


@pytest.mark.parametrize(
    ("protocol", "action", "code"),
    [
        ("ocpp1.6", "NoSuchThing", "NotImplemented"),
        ("ocpp2.0.1", "NoSuchThing", "NotImplemented"),
        ("ocpp2.0.1", "StartTransaction", "NotImplemented"),
        ("ocpp1.6", "Reset", "NotSupported"),
        ("ocpp2.0.1", "GetReport", "NotSupported"),
    ],
)
def test_q20_every_action_is_answered(run, protocol, action, code):
    async def main():
        payload = {"type": "Soft"} if action == "Reset" else {"requestId": 1}
        async with running_site() as site, site.connect(protocols=[protocol]) as station:
            assert (await ask(station, [2, "m", action, payload]))[:3] == [4, "m", code]

    run(main())


def test_q22_a_start_that_breaks_its_schema_is_mended_and_counted(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            odd = {"connectorId": "1", "idTag": 12345, "meterStart": "5", "timestamp": NOW, "x": 1}
            assert (await ask(station, [2, "m", "StartTransaction", odd]))[0] == 3
            meant = {"connectorId": 1, "idTag": "12345", "meterStart": 5, "timestamp": NOW}
            assert site.dialect.asked == [("StartTransaction", meant)]
            assert site.server.conformance("cp01") == {
                "StartTransaction: connectorId: text instead of a number": 1,
                "StartTransaction: idTag: number instead of text": 1,
                "StartTransaction: meterStart: text instead of a number": 1,
                "StartTransaction: unknown property 'x'": 1,
            }

    run(main())


@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction", "MeterValues"])
def test_q22_money_and_energy_are_never_refused_for_their_schema(run, action):
    async def main():
        async with running_site() as site, site.connect() as station:
            assert (await ask(station, [2, "m", action, {"connectorId": {}}]))[0] == 3
            assert site.dialect.asked == [(action, {})]

    run(main())


def test_a_status_without_its_status_is_refused(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            answer = await ask(station, [2, "m", "StatusNotification", {"connectorId": 1}])
            assert answer[2] == "OccurenceConstraintViolation"

    run(main())


def test_what_could_not_be_stored_gets_no_answer(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            site.dialects[0].answers["StartTransaction"] = StoreUnavailable("disk full")
            await tell(station, [2, "m", "StartTransaction", START])
            assert await silent(station)
            site.dialect.answers["StartTransaction"] = {
                "transactionId": 9,
                "idTagInfo": {"status": "Accepted"},
            }
            again = await ask(station, [2, "m", "StartTransaction", START])
            assert again[2]["transactionId"] == 9

    run(main())


@pytest.mark.parametrize("answer", [KeyError("x"), {"nonsense": 1}], ids=["fault", "bad answer"])
def test_our_own_fault_is_an_internal_error(run, answer):
    async def main():
        async with running_site() as site, site.connect() as station:
            site.dialect.answers["Heartbeat"] = answer
            assert (await ask(station, [2, "m", "Heartbeat", {}]))[2] == "InternalError"
            assert (await ask(station, [2, "n", "StatusNotification", STATUS]))[0] == 3

    run(main())


def test_our_calls_are_answered_while_a_commit_takes_its_time(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            committed = asyncio.Event()

            async def slow():
                await committed.wait()
                return {}

            site.dialect.answers["MeterValues"] = slow
            await tell(station, [2, "m", "MeterValues", {"connectorId": 1, "meterValue": []}])
            call = asyncio.ensure_future(site.dialect.session.call("ClearCache", {}))
            asked = await hear(station)
            await tell(station, [3, asked[1], {"status": "Accepted"}])
            assert await call == {"status": "Accepted"}
            committed.set()
            assert (await hear(station))[:2] == [3, "m"]

    run(main())


def test_calls_are_answered_in_their_order(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            for number in range(100):
                await tell(station, [2, number, "Heartbeat", {}])
            assert [(await hear(station))[1] for _ in range(100)] == list(range(100))

    run(main())


def test_a_fragmented_message_is_put_together(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            text = orjson.dumps([2, "m", "StatusNotification", STATUS]).decode()
            await station.send([*text])
            assert await hear(station) == [3, "m", {}]

    run(main())


def test_a_message_above_2_mib_closes_with_1009(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await station.send("x" * (2 * 2**20 + 1))
            await station.wait_closed()
            assert station.close_code == 1009

    run(main())


def test_an_idle_session_is_small(run):
    """A rough guard beside the bench: the session object and what only it holds."""

    async def main():
        async with running_site() as site, site.connect() as station:
            await still_answers(station)
            session, loop = site.server.session("CP01"), asyncio.get_running_loop()
            own = (part for part in vars(session).values() if part is not loop)
            assert sum(map(sys.getsizeof, own)) < 16_384

    run(main())
