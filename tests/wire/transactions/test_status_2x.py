"""What a 2.x station still holds of its sessions (E14): asked by people, and after it was away."""

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Conflict, NotFound, Unsupported
from sitecontroller.domain.transaction import TransactionFlag
from sitecontroller.domain.transaction_check import CheckQueue, CheckTransaction
from sitecontroller.services import transaction_check
from tests.support import eventually
from tests.wire.site import boot16, boot201, running_site
from tests.wire.transactions.scenes import start
from tests.wire.transactions.test_transactions_201 import event


@pytest.fixture(params=["2.0.1", "2.1"])
def scene(request, run, tmp_path):
    """`scene(play)` runs `await play(site, charger)` with one booted charger that charges."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger(version=request.param) as charger:
            await boot201(charger)
            await charger.call("TransactionEvent", event("Started", 0, 1000))
            await charger.call("TransactionEvent", event("Updated", 1, 3000))
            await play(site, charger)

    return lambda play: run(staged(play))


def holds(charger, *, queued: bool, ongoing: bool | None = None) -> None:
    answer = {"messagesInQueue": queued}
    if ongoing is not None:
        answer["ongoingIndicator"] = ongoing
    charger.answers["GetTransactionStatus"] = lambda _: answer


@pytest.mark.parametrize("queued", [True, False])
def test_a_running_session_is_asked_for_by_its_id(scene, queued):
    """Proves: TC_E_29_CSMS, TC_E_30_CSMS"""

    async def play(site, charger):
        holds(charger, queued=queued, ongoing=True)
        result = await site.site.controller.execute(CheckTransaction((await site.row()).key))
        assert result.state is CommandState.ACCEPTED
        assert result.answer == {"ongoing": True, "queued": queued}
        assert charger.asked_for("GetTransactionStatus") == [{"transactionId": "tx-1"}]
        late = event("Updated", 2, 4000, offline=True)
        assert await charger.call("TransactionEvent", late) == {}
        row = await site.row()
        assert row.active
        assert row.meter_last_wh == 4000

    scene(play)


@pytest.mark.parametrize("queued", [True, False])
def test_a_station_is_asked_for_all_it_still_has_to_tell(scene, queued):
    """Proves: TC_E_33_CSMS, TC_E_34_CSMS"""

    async def play(site, charger):
        holds(charger, queued=queued)
        result = await site.site.controller.execute(CheckQueue("CP-01"))
        assert result.answer == {"ongoing": None, "queued": queued}
        assert charger.asked_for("GetTransactionStatus") == [{}]
        assert (await site.row()).active

    scene(play)


def test_q34_what_is_missing_of_an_ended_session_is_asked_for_and_taken(scene):
    """Proves: TC_E_31_CSMS"""

    async def play(site, charger):
        holds(charger, queued=True, ongoing=False)
        ended = event("Ended", 4, 9000, minutes=40, offline=True)
        await charger.call("TransactionEvent", ended)
        row = await site.row()
        assert row.seq_no_missing == (2, 3)
        await eventually(lambda: charger.asked_for("GetTransactionStatus"))
        assert charger.asked_for("GetTransactionStatus") == [{"transactionId": "tx-1"}]
        for seq_no in (2, 3):
            late = event("Updated", seq_no, 3000 + 1000 * seq_no, offline=True)
            await charger.call("TransactionEvent", late)
        row = await site.row()
        assert row.seq_no_missing == ()
        assert TransactionFlag.SEQUENCE_GAP not in row.flags
        assert row.energy_wh == 8000
        assert row.price is not None

    scene(play)


def test_q32_a_session_that_is_over_at_the_station_is_closed_here(scene):
    async def play(site, charger):
        holds(charger, queued=False, ongoing=False)
        key = (await site.row()).key
        result = await site.site.controller.execute(CheckTransaction(key))
        assert result.state is CommandState.EFFECTIVE
        row = await site.row()
        assert not row.active
        assert row.energy_wh == 2000
        assert TransactionFlag.MISSING_STOP in row.flags
        with pytest.raises(Conflict):
            await site.site.controller.execute(CheckTransaction(key))

    scene(play)


def test_q32_a_station_that_was_away_is_asked_for_what_ran(run, tmp_path, monkeypatch):
    monkeypatch.setattr(transaction_check, "CHECK_AFTER_S", 0.05)
    monkeypatch.setattr(transaction_check, "SETTLE_S", 0.05)

    async def play():
        async with running_site(tmp_path) as site:
            async with site.charger(version="2.0.1") as charger:
                await boot201(charger)
                await charger.call("TransactionEvent", event("Started", 0, 1000))
                await charger.call("TransactionEvent", event("Updated", 1, 3000))
            async with site.charger(version="2.0.1") as back:
                holds(back, queued=False, ongoing=False)
                await boot201(back)

                async def closed() -> bool:
                    return not (await site.row()).active

                await eventually(closed)
                assert back.asked_for("GetTransactionStatus")[0] == {"transactionId": "tx-1"}
                await back.call("TransactionEvent", event("Ended", 2, 5000, minutes=15))
                row = await site.row()
                assert row.energy_wh == 4000
                assert TransactionFlag.STOP_CORRECTED in row.flags
                assert (await site.outbox_kinds())[-1] == "TransactionCorrected"

    run(play())


def test_a_station_that_leaves_half_of_it_out_ends_nothing(scene, monkeypatch):
    async def play(site, charger):
        holds(charger, queued=False)
        await site.site.controller.execute(CheckTransaction((await site.row()).key))
        assert (await site.row()).active

    scene(play)


def test_a_16_station_can_not_be_asked(run, tmp_path):
    async def play():
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            await charger.call("StartTransaction", start())
            with pytest.raises(Unsupported):
                await site.site.controller.execute(CheckTransaction((await site.row()).key))
            with pytest.raises(NotFound):
                await site.site.controller.execute(CheckTransaction("nothing"))

    run(play())
