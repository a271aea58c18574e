"""Random faults by seed: no exposure below what a station lets flow, no command beyond the room.

Excess itself can't be nothing where a fifth of all calls is lost: a lost decrease takes 11 s to be
repeated. It stays small, and far from what trips a breaker.
"""

import pytest

from tests.unit.load.faulty import Faults, FaultySite, faulty_minutes
from tests.unit.load.site import play

OVER_AS_MAX = 60.0
"""In a quarter of an hour, over all circuit-phases."""
PEAK_MAX = 1.25
"""Of the limit, for the few seconds that the bound above leaves."""
LOSSES = Faults()
LIES = Faults(ignored=0.1)


def judge(site: FaultySite) -> None:
    assert not site.breaches, site.breaches[:3]
    verdict = site.judge.verdict()
    assert verdict.peak <= PEAK_MAX, str(verdict)
    assert site.over_as <= OVER_AS_MAX, f"{site.over_as:.1f} A·s: {verdict}"


@pytest.mark.parametrize("seed", [1, 3, 20, 210])
def test_lost_late_and_refused_answers_never_make_an_exposure_too_small(seed: int) -> None:
    judge(play(faulty_minutes(seed, LOSSES, minutes=15)))


@pytest.mark.parametrize("seed", [101, 302])
def test_stations_that_ignore_one_limit_in_ten_are_kept_within_bounds(seed: int) -> None:
    judge(play(faulty_minutes(seed, LIES, minutes=15)))


@pytest.mark.soak
@pytest.mark.parametrize("faults", [LOSSES, LIES], ids=["losses", "lies"])
@pytest.mark.parametrize("seed", range(1000, 1120))
def test_two_hundred_and_forty_quarters_of_an_hour_with_faults(seed: int, faults: Faults) -> None:
    judge(play(faulty_minutes(seed, faults, minutes=15)))
