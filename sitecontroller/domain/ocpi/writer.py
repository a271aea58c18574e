"""Our tariffs as OCPI Tariffs of 2.2.1 or 2.3.0, and what OCPI has no word for: that stands in
`tariff_alt_text`, in plain sentences, so that partners and drivers can still read it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sitecontroller.domain.ocpi.reader import ALWAYS, LIMIT_NAMES, OcpiVersion, TaxIncluded
from sitecontroller.domain.tariff import (
    PausedTime,
    PriceComponent,
    PriceLimit,
    Restriction,
    Tariff,
    TariffDimension,
)

PRICE_DIGITS = 6
"""Behind the point, of prices that 2.2.1 wants without VAT."""
TEXT_CHARACTERS_MAX = 512

_NAMES = {
    "start_time": "start_time", "end_time": "end_time",
    "start_date": "start_date", "end_date": "end_date",
    "min_kwh": "min_kwh", "max_kwh": "max_kwh",
    "min_current_a": "min_current", "max_current_a": "max_current",
    "min_power_kw": "min_power", "max_power_kw": "max_power",
    "min_duration_s": "min_duration", "max_duration_s": "max_duration",
    "reservation": "reservation",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Export:
    """A Tariff as JSON values, and what it can't say, in sentences."""

    tariff: dict[str, Any]
    lost: tuple[str, ...]


def tariff_to_ocpi(
    tariff: Tariff,
    version: OcpiVersion,
    *,
    country_code: str,
    party_id: str,
    last_updated: datetime,
) -> Export:
    """The tariff as a partner gets it."""
    net = version is OcpiVersion.V221
    lost = tuple(dict.fromkeys(_lost(tariff, net=net)))
    body: dict[str, Any] = {
        "country_code": country_code,
        "party_id": party_id,
        "id": f"{tariff.tariff_id}-{tariff.version}"[-36:],
        "currency": tariff.currency,
    }
    if tariff.tariff_type is not None:
        body["type"] = tariff.tariff_type.value
    texts = _texts(tariff, lost)
    if texts:
        body["tariff_alt_text"] = texts
    if tariff.url is not None:
        body["tariff_alt_url"] = tariff.url
    for name, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit is not None and (written := _limit(tariff, limit, version)):
            body[name] = written
    if version is OcpiVersion.V230:
        body["tax_included"] = _taxes(tariff).value
        if tariff.preauthorize_amount is not None:
            body["preauthorize_amount"] = float(tariff.preauthorize_amount)
    body["elements"] = [
        {
            "price_components": [_component(tariff, part, net=net) for part in each.components],
            **({"restrictions": _restriction(each.restriction)} if each.restriction else {}),
        }
        for each in tariff.all_elements
    ]
    if tariff.valid_from > ALWAYS:
        body["start_date_time"] = _instant(tariff.valid_from)
    if tariff.valid_until is not None:
        body["end_date_time"] = _instant(tariff.valid_until)
    body["last_updated"] = _instant(last_updated)
    return Export(body, lost)


def _texts(tariff: Tariff, lost: Iterable[str]) -> list[dict[str, str]]:
    """Those of the tariff, and what is lost behind the English one."""
    texts = {each.language: each.text for each in tariff.texts}
    said = " ".join((*([texts["en"]] if "en" in texts else []), *lost))
    if said:
        texts["en"] = said
    return [
        {"language": language, "text": _short(text)} for language, text in sorted(texts.items())
    ]


def _short(text: str) -> str:
    most = TEXT_CHARACTERS_MAX
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _component(tariff: Tariff, part: PriceComponent, *, net: bool) -> dict[str, Any]:
    price = _without_vat(tariff, part)[0] if net else part.price
    written: dict[str, Any] = {"type": part.dimension.value, "price": float(price)}
    if part.vat_percent is not None and (tariff.taxes_apply or not net):
        written["vat"] = float(part.vat_percent)
    return {**written, "step_size": part.step_size or 1}


def _without_vat(tariff: Tariff, part: PriceComponent) -> tuple[Decimal, bool]:
    """The price without VAT, and whether it is exact."""
    if not (tariff.tax_included and tariff.taxes_apply and part.vat_percent):
        return part.price, True
    exact = Fraction(part.price) / (1 + Fraction(part.vat_percent) / 100)
    rounded = Decimal(round(exact * 10**PRICE_DIGITS)).scaleb(-PRICE_DIGITS)
    return rounded, Fraction(rounded) == exact


def _restriction(restriction: Restriction) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for ours, theirs in _NAMES.items():
        value = getattr(restriction, ours)
        if value is not None:
            written[theirs] = float(value) if isinstance(value, Decimal) else value
    if restriction.days:
        written["day_of_week"] = sorted(day.value for day in restriction.days)
    return written


def _limit(tariff: Tariff, limit: PriceLimit, version: OcpiVersion) -> dict[str, float] | None:
    """OCPI wants it without VAT; one with VAT alone can be written where there is one rate."""
    net = _net_limit(tariff, limit)
    if net is None:
        return None
    net_name, gross_name = LIMIT_NAMES[version]
    gross = {} if limit.gross is None else {gross_name: float(limit.gross)}
    return {net_name: float(net), **gross}


def _net_limit(tariff: Tariff, limit: PriceLimit) -> Decimal | None:
    if limit.net is not None or limit.gross is None:
        return limit.net
    if not tariff.taxes_apply:
        return limit.gross
    rates = {part.vat_percent for each in tariff.all_elements for part in each.components}
    rate = rates.pop() if len(rates) == 1 else None
    if rate is None:
        return None
    exact = Fraction(limit.gross) / (1 + Fraction(rate) / 100)
    return Decimal(round(exact * 10**PRICE_DIGITS)).scaleb(-PRICE_DIGITS)


def _taxes(tariff: Tariff) -> TaxIncluded:
    if not tariff.taxes_apply:
        return TaxIncluded.NOT_APPLICABLE
    return TaxIncluded.YES if tariff.tax_included else TaxIncluded.NO


def _lost(tariff: Tariff, *, net: bool) -> Iterable[str]:
    parts = [part for each in tariff.all_elements for part in each.components]
    timed = {part.dimension for part in parts}
    if tariff.idle_grace_s and TariffDimension.PARKING_TIME in timed:
        minutes = Decimal(tariff.idle_grace_s) / 60
        yield f"Parking is free for the first {minutes.normalize():f} minutes after charging ended."
    if tariff.paused is not PausedTime.FREE and tariff.paused.value in timed:
        kind = "charging" if tariff.paused is PausedTime.TIME else "parking"
        yield f"Time in which the site pauses charging is priced as {kind} time."
    if any(not part.step_size and part.dimension is not TariffDimension.FLAT for part in parts):
        yield "Energy and time are billed to their last digit, not in whole Wh and seconds."
    if net and any(not _without_vat(tariff, part)[1] for part in parts):
        yield "The prices that hold contain VAT; those without are rounded."
    unnamed = tariff.tax_included and any(part.vat_percent is None for part in parts)
    if net and tariff.taxes_apply and unnamed:
        yield "Prices for which no VAT is named contain all taxes."
    if net and tariff.preauthorize_amount is not None:
        yield f"{tariff.preauthorize_amount} {tariff.currency} are reserved on a card."
    for word, limit in (("least", tariff.min_price), ("most", tariff.max_price)):
        if limit is not None and limit.gross is not None and _net_limit(tariff, limit) is None:
            yield f"A session costs at {word} {limit.gross} {tariff.currency} with VAT."


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
