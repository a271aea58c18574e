"""`[[inputs]]` of site.toml: what each key means, and what is refused with its remedy."""

from pathlib import Path
from typing import Any

import pytest

from sitecontroller.config import parse_config
from sitecontroller.domain.digital_input import DigitalInput, InputKind, WhenLost
from sitecontroller.domain.errors import ConfigurationError

BUTTON = {
    "id": "button",
    "kind": "emergency",
    "url": "tcp://192.168.1.30:502",
    "register": "discrete/3",
}
DIMMING = {
    "id": "fre",
    "kind": "dimming",
    "url": "serial-line:///dev/ttyUSB0?line=CTS",
    "limit_w": 4200,
}


def read(*inputs: dict[str, Any]) -> tuple[DigitalInput, ...]:
    data = {
        "circuits": [{"id": "main", "limit_a": 63}],
        "stations": [{"id": "CP-01", "circuit": "main", "evses": [{}]}],
        "groups": [{"id": "cars", "evses": ["CP-01"]}],
        "inputs": list(inputs),
    }
    return parse_config(data, base_dir=Path("/")).inputs


def test_an_emergency_contact_rests_closed_and_a_dimming_one_open() -> None:
    button, dimming = read(BUTTON, {**DIMMING, "group": "cars"})
    assert (button.kind, button.rests_closed, button.when_lost) == (
        InputKind.EMERGENCY,
        True,
        WhenLost.ALARM,
    )
    assert (button.register, button.address, button.poll_s) == ("discrete", 3, 0.5)
    assert (dimming.rests_closed, dimming.group_id, dimming.limit_w) == (False, "cars", 4200)
    assert dimming.is_line


def test_a_bit_of_a_register_is_named_behind_a_dot() -> None:
    (button,) = read({**BUTTON, "register": "holding/40.12", "unit_id": 5})
    assert (button.register, button.address, button.bit, button.unit_id) == ("holding", 40, 12, 5)


@pytest.mark.parametrize(
    ("key", "faulty"),
    [
        ("register", {**BUTTON, "register": "holding/1.16"}),
        ("register", {**BUTTON, "register": "discrete/1.2"}),
        ("register", {key: BUTTON[key] for key in ("id", "kind", "url")}),
        ("url", {**DIMMING, "url": "serial-line:///dev/ttyUSB0?line=RTS"}),
        ("url", {**DIMMING, "url": "192.168.1.30"}),
        ("kind", {**BUTTON, "kind": "fire"}),
        ("poll_s", {**BUTTON, "poll_s": 5}),
        ("limit_a", {key: DIMMING[key] for key in ("id", "kind", "url")}),
        ("limit_w", {**BUTTON, "limit_w": 4200}),
        ("circuit", {**DIMMING, "circuit": "nowhere"}),
        ("group", {**DIMMING, "circuit": "main", "group": "cars"}),
    ],
)
def test_what_is_wrong_is_named(key: str, faulty: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"inputs\[[a-z]+\]\.{key}"):
        read(faulty)


def test_two_inputs_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="used twice"):
        read(BUTTON, BUTTON)
