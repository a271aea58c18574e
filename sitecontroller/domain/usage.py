"""What a tariff is applied to: the periods of a session, with their energy and what the car did.

Periods needn't be split where a price changes; that is the work of `domain.pricing`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from sitecontroller.domain.errors import FieldError, InvalidInput


class PeriodState(StrEnum):
    """What is going on in a period. PAUSED: the site itself gives less than the car needs to
    charge, whatever the station's status says."""

    CHARGING = "CHARGING"
    PARKING = "PARKING"
    PAUSED = "PAUSED"
    RESERVATION = "RESERVATION"


@dataclass(frozen=True, slots=True)
class ChargingPeriod:
    """A stretch of time with one state. `energy_kwh` flows evenly over it.

    `current_a` is the sum over the phases; None, as for `power_kw`: unknown. `volume_hours`: the
    time that is priced instead of end less start, where a partner's CDR states rounded hours.
    """

    start_at: datetime
    end_at: datetime
    state: PeriodState = PeriodState.CHARGING
    energy_kwh: Decimal = Decimal(0)
    current_a: Decimal | None = None
    power_kw: Decimal | None = None
    volume_hours: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """All that a price depends on besides the tariff. `zone` is the site's; periods in any order.

    `reservation_expired`: no session followed the reservation. Raises InvalidInput where the
    periods contradict each other.
    """

    periods: tuple[ChargingPeriod, ...]
    zone: tzinfo = UTC
    reservation_expired: bool = False

    def __post_init__(self) -> None:
        faults = [*self._impossible(), *self._overlapping()]
        sessions = any(each.state is not PeriodState.RESERVATION for each in self.periods)
        if self.reservation_expired and sessions:
            message = "is true, but a session followed: only what is reserved may be listed"
            faults.append(FieldError("reservation_expired", message))
        if faults:
            said = "; ".join(f"{fault.field} {fault.message}" for fault in faults)
            raise InvalidInput(
                f"no price can follow from this session: {said}",
                remedy="Correct the periods that are named",
                errors=tuple(faults),
            )

    def _impossible(self) -> Iterable[FieldError]:
        for number, each in enumerate(self.periods):
            if each.end_at < each.start_at:
                yield FieldError(f"periods[{number}].end", "lies before its start")
            if each.energy_kwh < 0:
                yield FieldError(f"periods[{number}].energy_kwh", "is negative: nothing was sold")
            if each.volume_hours is not None and each.volume_hours < 0:
                yield FieldError(f"periods[{number}].volume_hours", "is negative")

    def _overlapping(self) -> Iterable[FieldError]:
        periods = self.periods
        order = sorted(range(len(periods)), key=lambda n: (periods[n].start_at, periods[n].end_at))
        for before, after in pairwise(order):
            if periods[after].start_at < periods[before].end_at:
                yield FieldError(f"periods[{after}].start", f"lies within periods[{before}]")


@dataclass(frozen=True, slots=True)
class UsageReading:
    """A moment of a session: `register_wh` as the meter stood (None: not read), and what holds
    from then on."""

    at: datetime
    register_wh: Decimal | None
    state: PeriodState = PeriodState.CHARGING
    current_a: Decimal | None = None
    power_kw: Decimal | None = None


def periods_of(readings: Iterable[UsageReading]) -> tuple[ChargingPeriod, ...]:
    """The periods between readings. Where the register wasn't read its energy is linear between
    the neighbouring readings; what they rose by is neither lost nor invented. Registers that fall
    raise InvalidInput."""
    ordered = sorted(readings, key=lambda each: each.at)
    energies_kwh = [Decimal(0)] * max(0, len(ordered) - 1)
    read = [n for n, each in enumerate(ordered) if each.register_wh is not None]
    for first, last in pairwise(read):
        _spread(ordered, first, last, energies_kwh)
    return tuple(
        ChargingPeriod(
            before.at, after.at, before.state, energy_kwh, before.current_a, before.power_kw
        )
        for (before, after), energy_kwh in zip(pairwise(ordered), energies_kwh, strict=True)
    )


def _spread(readings: list[UsageReading], first: int, last: int, into: list[Decimal]) -> None:
    """What flowed between two read registers, over the periods between them."""
    begin, end = readings[first], readings[last]
    assert begin.register_wh is not None
    assert end.register_wh is not None
    left = (end.register_wh - begin.register_wh).scaleb(-3)
    if left < 0:
        raise InvalidInput(
            f"the register fell from {begin.register_wh} to {end.register_wh} Wh at {end.at}",
            remedy="Have a person look at the meter: a fallen register is no energy",
        )
    whole, whole_s = left, Decimal((end.at - begin.at).total_seconds())
    for number in range(first, last - 1):
        part_s = Decimal((readings[number + 1].at - readings[number].at).total_seconds())
        into[number] = (whole * part_s / whole_s) if whole_s else Decimal(0)
        left -= into[number]
    into[last - 1] = left
