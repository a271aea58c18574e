"""An OCPI Tariff of 2.2.1 or 2.3.0 as ours.

2.2.1 has its prices without VAT; 2.3.0 says whether they contain tax. Country, party and energy
mix aren't kept: they are the site's, not the tariff's. A field of a restriction or price that OCPI
doesn't know is refused: to pass over it would change a price.
"""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sitecontroller.domain.ocpi.fields import Faults, Fields
from sitecontroller.domain.tariff import (
    DayOfWeek,
    PriceComponent,
    PriceLimit,
    ReservationRestriction,
    Restriction,
    Tariff,
    TariffDimension,
    TariffElement,
    TariffText,
    TariffType,
)

ELEMENTS_MAX = 500
COMPONENTS_MAX = 50
TEXTS_MAX = 100
STEP_MAX = 10**7
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when a tariff without a start is valid."""

_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_DATE = r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"


class OcpiVersion(StrEnum):
    """Those whose tariffs are read and written."""

    V221 = "2.2.1"
    V230 = "2.3.0"


class TaxIncluded(StrEnum):
    """OCPI 2.3.0 TaxIncluded."""

    YES = "YES"
    NO = "NO"
    NOT_APPLICABLE = "N/A"


LIMIT_NAMES = {
    OcpiVersion.V221: ("excl_vat", "incl_vat"),
    OcpiVersion.V230: ("before_taxes", "after_taxes"),
}


def version_of(data: Any) -> OcpiVersion:
    """Which version a tariff is of, by fields that only 2.3.0 has."""
    tariff = data if isinstance(data, dict) else {}
    limits = [tariff.get(name) for name in ("min_price", "max_price")]
    limited = any(isinstance(each, dict) and "before_taxes" in each for each in limits)
    newer = limited or "tax_included" in tariff or "preauthorize_amount" in tariff
    return OcpiVersion.V230 if newer else OcpiVersion.V221


def tariff_from_ocpi(data: Any, version: OcpiVersion | None = None) -> Tariff:
    """Raises InvalidInput naming all fields that can't be used. Numbers may be Decimal, as
    `json.loads(…, parse_float=Decimal)` gives them, float or text."""
    faults = Faults()
    fields = Fields(data, "", faults)
    version = version or version_of(data)
    taxes = _taxes(fields, version)
    starts_at = fields.instant("start_date_time", naive_is_utc=True)
    ends_at = fields.instant("end_date_time", naive_is_utc=True)
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        fields.fault("end_date_time", "lies before start_date_time")
    tariff_id = fields.text("id") or "tariff"
    tariff = Tariff(
        tariff_id=tariff_id,
        version=1,
        name=tariff_id,
        currency=fields.matching("currency", "[A-Z]{3}", "EUR", required=True) or "",
        components=(),
        valid_from=starts_at or ALWAYS,
        tax_included=taxes is TaxIncluded.YES,
        elements=tuple(
            _element(each) for each in fields.objects("elements", ELEMENTS_MAX, required=True)
        ),
        min_price=_limit(fields, "min_price", version),
        max_price=_limit(fields, "max_price", version),
        taxes_apply=taxes is not TaxIncluded.NOT_APPLICABLE,
        valid_until=ends_at,
        preauthorize_amount=fields.number("preauthorize_amount", least=0),
        tariff_type=fields.word("type", TariffType),
        texts=tuple(_text(each) for each in fields.objects("tariff_alt_text", TEXTS_MAX)),
        url=fields.text("tariff_alt_url", blank_is_absent=True),
    )
    _check_limits(fields, tariff)
    faults.check("the tariff")
    return tariff


def _text(fields: Fields) -> TariffText:
    language, text = fields.text("language", required=True), fields.text("text", required=True)
    return TariffText(language or "", text or "")


def _taxes(fields: Fields, version: OcpiVersion) -> TaxIncluded:
    said = fields.word("tax_included", TaxIncluded, required=version is OcpiVersion.V230)
    if version is OcpiVersion.V221 and said not in (None, TaxIncluded.NO):
        fields.fault("tax_included", "is of OCPI 2.3.0: 2.2.1 has prices without VAT only")
    return said or TaxIncluded.NO


def _element(fields: Fields) -> TariffElement:
    components = tuple(
        part
        for each in fields.objects("price_components", COMPONENTS_MAX, required=True)
        if (part := _component(each)) is not None
    )
    restrictions = fields.object("restrictions")
    return TariffElement(components, None if restrictions is None else _restriction(restrictions))


def _component(fields: Fields) -> PriceComponent | None:
    fields.only(("type", "price", "vat", "step_size"))
    dimension = fields.word("type", TariffDimension, required=True)
    price = fields.number("price", required=True)
    vat_percent = fields.number("vat", least=0, most=100)
    step_size = fields.whole("step_size")
    if step_size is not None and step_size > STEP_MAX:
        fields.fault("step_size", f"must be at most {STEP_MAX}")
    if dimension is None or price is None:
        return None
    if dimension is TariffDimension.FLAT:
        step_size = 0
    return PriceComponent(dimension, price, vat_percent, 1 if step_size is None else step_size)


def _restriction(fields: Fields) -> Restriction:
    names = (
        *("start_time", "end_time", "start_date", "end_date", "day_of_week", "reservation"),
        *("min_kwh", "max_kwh", "min_current", "max_current", "min_power", "max_power"),
        *("min_duration", "max_duration"),
    )
    fields.only(names)
    restriction = Restriction(
        start_time=fields.matching("start_time", _TIME, "13:30"),
        end_time=fields.matching("end_time", _TIME, "19:45 (00:00 is the end of the day)"),
        start_date=_date(fields, "start_date"),
        end_date=_date(fields, "end_date"),
        min_kwh=fields.number("min_kwh", least=0),
        max_kwh=fields.number("max_kwh", least=0),
        min_current_a=fields.number("min_current"),
        max_current_a=fields.number("max_current"),
        min_power_kw=fields.number("min_power"),
        max_power_kw=fields.number("max_power"),
        min_duration_s=fields.whole("min_duration"),
        max_duration_s=fields.whole("max_duration"),
        days=fields.words("day_of_week", DayOfWeek),
        reservation=fields.word("reservation", ReservationRestriction),
    )
    return restriction


def _date(fields: Fields, name: str) -> str | None:
    text = fields.matching(name, _DATE, "2026-12-24")
    if text is None:
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        fields.fault(name, f"is no day of the calendar: {text}")
        return None
    return text


def _limit(fields: Fields, name: str, version: OcpiVersion) -> PriceLimit | None:
    limit = fields.object(name)
    if limit is None:
        return None
    net_name, gross_name = LIMIT_NAMES[version]
    limit.only((net_name, gross_name))
    net, gross = limit.number(net_name), limit.number(gross_name)
    if not (limit.has(net_name) or limit.has(gross_name)):
        limit.fault(net_name, "is missing")
    return PriceLimit(net, gross)


def _check_limits(fields: Fields, tariff: Tariff) -> None:
    least, most = tariff.min_price, tariff.max_price
    if least is None or most is None:
        return
    pairs: tuple[tuple[Decimal | None, Decimal | None], ...]
    pairs = ((least.net, most.net), (least.gross, most.gross))
    if any(low is not None and high is not None and low > high for low, high in pairs):
        fields.fault("min_price", "is above max_price")
