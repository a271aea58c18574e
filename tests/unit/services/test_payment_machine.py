"""Payments while everything fails: what the drawer, the terminal, the ledger and the receipts say
is the same, whatever was lost or killed in between.
"""

import json
from contextlib import closing, suppress

import hypothesis.strategies as st
import pytest
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sitecontroller.domain.errors import ControllerError
from sitecontroller.domain.paying import (
    CapturePayment,
    CloseShift,
    HoldPayment,
    OpenShift,
    PayOut,
    PayTransaction,
    RefundPayment,
    VoidPayment,
)
from sitecontroller.storage import startup
from sitecontroller.storage.engine import connect
from sitecontroller.storage.unit_of_work import UnitOfWork
from tests.unit.services.tills import Killed, Till, at_once, euros

MOODS = st.sampled_from(
    ["ok", "ok", "decline", "lost-before", "lost-after", "unknown", "unreachable", "less"]
)
KILLS = st.none() | st.tuples(st.integers(1, 4), st.booleans())
PROVIDERS = st.sampled_from(["cash", "card"])
WHICH = st.integers(0, 5)


def _schema(tmp):
    path = tmp / "site.db"
    startup.upgrade(path)
    with closing(connect(path)) as connection:
        return "".join(connection.iterdump())


@pytest.fixture(scope="module", autouse=True)
def schema(tmp_path_factory):
    Tills.schema = _schema(tmp_path_factory.mktemp("till"))


class Tills(RuleBasedStateMachine):
    """Attendants, drivers, a terminal and a power cut."""

    schema = ""

    @initialize()
    def begin(self):
        self.site = Till(self.schema)
        self.sessions, self.billed_cents = [], {}
        self.attempt(OpenShift("Ann", euros(5000)))

    def attempt(self, command, mood="ok", kill=None):
        """Ask; a kill is followed by a fresh controller on the same database."""
        site = self.site
        site.terminal.mood = mood
        if kill is not None:
            site.store.kill_at, site.store.kill_after = kill
        try:
            with suppress(ControllerError):
                site.ask(command)
        except Killed:
            note("killed")
            site.restart()
        site.store.kill_at = None

    def payments(self):
        tx = UnitOfWork(self.site.connection)
        return [tx.payment(key) for (key,) in self.site.rows("SELECT key FROM payment")]

    def pick(self, which, *states):
        """One of those payments, or a key that nobody has."""
        keys = [payment.key for payment in self.payments() if payment.state in states]
        return keys[which % len(keys)] if keys else "none"

    @rule(cents=st.integers(1, 3000))
    def a_session_ends(self, cents):
        key = f"T{len(self.sessions)}"
        self.site.keep(key, cents)
        self.sessions.append(key)

    @rule(which=WHICH, cents=st.integers(1, 3000))
    def a_late_stop_changes_a_price(self, which, cents):
        if self.sessions:
            self.site.keep(self.sessions[which % len(self.sessions)], cents, known=True)

    @rule(which=WHICH, provider=PROVIDERS, mood=MOODS, kill=KILLS)
    def pay(self, which, provider, mood, kill):
        if self.sessions:
            key = self.sessions[which % len(self.sessions)]
            given = euros(5000) if provider == "cash" else None
            self.attempt(PayTransaction(key, "Ann", provider, given), mood, kill)

    @rule(which=WHICH, cents=st.integers(1, 4000), mood=MOODS, kill=KILLS)
    def hold(self, which, cents, mood, kill):
        if self.sessions:
            key = self.sessions[which % len(self.sessions)]
            self.attempt(HoldPayment(key, "Ann", "card", euros(cents)), mood, kill)

    @rule(which=WHICH, mood=MOODS, kill=KILLS)
    def capture(self, which, mood, kill):
        self.attempt(CapturePayment(self.pick(which, "authorized"), "Ann"), mood, kill)

    @rule(which=WHICH, mood=MOODS, kill=KILLS)
    def void(self, which, mood, kill):
        key = self.pick(which, "authorized")
        self.attempt(VoidPayment(key, "Ann", "Bob", "left"), mood, kill)

    @rule(which=WHICH, cents=st.none() | st.integers(1, 3000), mood=MOODS, kill=KILLS)
    def refund(self, which, cents, mood, kill):
        key = self.pick(which, "captured", "partially-refunded")
        amount = None if cents is None else euros(cents)
        self.attempt(RefundPayment(key, "Ann", "Bob", "too much", amount), mood, kill)

    @rule(cents=st.integers(1, 9000), kill=KILLS)
    def to_the_safe(self, cents, kill):
        for (key,) in self.site.rows("SELECT key FROM shift WHERE closed_at IS NULL"):
            self.attempt(PayOut(key, "Ann", "Bob", euros(cents), "safe"), "ok", kill)

    @rule(counted=st.integers(0, 9000), kill=KILLS)
    def change_of_shift(self, counted, kill):
        for (key,) in self.site.rows("SELECT key FROM shift WHERE closed_at IS NULL"):
            self.attempt(CloseShift(key, "Ann", euros(counted)), "ok", kill)
        self.attempt(OpenShift("Bob", euros(counted)), "ok", kill)

    @rule(which=WHICH)
    def print_a_receipt(self, which):
        if self.sessions:
            with suppress(ControllerError):
                self.site.print_receipt(self.sessions[which % len(self.sessions)])

    @rule()
    def power_cut(self):
        self.site.restart()

    @rule(mood=MOODS, kill=KILLS)
    def inquire(self, mood, kill):
        site = self.site
        site.terminal.mood = mood
        if kill is not None:
            site.store.kill_at, site.store.kill_after = kill
        try:
            at_once(site.payments.resolve_all())
        except Killed:
            site.restart()
        site.store.kill_at = None

    @invariant()
    def no_amount_exceeds_what_it_comes_from(self):
        for payment in self.payments():
            assert payment.refunded.amount <= payment.captured.amount <= payment.authorized.amount

    @invariant()
    def nobody_pays_a_session_twice(self):
        """By the world's own count: what terminal and drawer took."""
        for key in self.sessions:
            taken = sum(
                self.site.terminal.accounts[payment.key].taken
                for payment in self.payments()
                if payment.transaction_key == key and payment.key in self.site.terminal.accounts
            )
            taken += self.cents(
                "SELECT sum(d.amount_minor) FROM drawer_entry d JOIN payment p"
                f" ON p.key = d.payment_key WHERE d.kind = 'sale' AND p.transaction_key = '{key}'"
            )
            receipts = self.receipts(key)
            if receipts:
                assert taken <= receipts[0]
            drafts = self.site.rows(
                "SELECT json_extract(draft, '$.total.amount') FROM payment"
                f" WHERE draft IS NOT NULL AND transaction_key = '{key}'"
            )
            if not receipts and not drafts:
                assert taken == 0

    @invariant()
    def a_session_has_one_receipt_and_its_refunds_have_theirs(self):
        for key in self.sessions:
            receipts = self.receipts(key)
            of_it = [p for p in self.payments() if p.transaction_key == key]
            captured = sum(payment.captured.amount_minor for payment in of_it)
            refunded = sum(payment.refunded.amount_minor for payment in of_it)
            assert len([cents for cents in receipts if cents > 0]) <= 1
            assert captured <= sum(cents for cents in receipts if cents > 0)
            assert -refunded == sum(cents for cents in receipts if cents < 0)

    @invariant()
    def drawer_and_terminal_are_the_ledger(self):
        """Of every payment whose operations are over; of the others it is to be inquired."""
        for payment in self.payments():
            if payment.open_operation is not None:
                continue
            mine = (payment.captured.amount_minor, payment.refunded.amount_minor)
            if payment.provider == "cash":
                where = f"FROM drawer_entry WHERE payment_key = '{payment.key}' AND kind ="
                sale = self.cents(f"SELECT sum(amount_minor) {where} 'sale'")
                back = self.cents(f"SELECT sum(amount_minor) {where} 'refund'")
                assert mine == (sale, -back)
            else:
                account = self.site.terminal.accounts.get(payment.key)
                assert mine == ((account.taken, account.returned) if account else (0, 0))
                if payment.state.value in ("voided", "captured", "canceled", "declined"):
                    assert account is None or account.held == 0

    @invariant()
    def numbers_have_no_gaps(self):
        numbers = [int(n[-6:]) for (n,) in self.site.rows("SELECT number FROM receipt")]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        reports = self.reports()
        assert [report["number"] for report in reports] == list(range(1, len(reports) + 1))

    @invariant()
    def a_closed_shift_is_what_its_drawer_had(self):
        for report in self.reports():
            key = report["shift_key"]
            moved = self.cents(
                f"SELECT sum(amount_minor) FROM drawer_entry WHERE shift_key = '{key}'"
            )
            opened, expected = (
                round(float(report[name]["amount"]) * 100) for name in ("opened_with", "expected")
            )
            assert expected == opened + moved
            cash = report["captured"].get("cash", {"amount": "0.00"})
            assert float(cash["amount"]) == float(report["sales"]["amount"])

    @invariant()
    def what_is_in_doubt_is_an_alarm(self):
        doubtful = {payment.key for payment in self.payments() if payment.open_operation}
        assert self.site.alarms.active == doubtful

    def teardown(self):
        if not hasattr(self, "site"):
            return
        self.site.restart()
        self.site.terminal.mood = "ok"
        at_once(self.site.payments.resolve_all())
        assert not [payment for payment in self.payments() if payment.open_operation]
        self.drawer_and_terminal_are_the_ledger()
        self.a_session_has_one_receipt_and_its_refunds_have_theirs()
        self.site.connection.close()

    def receipts(self, key):
        """Totals in cents, in the order of their numbers."""
        rows = self.site.rows(
            f"SELECT body FROM receipt WHERE transaction_key = '{key}' ORDER BY number"
        )
        return [round(float(json.loads(body)["total"]["amount"]) * 100) for (body,) in rows]

    def reports(self):
        rows = self.site.rows(
            "SELECT report FROM shift WHERE report IS NOT NULL ORDER BY closed_at"
        )
        return [json.loads(report) for (report,) in rows]

    def cents(self, sql):
        return self.site.rows(sql)[0][0] or 0


TestTills = Tills.TestCase
