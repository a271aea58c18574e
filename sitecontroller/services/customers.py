"""What stations keep of a customer: asked for and cleared on a person's word, and written down.

The station's text is handed to who asked for it; database, journal and log don't get it. The log
says who asked for whom and why, and how much came.
"""

import logging
from collections.abc import Mapping

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.customer import AskCustomer, CustomerInformation
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.events import TokensChanged
from sitecontroller.domain.ids import masked
from sitecontroller.domain.queries import Query
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of

log = logging.getLogger(__name__)

IDENTIFIER_CHARACTERS_MAX = 64
CARD_CHARACTERS_MAX = 36
HASH_CHARACTERS_MAX = 128
SERIAL_CHARACTERS_MAX = 40


class Customers:
    """Carries out a customer's rights to his data on stations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.handlers: Mapping[type[Command], Handler] = {CustomerInformation: self._ask}
        self.answerers: Mapping[type[Query], Answerer] = {}

    async def load(self) -> None:
        """Nothing is kept."""

    async def _ask(self, command: CustomerInformation, command_id: str) -> CommandResult:
        faults = _faults(command)
        if faults:
            raise InvalidInput(
                "; ".join(f"{fault.field} {fault.message}" for fault in faults),
                remedy="Mend the fields named and send it again",
                errors=tuple(faults),
            )
        link = self._desk.link(command.station_id)
        self._log(command, "asked")
        answer = await link.ask(AskCustomer(command))
        if not answer.accepted:
            self._log(command, f"refused: {answer.status}")
            return result_of(command_id, answer)
        text: str = answer.body["text"]
        complete: bool = answer.body["complete"]
        self._log(command, f"{len(text)} characters" + ("" if complete else ", incomplete"))
        if command.forget and command.id_token is not None:
            await self._forget(command.id_token)
        told = {"text": text, "complete": complete}
        return CommandResult(command_id, CommandState.ACCEPTED, None, told)

    async def _forget(self, id_token: str) -> None:
        """N10.FR.02: only we may change the stations' lists; they follow the site's own."""
        if await self._desk.store.commit(lambda tx: tx.delete_token(id_token)):
            self._desk.publisher.publish(TokensChanged(id_token))

    def _log(self, command: CustomerInformation, outcome: str) -> None:
        log.info(
            "audit customer information: station=%s customer=%s report=%s clear=%s forget=%s "
            "by=%r reason=%r outcome=%s",
            command.station_id,
            _named(command),
            command.report,
            command.clear,
            command.forget,
            command.by[:80],
            command.reason[:200],
            outcome,
        )


def _named(command: CustomerInformation) -> str:
    """Who is meant, without telling it to every reader of the log."""
    if command.id_token is not None:
        return f"card {masked(command.id_token)}"
    if command.customer_identifier is not None:
        return f"identifier {masked(command.customer_identifier)}"
    return "certificate"


def _faults(command: CustomerInformation) -> list[FieldError]:
    named = (command.id_token, command.certificate, command.customer_identifier)
    found = []
    if not command.reason.strip():
        found.append(FieldError("reason", "says why: it is written down with your name"))
    if sum(each is not None for each in named) != 1:
        found.append(
            FieldError(
                "id_token", "or certificate or customer_identifier: exactly one names the customer"
            )
        )
    if not (command.report or command.clear):
        found.append(FieldError("report", "or clear is true: else nothing is asked for"))
    if command.forget and (command.id_token is None or not command.clear):
        found.append(FieldError("forget", "needs id_token and clear"))
    found += _too_long("id_token", command.id_token, CARD_CHARACTERS_MAX)
    found += _too_long(
        "customer_identifier", command.customer_identifier, IDENTIFIER_CHARACTERS_MAX
    )
    certificate = command.certificate
    if certificate is not None:
        found += _too_long(
            "certificate.issuer_name_hash", certificate.issuer_name_hash, HASH_CHARACTERS_MAX
        )
        found += _too_long(
            "certificate.issuer_key_hash", certificate.issuer_key_hash, HASH_CHARACTERS_MAX
        )
        found += _too_long(
            "certificate.serial_number", certificate.serial_number, SERIAL_CHARACTERS_MAX
        )
    return found


def _too_long(field: str, value: str | None, most: int) -> list[FieldError]:
    if value is None or 1 <= len(value) <= most:
        return []
    return [FieldError(field, f"has 1 to {most} characters")]
