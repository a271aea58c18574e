"""What the steps of one car's current say about wiring. Pure.

A car's limit goes down and up again; each time the phases of a meter that carry it move with it,
by as much. A step of the building's load hides some of these moves, so several are taken until the
picture is clear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from statistics import median

from sitecontroller.domain.topology import PHASE_NAMES, PHASES, PerPhase, PhaseMap

MOVES_MIN = 4
FOLLOWS_SHARE = 0.7
"""A phase that moves by so much of the car's step carries it."""
STILL_SHARE = 0.3
"""One that moves by less carries none of it."""
AGREE_SHARE = 0.75
"""So many of the moves must say the same. Loads that jump by up to twice the car's step at every
look would pass for wiring in 2 of 100 checks (by trial): `is_calm` leaves such moves out."""


class Part(IntEnum):
    """What a meter's phase did while the car's current moved."""

    STILL = 0
    FOLLOWED = 1
    TURNED = -1
    """It moved the other way: its current transformer is turned round."""


@dataclass(frozen=True, slots=True)
class Move:
    """A step of the car's current up or down, and by how much each phase of a meter went with it;
    A, all counted as if the car's current rose."""

    car_a: float
    meter_a: PerPhase


def is_calm(one: PerPhase, other: PerPhase, step_a: float) -> bool:
    """Whether nothing else moved a meter while the car kept still: two looks at it agree."""
    pairs = zip(one, other, strict=True)
    return all(a is None or b is None or abs(a - b) <= STILL_SHARE * abs(step_a) for a, b in pairs)


def part_of(moves: Sequence[Move], phase: int) -> Part | None:
    """What a phase did; None: not clear yet. One that the meter doesn't measure stood still."""
    shares = [a / move.car_a for move in moves if (a := move.meter_a[phase]) is not None]
    if len(moves) < MOVES_MIN:
        return None
    if not shares:
        return Part.STILL
    said = [_part(share) for share in shares]
    usual = _part(median(shares))
    if usual is None or said.count(usual) < AGREE_SHARE * len(said):
        return None
    return usual


def parts_of(moves: Sequence[Move]) -> tuple[Part, Part, Part] | None:
    """All three phases; None: not clear yet."""
    one, two, three = (part_of(moves, phase) for phase in PHASES)
    if one is None or two is None or three is None:
        return None
    return one, two, three


def _part(share: float) -> Part | None:
    if abs(share) <= STILL_SHARE:
        return Part.STILL
    if abs(share) < FOLLOWS_SHARE:
        return None
    return Part.FOLLOWED if share > 0 else Part.TURNED


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a clear picture says. `is_right` None: it can't be told from this car. `phases` is what
    to write for the EVSE, None: nothing."""

    is_right: bool | None
    findings: tuple[str, ...]
    phases: str | None = None
    turn_meter: bool = False
    """All its current transformers are turned round: a setting of the meter."""


def wiring_of(
    parts: tuple[Part, Part, Part], wired: PhaseMap, terminals: tuple[int, ...], meter: str
) -> Wiring:
    """`terminals` are those that the car uses, 0 for the charger's L1; `wired` as configured."""
    carrying = tuple(phase for phase in PHASES if parts[phase] is not Part.STILL)
    turned = tuple(phase for phase in carrying if parts[phase] is Part.TURNED)
    if not carrying:
        text = f"No phase of {meter} moved with the car: is this charger on that circuit?"
        return Wiring(False, (text,))
    said = _names(carrying)
    findings = [f"With the car's current moved {said} of {meter}"]
    if turned:
        these = _names(turned)
        findings.append(f"The current transformer of {these} of {meter} is turned round: it fell")
    if len(carrying) != len(terminals):
        findings.append(
            f"The car uses {len(terminals)} phases: a current transformer is missing or dead, or "
            "two sit on one conductor"
        )
        return Wiring(False, tuple(findings))
    placed = _placed(carrying, wired, terminals)
    turn_meter = bool(turned) and turned == carrying and len(carrying) == len(PHASES)
    if placed is None:
        findings.append(
            "A car on three phases loads them alike: all are wired and measured, but their order "
            "shows with a car on one phase only"
        )
        return Wiring(False if turned else None, tuple(findings), turn_meter=turn_meter)
    is_right, sentence, phases = placed
    findings.append(sentence)
    return Wiring(is_right and not turned, tuple(findings), phases)


def _placed(
    carrying: tuple[int, ...], wired: PhaseMap, terminals: tuple[int, ...]
) -> tuple[bool, str, str | None] | None:
    """Whether the terminals sit where site.toml has them, in words, and what to write; None: three
    phases show no order."""
    if len(carrying) == len(PHASES):
        return None
    expected = {wired.site_phases[terminal] for terminal in terminals}
    used = _names(terminals)
    if expected == set(carrying):
        return True, f"Its {used} sits on the site's {_names(carrying)}, as in site.toml", None
    first = _first(carrying)
    order = [(first - terminals[0] + number) % len(PHASES) for number in PHASES]
    phases = str(PhaseMap(tuple(order[: len(wired.site_phases)])))
    sentence = (
        f"Its {used} sits on the site's {_names(carrying)}, not on {_names(sorted(expected))}"
    )
    return False, sentence, phases


def _first(carrying: tuple[int, ...]) -> int:
    """Of two, the one that the other follows in a clockwise field."""
    if len(carrying) == 1:
        return carrying[0]
    one, two = carrying
    return one if (one + 1) % len(PHASES) == two else two


def _names(phases: Sequence[int]) -> str:
    return " and ".join(PHASE_NAMES[phase] for phase in phases)
