"""Prices at a simulated station: running costs on display, and tariffs of its own (block I).

1.6 tells prices by DataTransfer (`org.openchargealliance.costmsg`), 2.0.1 by CostUpdated; a 2.1
station reckons itself from the tariff it was given and ends its transactions with the bill.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from sitecontroller.domain.topology import Supply
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.simulation.blocks.block import Block, accepted, refused
from sitecontroller.simulation.blocks.display import Screen
from sitecontroller.simulation.control import EvseControl, Transaction
from sitecontroller.simulation.costs import ELEMENTS_MAX, Bill, why_refused
from sitecontroller.simulation.settings import FLAG, Setting
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

COST_VENDOR = "org.openchargealliance.costmsg"
ENABLED = "TariffCostCtrlr.Enabled@Tariff"


class Prices:
    """Default tariffs by EVSE (0: all), drivers' tariffs by card, and the bills under way."""

    def __init__(self) -> None:
        self.defaults: dict[int, dict[str, Any]] = {}
        self.drivers: dict[str, dict[str, Any]] = {}
        self.bills: dict[str, Bill] = {}
        self.seen_wh: dict[str, float] = {}
        self.told_s: dict[str, float] = {}


# 1.6 and 2.0.1: the CSMS reckons, the display shows


def _cost_message(station: SimulatedStation, payload: Payload) -> Payload:
    """SetUserPrice, RunningCost and FinalCost."""
    try:
        data = json.loads(payload.get("data", "{}"))
    except ValueError:
        return {"status": "Rejected"}
    if payload.get("messageId") not in ("SetUserPrice", "RunningCost", "FinalCost"):
        return {"status": "UnknownMessageId"}
    if not isinstance(data, dict):
        return {"status": "Rejected"}
    evse_id = 0
    if control := station.charging_control(str(data.get("transactionId", ""))):
        evse_id = control.evse.evse_id
    text = data.get("priceText", data.get("cost", ""))
    station.part(Screen).texts[evse_id] = f"{payload['messageId']}: {text}"[:500]
    return {"status": "Accepted"}


def _cost_updated(station: SimulatedStation, payload: Payload) -> Payload:
    control = station.charging_control(payload["transactionId"])
    if control is not None:
        text = f"{payload['totalCost']:.2f} {station.settings.text('TariffCostCtrlr.Currency')}"
        station.part(Screen).texts[control.evse.evse_id] = text
    return {}


# 2.1: tariffs on the station


def _set_default(station: SimulatedStation, payload: Payload) -> Payload:
    reason = _refusal(station, payload["tariff"])
    evse_id = payload["evseId"]
    if reason is not None:
        return {"status": reason}
    if evse_id not in (0, *station.controls):
        return refused("no such EVSE", code="UnknownEvse")
    tariff: dict[str, Any] = payload["tariff"]
    prices = station.part(Prices)
    used = {t["tariffId"]: t for t in (*prices.defaults.values(), *prices.drivers.values())}
    if used.get(tariff["tariffId"], tariff) != tariff:
        return {"status": "DuplicateTariffId"}
    if evse_id == 0:  # for all of them, whatever was there (I07.FR.12)
        prices.defaults = dict.fromkeys(station.controls, tariff)
    else:
        prices.defaults[evse_id] = tariff
    return accepted()


def _refusal(station: SimulatedStation, tariff: dict[str, Any]) -> str | None:
    if not station.settings.flag(ENABLED):
        raise CallFault("NotSupported", "local cost calculation is switched off")
    return why_refused(tariff)


def _get_tariffs(station: SimulatedStation, payload: Payload) -> Payload:
    evse_id, prices = payload["evseId"], station.part(Prices)
    if evse_id not in (0, *station.controls):
        return refused("no such EVSE", code="UnknownEvse")
    found: dict[str, dict[str, Any]] = {}
    for number, tariff in prices.defaults.items():
        if evse_id in (0, number):
            entry = found.setdefault(tariff["tariffId"], _assignment(tariff, "DefaultTariff"))
            entry["evseIds"] = [*entry.get("evseIds", ()), number]
    for card, tariff in prices.drivers.items():
        entry = found.setdefault(tariff["tariffId"], _assignment(tariff, "DriverTariff"))
        entry["idTokens"] = [*entry.get("idTokens", ()), card]
    if not found:
        return {"status": "NoTariff"}
    return {"status": "Accepted", "tariffAssignments": list(found.values())}


def _assignment(tariff: dict[str, Any], kind: str) -> dict[str, Any]:
    entry = {"tariffId": tariff["tariffId"], "tariffKind": kind}
    return {**entry, "validFrom": tariff["validFrom"]} if "validFrom" in tariff else entry


def _clear_tariffs(station: SimulatedStation, payload: Payload) -> Payload:
    prices, evse_id = station.part(Prices), payload.get("evseId")
    wanted = payload.get("tariffIds")
    gone: set[str] = set()
    for number, tariff in tuple(prices.defaults.items()):
        named = wanted is None or tariff["tariffId"] in wanted
        if named and evse_id in (None, 0, number):
            gone.add(prices.defaults.pop(number)["tariffId"])
    if wanted is None:
        results = [{"tariffId": t, "status": "Accepted"} for t in sorted(gone)]
        return {"clearTariffsResult": results or [{"status": "NoTariff"}]}
    return {
        "clearTariffsResult": [
            {"tariffId": t, "status": "Accepted" if t in gone else "NoTariff"} for t in wanted
        ]
    }


def _change_transaction_tariff(station: SimulatedStation, payload: Payload) -> Payload:
    tariff, prices = payload["tariff"], station.part(Prices)
    reason = _refusal(station, tariff)
    control = station.charging_control(payload["transactionId"])
    if reason is not None:
        return {"status": reason}
    if control is None or control.transaction is None:
        return {"status": "TxNotFound"}
    bill = prices.bills.get(payload["transactionId"])
    if bill is not None and bill.tariff["currency"] != tariff["currency"]:
        return {"status": "NoCurrencyChange"}
    _bill(station, control, control.transaction)
    if bill is None:
        _open(station, control, control.transaction, tariff)
    else:
        bill.tariff = tariff  # no retroactive reckoning (I11.FR.08)
    tell = station.dialect.tell
    station.after_answer(partial(tell, control, control.transaction, "TariffChanged"))
    return accepted()


def given_tariff(station: SimulatedStation, id_token: str, tariff: dict[str, Any]) -> None:
    """The driver's own, from the answer to an Authorize (I08)."""
    if why_refused(tariff) is None:
        station.part(Prices).drivers[id_token] = tariff


def begun(station: SimulatedStation, control: EvseControl, transaction: Transaction) -> None:
    """The driver's tariff, else the EVSE's, counts from the first event on."""
    prices = station.part(Prices)
    tariff = prices.drivers.pop(transaction.id_token, None)
    tariff = tariff or prices.defaults.get(control.evse.evse_id)
    if tariff is not None and station.settings.flag(ENABLED):
        _open(station, control, transaction, tariff)


def _open(
    station: SimulatedStation,
    control: EvseControl,
    transaction: Transaction,
    tariff: dict[str, Any],
) -> None:
    identity = str(transaction.transaction_id)
    prices = station.part(Prices)
    prices.bills[identity] = Bill(tariff, control.evse.supply is Supply.DC, station.now())
    prices.seen_wh[identity] = control.outlet.energy_wh
    prices.told_s[identity] = station.clock.monotonic_s()


def _every_second(station: SimulatedStation) -> None:
    interval_s = station.settings.number("TariffCostCtrlr.Interval@Cost")
    running = station.settings.flag("TariffCostCtrlr.Enabled@RunningCost")
    for control in station.controls.values():
        transaction = control.transaction
        if transaction is None or str(transaction.transaction_id) not in station.part(Prices).bills:
            continue
        _bill(station, control, transaction, seconds=1)
        told_s, now_s = station.part(Prices).told_s, station.clock.monotonic_s()
        identity = str(transaction.transaction_id)
        if running and interval_s and now_s >= told_s[identity] + interval_s:
            told_s[identity] = now_s
            more = {"costDetails": station.part(Prices).bills[identity].details()}
            station.dialect.tell(control, transaction, "RunningCost", more)


def _bill(
    station: SimulatedStation, control: EvseControl, transaction: Transaction, seconds: int = 0
) -> None:
    prices, identity = station.part(Prices), str(transaction.transaction_id)
    bill = prices.bills.get(identity)
    if bill is None:
        return
    energy_wh = control.outlet.energy_wh - prices.seen_wh[identity]
    prices.seen_wh[identity] = control.outlet.energy_wh
    bill.add(station.now(), energy_wh, seconds, charging=control.outlet.current_a > 0)


def final_details(
    station: SimulatedStation, control: EvseControl, transaction: Transaction
) -> dict[str, Any] | None:
    """The bill of an ending transaction; None where no tariff was there."""
    _bill(station, control, transaction)
    prices, identity = station.part(Prices), str(transaction.transaction_id)
    bill = prices.bills.pop(identity, None)
    prices.seen_wh.pop(identity, None)
    prices.told_s.pop(identity, None)
    return None if bill is None else bill.details()


def cost_so_far(station: SimulatedStation, transaction: Transaction) -> float | None:
    """With tax; None where nobody reckons."""
    bill = station.part(Prices).bills.get(str(transaction.transaction_id))
    return None if bill is None else float(bill.total[1])


def tariff_id(station: SimulatedStation, transaction: Transaction) -> str | None:
    """The tariff in force for a transaction."""
    bill = station.part(Prices).bills.get(str(transaction.transaction_id))
    return None if bill is None else str(bill.tariff["tariffId"])


def _settings_201(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("TariffCostCtrlr.Currency", "EUR", r"[A-Z]{3}")
    yield Setting("TariffCostCtrlr.TariffFallbackMessage", "Ask the attendant", r".{0,255}")
    yield Setting("TariffCostCtrlr.TotalCostFallbackMessage", "See your receipt", r".{0,255}")
    yield Setting("TariffCostCtrlr.Available@Cost", "true", FLAG, writable=False)
    yield Setting("TariffCostCtrlr.Available@Tariff", "true", FLAG, writable=False)
    yield Setting("TariffCostCtrlr.Enabled@Cost", "true", FLAG)
    yield Setting(ENABLED, "true", FLAG)


def _settings_21(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("TariffCostCtrlr.Enabled@RunningCost", "false", FLAG)
    yield Setting("TariffCostCtrlr.Interval@Cost", "60", r"\d{1,7}")
    yield Setting("TariffCostCtrlr.MaxElements@Tariff", str(ELEMENTS_MAX), r"\d+", writable=False)
    yield Setting("TariffCostCtrlr.ConditionsSupported@Tariff", "true", FLAG, writable=False)


BLOCK_16 = Block(transfers={COST_VENDOR: _cost_message})
BLOCK_201 = Block(answers={"CostUpdated": _cost_updated}, settings=_settings_201)
BLOCK_21 = Block(
    answers={
        "SetDefaultTariff": _set_default,
        "GetTariffs": _get_tariffs,
        "ClearTariffs": _clear_tariffs,
        "ChangeTransactionTariff": _change_transaction_tariff,
    },
    hooks={"second": _every_second},
    settings=_settings_21,
)
