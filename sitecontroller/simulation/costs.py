"""What a transaction costs by a tariff of OCPP 2.1, as a station reckons it (I12). Pure.

Prices are without tax; energy, charging time and idle time take the price element whose conditions
hold at that moment, the fixed fee the one that held at the start.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

DIGITS = 4
CONDITIONS = frozenset({"startTimeOfDay", "endTimeOfDay", "dayOfWeek", "evseKind"})
"""Those that the station can tell; a tariff with others is refused."""
ELEMENTS_MAX = 10
PARTS = ("energy", "chargingTime", "idleTime", "fixedFee")
_PRICES = {
    "energy": "priceKwh",
    "chargingTime": "priceMinute",
    "idleTime": "priceMinute",
    "fixedFee": "priceFixed",
}
_WORDS = {
    "energy": "energy",
    "chargingTime": "chargingTime",
    "idleTime": "idleTime",
    "fixedFee": "fixed",
}
_DIMENSIONS = {"energy": "Energy", "chargingTime": "ChargingTime", "idleTime": "IdleTIme"}


def why_refused(tariff: dict[str, Any]) -> str | None:
    """The status of an answer that refuses it; None: it can be used."""
    for name in (*PARTS, "reservationTime", "reservationFixed"):
        prices = tariff.get(name, {}).get("prices", ())
        if len(prices) > ELEMENTS_MAX:
            return "TooManyElements"
        if any(price.get("conditions", {}).keys() - CONDITIONS for price in prices):
            return "ConditionNotSupported"
    return None


@dataclass(slots=True)
class Bill:
    """The running cost of one transaction. Amounts without tax, in the tariff's currency."""

    tariff: dict[str, Any]
    is_dc: bool
    began_at: datetime
    amounts: dict[str, Decimal] = field(default_factory=dict)
    energy_kwh: Decimal = Decimal(0)
    seconds: dict[str, int] = field(default_factory=lambda: {"chargingTime": 0, "idleTime": 0})
    frozen: bool = False
    """The tariff's maximum is reached."""

    def __post_init__(self) -> None:
        price = self._price("fixedFee", self.began_at)
        if price is not None:
            self.amounts["fixedFee"] = price

    def add(self, at: datetime, energy_wh: float, seconds: int, *, charging: bool) -> None:
        """What was used since the last time."""
        kwh = Decimal(repr(energy_wh)) / 1000
        self.energy_kwh += kwh
        part = "chargingTime" if charging else "idleTime"
        self.seconds[part] += seconds
        if self.frozen:
            return
        for name, amount in (("energy", kwh), (part, Decimal(seconds) / 60)):
            price = self._price(name, at)
            if price is not None:
                self.amounts[name] = self.amounts.get(name, Decimal(0)) + price * amount
        self.frozen = self._beyond("maxCost")

    @property
    def total(self) -> tuple[Decimal, Decimal]:
        """Without and with tax."""
        without = sum(self.amounts.values(), Decimal(0))
        with_tax = sum((self._taxed(name) for name in self.amounts), Decimal(0))
        return without, with_tax

    def details(self) -> dict[str, Any]:
        """CostDetailsType."""
        return {
            "chargingPeriods": [
                {
                    "tariffId": self.tariff["tariffId"],
                    "startPeriod": self.began_at.isoformat().replace("+00:00", "Z"),
                    "dimensions": [
                        {"type": _DIMENSIONS["energy"], "volume": _number(self.energy_kwh)},
                        *(
                            {"type": _DIMENSIONS[part], "volume": seconds}
                            for part, seconds in self.seconds.items()
                        ),
                    ],
                }
            ],
            "totalCost": self._total_cost(),
            "totalUsage": {"energy": _number(self.energy_kwh), **self.seconds},
        }

    def _total_cost(self) -> dict[str, Any]:
        currency = self.tariff["currency"]
        if self._below_minimum():
            least = self.tariff["minCost"]
            both = {key: least[key] for key in ("exclTax", "inclTax") if key in least}
            kind = "MinCost"
            return {"currency": currency, "typeOfCost": kind, "fixed": least, "total": both}
        without, with_tax = self.total
        parts: dict[str, Any] = {}
        for name, amount in self.amounts.items():
            part = {"exclTax": _number(amount), "inclTax": _number(self._taxed(name))}
            rates = self.tariff.get(name, {}).get("taxRates")
            parts[_WORDS[name]] = part if rates is None else {**part, "taxRates": rates}
        return {
            "currency": currency,
            "typeOfCost": "MaxCost" if self.frozen else "NormalCost",
            **parts,
            "total": {"exclTax": _number(without), "inclTax": _number(with_tax)},
        }

    def _price(self, part: str, at: datetime) -> Decimal | None:
        for element in self.tariff.get(part, {}).get("prices", ()):
            if _holds(element.get("conditions", {}), at, is_dc=self.is_dc):
                return Decimal(repr(element[_PRICES[part]]))
        return None

    def _taxed(self, part: str) -> Decimal:
        """Taxes of one level are added up, those of the next are taken on the result (FR.13)."""
        amount = self.amounts[part]
        rates = self.tariff.get(part, {}).get("taxRates", ())
        for level in sorted({rate.get("stack", 0) for rate in rates}):
            share = sum(
                (Decimal(repr(r["tax"])) for r in rates if r.get("stack", 0) == level), Decimal(0)
            )
            amount += amount * share / 100
        return amount

    def _beyond(self, bound: str) -> bool:
        most = self.tariff.get(bound, {})
        reached = dict(zip(("exclTax", "inclTax"), self.total, strict=True))
        return any(key in most and reached[key] >= Decimal(repr(most[key])) for key in reached)

    def _below_minimum(self) -> bool:
        least = self.tariff.get("minCost", {})
        reached = dict(zip(("exclTax", "inclTax"), self.total, strict=True))
        return any(key in least and reached[key] < Decimal(repr(least[key])) for key in reached)


def _holds(conditions: dict[str, Any], at: datetime, *, is_dc: bool) -> bool:
    if "evseKind" in conditions and (conditions["evseKind"] == "DC") is not is_dc:
        return False
    if "dayOfWeek" in conditions and f"{at:%A}" not in conditions["dayOfWeek"]:
        return False
    clock = f"{at:%H:%M}"
    begins = conditions.get("startTimeOfDay", "00:00")[:5]
    ends = conditions.get("endTimeOfDay", "24:00")[:5]
    if begins <= ends:
        return bool(begins <= clock < ends)
    return bool(clock >= begins or clock < ends)


def _number(amount: Decimal) -> float:
    return float(round(amount, DIGITS))
