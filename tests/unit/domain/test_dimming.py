"""What § 14a EnWG guarantees dimmed loads, by the table of the Bundesnetzagentur."""

import pytest

from sitecontroller.domain.dimming import guaranteed_w


@pytest.mark.parametrize(
    ("count", "power_w"),
    [
        (0, 0),
        (1, 4_200),
        (2, 7_560),
        (3, 10_500),
        (4, 13_020),
        (5, 15_120),
        (6, 16_800),
        (7, 18_060),
        (8, 18_900),
        (9, 19_320),
        (10, 21_210),
        (50, 96_810),
    ],
)
def test_so_many_dimmed_loads_may_take_so_much_together(count: int, power_w: float) -> None:
    assert guaranteed_w(count) == pytest.approx(power_w)
