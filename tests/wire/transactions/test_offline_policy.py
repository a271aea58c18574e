"""What stations are told to do with cards without contact, and what becomes of such sessions."""

import pytest

from sitecontroller.config import parse_config
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.transaction import TransactionFlag
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.site import boot16, boot201, running_site, site_config
from tests.wire.transactions.scenes import meter, start, stop

KEYS_16 = ("AllowOfflineTxForUnknownId", "LocalAuthorizeOffline", "LocalPreAuthorize")
NAMES_2X = ("OfflineTxForUnknownIdEnabled", "LocalAuthorizeOffline", "LocalPreAuthorize")
POLICIES = [
    ({}, ("false", "true", "false")),
    ({"unknown_cards": True, "known_cards": False}, ("true", "false", "false")),
    ({"before_asking": True}, ("false", "true", "true")),
]


def opposite(values: tuple[str, ...]) -> list[str]:
    return ["false" if value == "true" else "true" for value in values]


@pytest.mark.parametrize(("policy", "told"), POLICIES, ids=["default", "free", "fast"])
def test_a_16_station_is_told_the_sites_policy(run, tmp_path, policy, told):
    async def play():
        async with (
            running_site(tmp_path, clock=virtual_clock(), offline=policy) as site,
            site.charger() as charger,
        ):
            known = dict(zip(KEYS_16, opposite(told), strict=True))
            rows = [{"key": key, "readonly": False, "value": known[key]} for key in known]
            charger.answers["GetConfiguration"] = lambda _: {"configurationKey": rows}
            await boot16(charger)
            await eventually(lambda: all(_written(charger, key) for key in KEYS_16))
            assert tuple(_written(charger, key)[-1] for key in KEYS_16) == told

    run(play(), loop_factory=VirtualLoop)


def _written(charger, key: str) -> list[str]:
    return [
        sent["value"] for sent in charger.asked_for("ChangeConfiguration") if sent["key"] == key
    ]


@pytest.mark.parametrize(("policy", "told"), POLICIES, ids=["default", "free", "fast"])
def test_a_201_station_is_told_the_sites_policy(run, tmp_path, policy, told):
    async def play():
        async with (
            running_site(tmp_path, clock=virtual_clock(), offline=policy) as site,
            site.charger(version="2.0.1") as charger,
        ):
            known = dict(zip(NAMES_2X, opposite(told), strict=True))

            def variables(asked):
                results = []
                for row in asked["getVariableData"]:
                    value = known.get(row["variable"]["name"])
                    found = {"attributeStatus": "Accepted", "attributeValue": value}
                    unknown = {"attributeStatus": "UnknownVariable"}
                    results.append({**row, **(unknown if value is None else found)})
                return {"getVariableResult": results}

            charger.answers["GetVariables"] = variables
            await boot201(charger)
            await eventually(lambda: all(_set(charger, name) for name in NAMES_2X), within_s=15)
            assert tuple(_set(charger, name)[-1] for name in NAMES_2X) == told

    run(play(), loop_factory=VirtualLoop)


def _set(charger, name: str) -> list[str]:
    return [
        row["attributeValue"]
        for sent in charger.asked_for("SetVariables")
        for row in sent["setVariableData"]
        if (row["component"]["name"], row["variable"]["name"]) == ("AuthCtrlr", name)
    ]


def test_nobody_begins_unasked_where_a_start_needs_room(tmp_path):
    data = {
        "ocpp": {"offline": {"before_asking": True}},
        "circuits": [{"id": "main", "limit_a": 63}],
        "stations": [
            {"id": "CP-01", "circuit": "main", "evses": [{"fallback_a": 6}, {"fallback_a": 0}]}
        ],
    }
    with pytest.raises(ConfigurationError) as refused:
        parse_config(data, base_dir=tmp_path)
    (error,) = refused.value.errors
    assert error.field == "ocpp.offline.before_asking"
    assert "CP-01/1" in error.message
    assert "CP-01/2" not in error.message


def test_a_misspelt_key_of_the_policy_is_named(tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        site_config(tmp_path, offline={"unknown_card": True})
    assert [error.field for error in refused.value.errors] == ["ocpp.offline.unknown_card"]


@pytest.mark.parametrize(
    ("policy", "kwh", "reviewed"),
    [
        ({"unknown_cards": True, "amount_max": 6}, 10, False),
        ({"unknown_cards": True, "amount_max": 5.99}, 10, True),
        ({"unknown_cards": False}, 1, True),
    ],
)
def test_an_unknown_card_that_charged_without_contact_is_looked_at_above_the_cap(
    run, tmp_path, policy, kwh, reviewed
):
    async def play():
        async with running_site(tmp_path, offline=policy) as site, site.charger() as charger:
            await boot16(charger)
            began = start(card="STRANGER")
            number = (await charger.call("StartTransaction", began))["transactionId"]
            await charger.call("MeterValues", meter(2_000, number))
            await charger.call("StopTransaction", stop(number, 1000 + kwh * 1000))
            row = await site.row()
            assert {TransactionFlag.OFFLINE, TransactionFlag.REFUSED_TOKEN} <= row.flags
            assert row.price is not None
            alarm = site.site.controller.alarm_view(f"transaction-review:{row.key}")
            assert (alarm is not None) is reviewed

    run(play())
