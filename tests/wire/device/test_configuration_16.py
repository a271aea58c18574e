"""Q16 on the wire: GetConfiguration as real stations answer it."""

import asyncio

import pytest

from sitecontroller.domain.commands import CommandState, GetVariables
from sitecontroller.domain.device import Mutability, SettingsQuery, TakeSnapshot
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.charger import CallError
from tests.wire.device.boxes import Box16, carried_out, told

ODD_ROWS = [
    {"key": "HEARTBEATINTERVAL", "readonly": False, "value": 300},
    {"key": "MeterValueSampleInterval", "readonly": "false", "value": "10"},
    {"key": "GetConfigurationMaxKeys", "readonly": "True", "value": 40.0},
    {"key": "AuthorizeRemoteTxRequests", "value": True},
    {"key": "LocalPreAuthorize", "readonly": 1, "value": "false"},
    {"key": "NoValue", "readonly": True},
    {"key": "NullValue", "readonly": False, "value": None},
    {"key": "EmptyValue", "readonly": False, "value": ""},
    {"key": "ListValue", "readonly": False, "value": ["a", "b"]},
    {"key": "Long", "readonly": False, "value": "x" * 900},
    {"key": "Twice", "readonly": False, "value": "first"},
    {"key": "twice", "readonly": False, "value": "second"},
    {"Key": "OtherSpelling", "readOnly": True, "Value": "1"},
    {"readonly": True, "value": "no key"},
    {"key": "", "readonly": True, "value": "no name"},
    "nonsense",
    None,
]


def test_q16_every_form_of_a_key_is_read(run, tmp_path):
    async def story():
        box = Box16()
        async with told(tmp_path, box) as (site, charger):
            charger.answers["GetConfiguration"] = lambda _: {"configurationKey": ODD_ROWS}
            view = await site.site.controller.query(SettingsQuery("CP-01", limit=500))
            found = {variable.name: variable for variable in view.variables}
            values = {name: variable.value for name, variable in found.items()}
            assert values == {
                "HEARTBEATINTERVAL": "300",
                "MeterValueSampleInterval": "10",
                "GetConfigurationMaxKeys": "40.0",
                "AuthorizeRemoteTxRequests": "true",
                "LocalPreAuthorize": "false",
                "NoValue": None,
                "NullValue": None,
                "EmptyValue": "",
                "ListValue": None,
                "Long": "x" * 900,
                "Twice": "first",
                "OtherSpelling": "1",
            }
            read_only = {name for name, v in found.items() if v.mutability is Mutability.READ_ONLY}
            assert read_only == {
                "GetConfigurationMaxKeys", "LocalPreAuthorize", "NoValue", "OtherSpelling"
            }  # fmt: skip

    run(story())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"configurationKey": None, "unknownKey": None},
        {"configurationKey": "A=1"},
        {"configurationKey": [[]]},
    ],
)
def test_q16_an_answer_without_keys_is_survived(run, tmp_path, body):
    async def story():
        async with told(tmp_path, Box16()) as (site, charger):
            charger.answers["GetConfiguration"] = lambda _: body
            result = await carried_out(site, TakeSnapshot("CP-01"))
            assert result.state is CommandState.REJECTED
            assert charger.socket.state.name == "OPEN"
            result = await carried_out(site, GetVariables("CP-01"))
            assert result.state is CommandState.REJECTED

    run(story())


def test_q16_one_key_that_is_no_list_is_a_list_of_one(run, tmp_path):
    async def story():
        async with told(tmp_path, Box16()) as (site, charger):
            row = {"key": "A", "value": "1"}
            charger.answers["GetConfiguration"] = lambda _: {"configurationKey": row}
            view = await site.site.controller.query(SettingsQuery("CP-01"))
            assert [(v.name, v.value) for v in view.variables] == [("A", "1")]

    run(story())


def limited(box, most, *, lists):
    """How a station answers that takes few keys: `lists` without names, cut or refused."""

    def answer(payload):
        wanted = payload.get("key")
        if wanted is None:
            if lists == "refused":
                raise CallError("FormationViolation", "key is missing")
            rows = box.get({})["configurationKey"]
            return {"configurationKey": rows[:most] if lists == "cut" else []}
        if len(wanted) > most:
            raise CallError("OccurenceConstraintViolation", f"more than {most} keys")
        return box.get(payload)

    return answer


@pytest.mark.parametrize("lists", ["cut", "refused", "empty"])
def test_q16_a_station_that_lists_too_little_is_asked_in_parts(run, tmp_path, lists):
    async def story():
        box = Box16()
        box.keys = {
            "GetConfigurationMaxKeys": "3", "HeartbeatInterval": "300",
            "MeterValueSampleInterval": "10", "ConnectionTimeOut": "60", "LightIntensity": "50",
            "SupportedFeatureProfiles": "Core",
        }  # fmt: skip
        async with told(tmp_path, box, clock=virtual_clock()) as (site, charger):
            charger.answers["GetConfiguration"] = limited(box, 3, lists=lists)
            await asyncio.sleep(30)
            view = await site.site.controller.query(SettingsQuery("CP-01", limit=500))
            assert {v.name: v.value for v in view.variables} == box.keys
            assert not view.complete
            assert "may be missing" in view.note
            charger.asked.clear()
            await carried_out(site, GetVariables("CP-01", tuple(box.keys)))
            sizes = [len(payload["key"]) for payload in charger.asked_for("GetConfiguration")]
            assert sizes == [3, 3]

    run(story(), loop_factory=VirtualLoop)


def test_q16_how_many_keys_it_takes_is_known_on_the_next_connection(run, tmp_path):
    async def story():
        box = Box16()
        box.keys["GetConfigurationMaxKeys"] = "2"
        async with told(tmp_path, box) as (site, _):
            await carried_out(site, GetVariables("CP-01", ("GetConfigurationMaxKeys",)))
        async with told(tmp_path, box, planted=True) as (site, charger):
            await carried_out(site, GetVariables("CP-01", ("A", "B", "C")))
            asked = [p.get("key", []) for p in charger.asked_for("GetConfiguration")]
            assert max(map(len, asked)) == 2

    run(story())
