"""A simulated station in the words of OCPP 2.1: what 2.0.1 says, and what 2.1 adds to it."""

from collections.abc import Callable
from typing import Any, ClassVar

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.blocks import der, payments, smart, streams, tariffs
from sitecontroller.simulation.blocks.block import Block
from sitecontroller.simulation.control import EvseControl, Known, Transaction
from sitecontroller.simulation.settings import Setting
from sitecontroller.simulation.station201 import Station201, token
from sitecontroller.simulation.uplink import Payload

PURPOSES = "PriorityCharging,LocalGeneration"


class Station21(Station201):
    """OCPP 2.1, with tariffs, payments, dynamic profiles, event streams and grid services."""

    VERSION = OcppVersion.V21
    BLOCKS: ClassVar[tuple[Block, ...]] = (
        *Station201.BLOCKS,
        smart.BLOCK_21,
        tariffs.BLOCK_21,
        payments.BLOCK,
        streams.BLOCK,
        der.BLOCK,
    )

    def core_settings(self) -> list[Setting]:
        """The device model, and what says which additions of 2.1 there are."""
        fixed = {
            "SmartChargingCtrlr.SupportsDynamicProfiles": "true",
            "SmartChargingCtrlr.SupportsMaxOfflineDuration": "true",
            "SmartChargingCtrlr.SupportedAdditionalPurposes": PURPOSES,
            "MonitoringCtrlr.MaxPeriodicEventStreams": "10",
        }
        return [
            *super().core_settings(),
            *(Setting(name, value, writable=False) for name, value in fixed.items()),
        ]

    async def ask_authorization(self, id_token: str) -> Known | None:
        """AuthorizeRequest; the answer may bring the driver's own tariff (I08)."""
        answer = await self.station.uplink.ask("Authorize", {"idToken": token(id_token)})
        if answer is None:
            return None
        if "tariff" in answer:
            tariffs.given_tariff(self.station, id_token, answer["tariff"])
        info = answer["idTokenInfo"]
        return Known(info["status"] == "Accepted", info.get("groupIdToken", {}).get("idToken"))

    def transaction_info(
        self, control: EvseControl, transaction: Transaction, event_type: str
    ) -> dict[str, Any]:
        """With the mode of operation, the tariff and a limit that is new."""
        if event_type == "Started":
            tariffs.begun(self.station, control, transaction)
        info = super().transaction_info(control, transaction, event_type)
        info["operationMode"] = "ChargingOnly"
        if (tariff_id := tariffs.tariff_id(self.station, transaction)) is not None:
            info["tariffId"] = tariff_id
        if (limit := payments.limit_to_tell(self.station, transaction)) is not None:
            info["transactionLimit"] = limit
        return info

    def event_extras(
        self, control: EvseControl, transaction: Transaction, event_type: str
    ) -> dict[str, Any]:
        """The bill at the end, and whether the EVSE's electronics sleep."""
        extras = super().event_extras(control, transaction, event_type)
        if event_type == "Ended":
            details = tariffs.final_details(self.station, control, transaction)
            if details is not None:
                total = details["totalCost"]["total"]
                transaction.charged_amount = total.get("inclTax", total.get("exclTax", 0.0))
                extras["costDetails"] = details
        return {**extras, "evseSleep": False}

    def send_event(
        self,
        control: EvseControl,
        transaction: Transaction,
        event_type: str,
        trigger: str,
        *,
        info: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
        context: str | None = None,
        answered: Callable[[Payload | None], None] | None = None,
    ) -> None:
        """As in 2.0.1; a limit in the answer is taken."""

        def taken(answer: Payload | None) -> None:
            if answer is not None:
                payments.take_limit(self.station, transaction, answer)
            if answered is not None:
                answered(answer)

        super().send_event(
            control,
            transaction,
            event_type,
            trigger,
            info=info,
            more=more,
            context=context,
            answered=taken,
        )
