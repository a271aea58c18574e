"""Where the verdict on a session's signed readings is kept, and what it holds back."""

from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.receipt import SignedNotice
from sitecontroller.domain.signed_reading import MeterKeyPin, SignedSession
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import Store, UnitOfWork
from sitecontroller.services.shelf import Shelf
from sitecontroller.wire import from_json

PIN_KIND = "meter-key"
_KIND = "signed-session"


def shelf_of(store: Store) -> Shelf[SignedSession]:
    """The verdicts, by transaction."""
    return Shelf(store, _KIND, SignedSession)


def verdict_of(tx: UnitOfWork, transaction_key: str) -> SignedSession | None:
    """The verdict that is kept; None where nothing was signed, or it isn't judged yet."""
    row = tx.kept(_KIND, transaction_key)
    return None if row is None else from_json(SignedSession, row.body)


def pin_of(tx: UnitOfWork, evse: EvseKey) -> MeterKeyPin | None:
    """The public key that somebody vouched for."""
    row = tx.kept(PIN_KIND, pin_key(evse))
    return None if row is None else from_json(MeterKeyPin, row.body)


def pin_key(evse: EvseKey) -> str:
    """Under which an EVSE's key is kept."""
    return f"{evse.station_id}/{evse.evse_id}"


def signed_notice(tx: UnitOfWork, transaction: Transaction) -> SignedNotice | None:
    """What a receipt says of the signed readings; None where nothing was signed."""
    session = verdict_of(tx, transaction.key)
    if session is None:
        return None
    pin = pin_of(tx, EvseKey(transaction.station_id, transaction.evse_id))
    return SignedNotice(
        session.verdict,
        session.energy_wh,
        pin.meter_serial if pin is not None else "",
        pin.public_key if pin is not None else "",
    )


def refuse_if_held(tx: UnitOfWork, transaction_key: str) -> None:
    """Raises Conflict where bad signed readings hold a session back, or nobody has judged them."""
    session = verdict_of(tx, transaction_key)
    if session is None or not session.is_final:
        if tx.signed_readings(transaction_key):
            raise Conflict(
                "the signed readings of this session aren't checked yet", remedy="Try again soon"
            )
        return
    if not session.held:
        return
    if session.decision is not None:
        raise Conflict(
            f"{session.decision.by} decided not to bill this session: {session.decision.reason}"
        )
    why = next((finding.text for finding in session.findings if finding.refuses), "")
    raise Conflict(
        f"the signed readings of this session are not valid: {why}",
        remedy="Look at its signed readings and decide: "
        f"POST /v1/transactions/{transaction_key}/signed-readings/decision",
    )
