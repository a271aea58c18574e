"""Cards as 2.x stations show them: what each is worth, whose group it is, what kind (block C)."""

from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from tests.wire.site import boot201, running_site
from tests.wire.transactions.test_transactions_201 import event

PAST = datetime.now(UTC) - timedelta(days=1)
CARDS = (
    TokenRecord("BLOCKED1", IdTokenType.ISO14443, blocked=True),
    TokenRecord("EXPIRED1", IdTokenType.ISO14443, expires_at=PAST),
    TokenRecord("FAM00001", IdTokenType.ISO14443, parent_id_token="FAMILY"),
    TokenRecord("FAM00002", IdTokenType.ISO14443, parent_id_token="FAMILY"),
    TokenRecord("MASTER01", IdTokenType.ISO14443, parent_id_token="MASTERS"),
    TokenRecord("DE-8AA-CA2B3C4D5-N", IdTokenType.E_MAID),
    TokenRecord("A4:6D:D4:01:02:03", IdTokenType.MAC_ADDRESS),
    TokenRecord("remote-start-77", IdTokenType.CENTRAL),
    TokenRecord("4711", IdTokenType.KEY_CODE),
    TokenRecord("kiosk-1", IdTokenType.LOCAL),
)


@pytest.fixture(params=["2.0.1", "2.1"])
def scene(request, run, tmp_path):
    """`scene(play)` runs `await play(site, charger)` with one booted charger and these cards."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger(version=request.param) as charger:
            for card in CARDS:
                await site.site.controller.put_token(card)
            await boot201(charger)
            await play(site, charger)

    return lambda play: run(staged(play))


def token(number: str, kind: str = "ISO14443") -> dict[str, str]:
    return {"idToken": number, "type": kind}


async def authorized(charger, number: str, kind: str = "ISO14443"):
    answer = await charger.call("Authorize", {"idToken": token(number, kind)})
    return answer["idTokenInfo"]


async def told(charger, kind: str, seq_no: int, **more):
    return (await charger.call("TransactionEvent", event(kind, seq_no, **more)))["idTokenInfo"]


@pytest.mark.parametrize(
    ("number", "status"),
    [("STRANGER", "Invalid"), ("BLOCKED1", "Blocked"), ("EXPIRED1", "Expired")],
)
def test_a_card_that_may_not_charge_is_told_why(scene, number, status):
    """Proves: TC_C_02_CSMS, TC_C_06_CSMS, TC_C_07_CSMS"""

    async def play(site, charger):
        assert (await authorized(charger, number))["status"] == status
        assert await site.rows() == ()

    scene(play)


@pytest.mark.parametrize(("number", "status"), [("CARD0001", "Accepted"), ("STRANGER", "Invalid")])
def test_a_card_from_the_stations_cache_is_judged_again(scene, number, status):
    """Proves: TC_C_08_CSMS, TC_C_20_CSMS"""

    async def play(site, charger):
        began = event("Started", 0, triggerReason="CablePluggedIn")
        del began["idToken"]
        await charger.call("TransactionEvent", began)
        shown = {"idToken": token(number), "triggerReason": "Authorized"}
        assert (await told(charger, "Updated", 1, **shown))["status"] == status
        assert (await site.row()).authorization_status == status

    scene(play)


FAMILY = {"status": "Accepted", "groupIdToken": {"idToken": "FAMILY", "type": "Central"}}


def test_a_card_may_stop_what_another_of_its_group_began(scene):
    """Proves: TC_C_39_CSMS, TC_C_40_CSMS, TC_C_43_CSMS"""

    async def play(site, charger):
        assert await authorized(charger, "FAM00002") == FAMILY
        began = await told(charger, "Started", 0, idToken=token("FAM00001"))
        assert began == FAMILY
        assert await authorized(charger, "FAM00002") == FAMILY
        stop = {"idToken": token("FAM00002"), "triggerReason": "StopAuthorized"}
        assert await told(charger, "Updated", 1, **stop) == FAMILY
        await charger.call("TransactionEvent", event("Ended", 2, 5000))
        row = await site.row()
        assert row.id_token is not None
        assert row.id_token.id_token == "FAM00001", "who began it pays"
        assert row.parent_id_token == "FAMILY"
        assert not row.active

    scene(play)


@pytest.mark.parametrize("evses", [(1, 2), (1,)], ids=["all", "one"])
def test_a_master_card_stops_sessions_of_others(scene, evses):
    """Proves: TC_C_47_CSMS, TC_C_48_CSMS, TC_C_49_CSMS"""

    async def play(site, charger):
        for evse_id in (1, 2):
            began = event(
                "Started",
                0,
                1000,
                f"tx-{evse_id}",
                idToken=token(f"CARD000{evse_id}"),
                evse={"id": evse_id, "connectorId": 1},
            )
            await charger.call("TransactionEvent", began)
        masters = {"status": "Accepted", "groupIdToken": {"idToken": "MASTERS", "type": "Central"}}
        assert await authorized(charger, "MASTER01") == masters
        for evse_id in evses:
            ended = event("Ended", 1, 5000, f"tx-{evse_id}", idToken=token("MASTER01"))
            ended["transactionInfo"]["stoppedReason"] = "MasterPass"
            answer = await charger.call("TransactionEvent", ended)
            assert answer["idTokenInfo"] == masters
        rows = await site.rows()
        assert [row.active for row in rows] == [evse_id not in evses for evse_id in (1, 2)]
        assert [row.id_token.id_token for row in rows] == ["CARD0001", "CARD0002"]

    scene(play)


def test_q37_a_card_in_use_at_another_station_is_refused(scene):
    async def play(site, charger):
        await told(charger, "Started", 0)
        async with site.charger("CP-02", charger.version) as other:
            await boot201(other)
            assert (await authorized(other, "CARD0001"))["status"] == "ConcurrentTx"
            began = event("Started", 0, transaction_id="tx-other")
            answer = await other.call("TransactionEvent", began)
            assert answer["idTokenInfo"]["status"] == "ConcurrentTx"
        assert len(await site.rows()) == 2, "its energy is not lost"

    scene(play)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("DE-8AA-CA2B3C4D5-N", "eMAID"),
        ("DE8AACA2B3C4D5N", "eMAID"),
        ("de8aaca2b3c4d5n", "eMAID"),
        ("A4:6D:D4:01:02:03", "MacAddress"),
        ("A4-6D-D4-01-02-03", "MacAddress"),
        ("A46DD4010203", "MacAddress"),
        ("remote-start-77", "Central"),
        ("4711", "KeyCode"),
        ("kiosk-1", "Local"),
    ],
)
def test_an_identity_of_any_kind_is_found_however_it_is_written(scene, number, kind):
    async def play(site, charger):
        assert (await authorized(charger, number, kind))["status"] == "Accepted"

    scene(play)


def test_a_session_begun_by_a_button_needs_no_card(scene):
    async def play(site, charger):
        began = event("Started", 0, 1000, idToken={"idToken": "", "type": "NoAuthorization"})
        answer = await charger.call("TransactionEvent", began)
        assert answer["idTokenInfo"]["status"] == "Accepted"
        row = await site.row()
        assert row.id_token is None
        assert row.may_charge

    scene(play)
