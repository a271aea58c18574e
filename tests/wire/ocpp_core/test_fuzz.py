"""Random frames: none ends a session, none raises, and the gate stays within its bounds."""

import asyncio

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import frames, gate
from sitecontroller.ocpp.repair import mend
from tests.support import run_bounded
from tests.wire.ocpp_core.site import ask, running_site, tell

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["connectorId", "idTag", "value", "x"]), inner)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from([*sorted(frames.actions(OcppVersion.V16)), "Nonsense", ""])
MESSAGES = st.lists(JSON, max_size=6) | st.tuples(
    st.sampled_from([2, 3, 4, 5, 6, "2", None]), JSON, NAMES | JSON, JSON
).map(list)
TEXTS = MESSAGES.map(lambda message: orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS))
FRAGMENTS = st.lists(
    st.sampled_from(
        [b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"2", b"1e9", b"NaN", b"\\u0000", b"\xff",
         b"\\ud800", b'"id"', b'"Heartbeat"', b"null", b" ", b"\x00"]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip
ANY_FRAME = TEXTS | FRAGMENTS | st.binary(max_size=60)


@given(ANY_FRAME)
def test_the_gate_sorts_every_frame(frame):
    sorted_frame = gate.read(frame)
    assert isinstance(sorted_frame, gate.InboundCall | gate.InboundAnswer | gate.Refusal)


@given(st.integers(1, 40), st.sampled_from(["[", '{"a":', '["]",', '{"[":']))
def test_the_gate_measures_depth_exactly(depth, opener):
    closers = {"[": "]", "{": "}"}
    text = opener * depth + "0" + closers[opener[0]] * depth
    refused = gate.read(f'[2,"m","X",{{"a":{text}}}]'.encode())
    assert isinstance(refused, gate.Refusal) == (depth + 2 > gate.DEPTH_MAX)


@given(st.sampled_from(list(OcppVersion)), st.data())
def test_mending_is_total_and_settles(version, data):
    name = data.draw(st.sampled_from(sorted(frames.actions(version))))
    known = frames.action(version, name)
    names = [*known.request_schema.get("properties", {}), "unknown"]
    payload = data.draw(st.dictionaries(st.sampled_from(names), JSON))
    once = mend(known.request_schema, payload)
    again = mend(known.request_schema, once.payload)
    assert again.payload == once.payload


@pytest.mark.slow
def test_no_frame_ends_a_session(run):
    """One socket takes them all: what hypothesis draws is sent, then a heartbeat must come back."""

    async def play(drawn):
        async with running_site() as site, site.connect() as station:
            for number, frame in enumerate(drawn):
                await tell(station, frame)
                if number % 50 == 0:
                    await tell(station, [2, f"alive-{number}", "Heartbeat", {}])
            await tell(station, [2, "last", "Heartbeat", {}])
            while (await _next(station))[1:2] != ["last"]:
                pass
            assert await ask(station, [2, "still", "Heartbeat", {}])

    @given(st.lists(ANY_FRAME, min_size=20, max_size=40))
    def play_all(drawn):
        run_bounded(play(drawn))

    play_all()


async def _next(station):
    async with asyncio.timeout(5):
        return orjson.loads(await station.recv())
