"""What a charger keeps of a customer: asked for, cleared, handed over, and kept nowhere else."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.customer import CustomerCertificate, CustomerInformation, HashAlgorithm
from sitecontroller.domain.errors import InvalidInput, Unsupported
from sitecontroller.domain.local_list import SyncLocalList
from sitecontroller.domain.queries import JournalQuery
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.local_list.boxes import ListBox
from tests.wire.monitoring.words import later
from tests.wire.site import CARDS, TestSite, boot16, boot201, instant, running_site

ASKED = CustomerInformation("CP-01", "letter of 3 May", id_token=CARDS[0], by="Keller")
CLEARED = replace(ASKED, clear=True)
CERTIFICATE = CustomerCertificate(HashAlgorithm.SHA256, "aa", "bb", "01")
CARD = {"idToken": CARDS[0], "type": "ISO14443"}


def telling(charger: Charger, *parts: str, status: str = "Accepted") -> None:
    """Answer CustomerInformation, then send the parts."""

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        if status == "Accepted":
            later(send(payload["requestId"]))
        return {"status": status}

    async def send(request_id: int) -> None:
        for number, data in enumerate(parts):
            part = {
                "requestId": request_id,
                "seqNo": number,
                "tbc": number + 1 < len(parts),
                "generatedAt": instant(),
                "data": data,
            }
            assert await charger.call("NotifyCustomerInformation", part) == {}

    charger.answers["CustomerInformation"] = answer


async def execute(site: TestSite, command: CustomerInformation) -> Any:
    return await site.site.controller.execute(command)


def asked(charger: Charger) -> dict[str, Any]:
    """What the charger was asked, without the number of the request."""
    (payload,) = charger.asked_for("CustomerInformation")
    assert isinstance(payload.pop("requestId"), int)
    return payload


def test_a_customers_data_comes_whole_from_its_parts(scene):
    """Proves: TC_N_27_CSMS."""

    async def play(site, charger):
        telling(charger, "card CARD0001, ", "seen 3 times\n", "last at noon")
        result = await execute(site, ASKED)
        assert asked(charger) == {"report": True, "clear": False, "idToken": CARD}
        assert result.state is CommandState.ACCEPTED
        assert result.answer == {
            "text": "card CARD0001, seen 3 times\nlast at noon",
            "complete": True,
        }

    scene(play)


def test_no_data_is_an_answer_too(scene):
    """Proves: TC_N_28_CSMS, TC_N_31_CSMS."""

    async def play(site, charger):
        telling(charger, "")
        for command in (ASKED, CLEARED):
            result = await execute(site, command)
            assert (result.state, result.answer["text"]) == (CommandState.ACCEPTED, "")

    scene(play)


@pytest.mark.parametrize("status", ["Rejected", "Invalid"])
def test_a_refusal_is_a_value(scene, status):
    """Proves: TC_N_29_CSMS."""

    async def play(site, charger):
        telling(charger, status=status)
        result = await execute(site, ASKED)
        assert (result.state, result.reason) == (CommandState.REJECTED, status)

    scene(play)


@pytest.mark.parametrize("report", [True, False])
def test_a_customers_data_is_cleared(scene, report):
    """Proves: TC_N_30_CSMS, TC_N_32_CSMS."""

    async def play(site, charger):
        telling(charger, "cleared")
        result = await execute(site, replace(CLEARED, report=report))
        assert asked(charger) == {"report": report, "clear": True, "idToken": CARD}
        assert result.answer["text"] == "cleared"

    scene(play)


def test_a_customer_may_be_named_by_an_identifier(scene):
    """Proves: TC_N_62_CSMS."""

    async def play(site, charger):
        telling(charger, "cleared")
        named = replace(CLEARED, id_token=None, customer_identifier="OpenChargeAlliance")
        await execute(site, named)
        assert asked(charger) == {
            "report": True,
            "clear": True,
            "customerIdentifier": "OpenChargeAlliance",
        }

    scene(play)


def test_a_customer_may_be_named_by_his_certificate(scene):
    """Proves: TC_N_63_CSMS."""

    async def play(site, charger):
        telling(charger, "cleared")
        await execute(site, replace(CLEARED, id_token=None, certificate=CERTIFICATE))
        assert asked(charger)["customerCertificate"] == {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "aa",
            "issuerKeyHash": "bb",
            "serialNumber": "01",
        }

    scene(play)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (replace(ASKED, reason=" "), "reason"),
        (replace(ASKED, id_token=None), "id_token"),
        (replace(ASKED, customer_identifier="x"), "id_token"),
        (replace(ASKED, report=False), "report"),
        (replace(ASKED, forget=True), "forget"),
        (replace(ASKED, id_token="x" * 37), "id_token"),
        (replace(ASKED, id_token=None, customer_identifier="x" * 65), "customer_identifier"),
        (
            replace(ASKED, id_token=None, certificate=replace(CERTIFICATE, serial_number="")),
            "certificate.serial_number",
        ),
    ],
)
def test_what_is_not_clear_is_not_sent(scene, command, field):
    async def play(site, charger):
        with pytest.raises(InvalidInput) as refusal:
            await execute(site, command)
        assert [error.field for error in refusal.value.errors] == [field]
        assert charger.asked_for("CustomerInformation") == []

    scene(play)


def test_the_log_says_who_asked_and_why_but_not_what_came(scene, caplog):
    async def play(site, charger):
        telling(charger, "Erika Mustermann, 5 sessions")
        await execute(site, CLEARED)

    caplog.set_level("INFO")
    scene(play)
    lines = [r.getMessage() for r in caplog.records if "audit customer" in r.getMessage()]
    assert len(lines) == 2
    assert all("by='Keller'" in line and "reason='letter of 3 May'" in line for line in lines)
    assert lines[1].endswith("outcome=28 characters")
    assert all(CARDS[0] not in line for line in lines)
    assert "Mustermann" not in caplog.text


def test_the_journal_does_not_keep_a_customers_data(scene):
    async def play(site, charger):
        telling(charger, "Erika Mustermann, 5 sessions")
        await execute(site, ASKED)

        async def frames():
            query = JournalQuery(limit=100, action="NotifyCustomerInformation")
            return (await site.site.controller.query(query)).items

        kept = await eventually(frames)
        assert all("Mustermann" not in frame.text for frame in kept)
        assert any('"data":"[redacted]"' in frame.text for frame in kept)

    scene(play)


def test_a_forgotten_card_leaves_the_sites_own_list_as_well(scene):
    async def play(site, charger):
        telling(charger, "cleared")
        await execute(site, replace(CLEARED, forget=True))
        assert await site.site.store.read(lambda tx: tx.token(CARDS[0])) is None
        assert await site.site.store.read(lambda tx: tx.token(CARDS[1])) is not None

    scene(play)


def talkative(tell: Any) -> Any:
    """The same charger, that also tells its sample interval: only such a one is asked unasked."""

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        told = tell(asked)
        for row in told["getVariableResult"]:
            if row["variable"]["name"] == "TxUpdatedInterval":
                row |= {"attributeStatus": "Accepted", "attributeValue": "10"}
        return told

    return answer


def test_a_forgotten_card_leaves_the_lists_of_the_stations(run, tmp_path):
    """N10.FR.02.

    Proves: TC_N_46_CSMS.
    """

    async def story():
        async with (
            running_site(tmp_path, clock=virtual_clock()) as site,
            site.charger(version="2.0.1") as charger,
        ):
            box = ListBox()
            box.join2x(charger)
            charger.answers["GetVariables"] = talkative(charger.answers["GetVariables"])
            await boot201(charger)
            await asyncio.sleep(15)
            await site.site.controller.execute(SyncLocalList("CP-01"))
            telling(charger, "cleared")
            await execute(site, replace(CLEARED, forget=True))
            assert asked(charger) == {"report": True, "clear": True, "idToken": CARD}
            first, second = await eventually(
                lambda: box.taken if len(box.taken) > 1 else None, within_s=60
            )
            assert second["updateType"] == "Differential"
            assert second["versionNumber"] > first["versionNumber"]
            assert second["localAuthorizationList"] == [{"idToken": CARD}]

    run(story(), loop_factory=VirtualLoop)


def test_parts_nobody_asked_for_are_acknowledged(scene):
    async def play(site, charger):
        part = {"requestId": 5, "seqNo": 0, "generatedAt": instant(), "data": "x"}
        assert await charger.call("NotifyCustomerInformation", part) == {}

    scene(play)


def test_a_1_6_station_can_not_be_asked(run, tmp_path):
    async def story():
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            with pytest.raises(Unsupported):
                await execute(site, ASKED)

    run(story())


def test_a_charger_that_goes_away_while_it_answers_ends_the_wait(scene):
    async def play(site, charger):
        telling(charger)
        task = asyncio.create_task(execute(site, ASKED))
        await eventually(lambda: charger.asked_for("CustomerInformation"))
        await charger.socket.close()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done
        assert task.exception() is not None

    scene(play)
