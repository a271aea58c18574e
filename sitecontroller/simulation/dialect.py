"""What a version of OCPP adds to a simulated station: its words.

The station decides, a dialect says it. One station may know several and speaks the one that its
connection agreed on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.simulation.blocks.block import Answerer, Block, Tables, Trigger, merged
from sitecontroller.simulation.control import (
    EndReason,
    EvseControl,
    Known,
    SettingNames,
    Transaction,
)
from sitecontroller.simulation.settings import Setting, Settings
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation


class Dialect(ABC):
    """One version at one station. `blocks` is what it can beyond the core."""

    VERSION: ClassVar[OcppVersion]
    NAMES: ClassVar[SettingNames]
    STRICT_STACK: ClassVar[bool]
    BLOCKS: ClassVar[tuple[Block, ...]]

    def __init__(self, station: SimulatedStation) -> None:
        self.station = station
        self.settings = Settings(
            *self.core_settings(),
            *(setting for block in self.BLOCKS for setting in block.settings(station)),
        )

    @cached_property
    def tables(self) -> Tables:
        """All its blocks together."""
        return merged(self.BLOCKS)

    def answer(self, action: str, payload: Payload) -> Payload:
        """Answer a CALL that fits its schema; NotSupported for what no dialect answers."""
        answerer = self.core_answers.get(action) or self.tables.answers.get(action)
        if answerer is None:
            raise CallFault("NotSupported", f"this station has no {action}")
        return answerer(self.station, payload)

    @cached_property
    def core_answers(self) -> dict[str, Answerer]:
        """What it answers without any block."""
        return {"DataTransfer": lambda _, payload: self.data_transfer(payload)}

    @cached_property
    def core_triggers(self) -> dict[str, Trigger]:
        """What it sends when told to, without any block."""
        return {}

    def data_transfer(self, payload: Payload) -> Payload:
        """By its vendor; whose words nobody knows is told so."""
        answerer = self.tables.transfers.get(payload["vendorId"].casefold())
        if answerer is None:
            return {"status": "UnknownVendorId"}
        return answerer(self.station, payload)

    def trigger(self, requested: str, controls: list[EvseControl]) -> Payload:
        """Send after the answer what was asked for."""
        send = self.core_triggers.get(requested) or self.tables.triggers.get(requested)
        if send is None:
            return {"status": "NotImplemented"}
        return {"status": "Accepted" if controls and send(self.station, controls) else "Rejected"}

    @abstractmethod
    def send_own_status(self) -> None: ...
    @abstractmethod
    def tell(
        self,
        control: EvseControl,
        transaction: Transaction,
        trigger: str,
        more: Payload | None = None,
    ) -> None:
        """An update of a transaction for a reason of its own."""

    @abstractmethod
    def collect(self, control: EvseControl, transaction: Transaction) -> None:
        """Take samples that are told at the transaction's end."""

    @abstractmethod
    def core_settings(self) -> list[Setting]: ...
    @abstractmethod
    def boot_notification(self) -> Payload: ...
    @abstractmethod
    def status_word(self, control: EvseControl) -> str: ...
    @abstractmethod
    def send_status(self, control: EvseControl) -> None: ...
    @abstractmethod
    def send_started(self, control: EvseControl, transaction: Transaction) -> None: ...
    @abstractmethod
    def send_sample(
        self, control: EvseControl, transaction: Transaction, *, aligned: bool = False
    ) -> None: ...
    @abstractmethod
    def send_aligned(self, control: EvseControl) -> None:
        """Values of the clock's interval where no transaction runs."""

    @abstractmethod
    def send_state(self, control: EvseControl, transaction: Transaction) -> None: ...
    @abstractmethod
    def send_ended(
        self,
        control: EvseControl,
        transaction: Transaction,
        reason: EndReason,
        id_token: str | None,
    ) -> None: ...
    @abstractmethod
    async def ask_authorization(self, id_token: str) -> Known | None:
        """The CSMS's word on a card; None when it can't be asked."""
