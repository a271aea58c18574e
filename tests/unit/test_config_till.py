"""`[till.terminal]`: where the card terminal is and what its contract allows."""

from pathlib import Path
from typing import Any

import pytest

from sitecontroller.config.site import parse_config
from sitecontroller.config.till import TillSettings
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.payments.zvt.line import TerminalAddress


def read(terminal: dict[str, Any] | None) -> TillSettings:
    data: dict[str, Any] = {"circuits": [{"id": "main", "limit_a": 63}]}
    if terminal is not None:
        data["till"] = {"terminal": terminal}
    return parse_config(data, base_dir=Path("/")).till


def test_without_a_table_there_is_no_terminal() -> None:
    assert read(None).terminal is None


def test_an_address_is_enough() -> None:
    terminal = read({"url": "tcp://192.168.1.40"}).terminal
    assert terminal is not None
    assert (terminal.currency, terminal.password, terminal.preauthorize) == ("EUR", 0, frozenset())
    assert (terminal.t3_s, terminal.t4_s, terminal.refund) == (5.0, 180.0, True)


@pytest.mark.parametrize(
    ("url", "host", "port", "device", "baud_rate"),
    [
        ("tcp://terminal", "terminal", 20007, "", 9600),
        ("tcp://192.168.1.40:22000", "192.168.1.40", 22000, "", 9600),
        ("serial:/dev/ttyUSB0", "", 20007, "/dev/ttyUSB0", 9600),
        ("serial:/dev/ttyS1?baudrate=115200", "", 20007, "/dev/ttyS1", 115200),
    ],
)
def test_every_address_that_is_accepted_leads_somewhere(
    url: str, host: str, port: int, device: str, baud_rate: int
) -> None:
    terminal = read({"url": url}).terminal
    assert terminal is not None
    address = TerminalAddress.parse(terminal.url)
    found = (address.host, address.port, address.device, address.baud_rate)
    assert found == (host, port, device, baud_rate)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "192.168.1.40"),
        ("url", "serial:/dev/ttyS1?parity=E"),
        ("password", "12"),
        ("currency", "XXX"),
        ("currency", "CHF"),
        ("preauthorize", ["visa", "cash"]),
        ("t4_s", 2),
        ("colour", "blue"),
    ],
)
def test_what_is_wrong_is_named(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"till\.terminal\.{key}"):
        read({"url": "tcp://terminal", key: value})


def test_a_terminal_needs_an_address() -> None:
    with pytest.raises(ConfigurationError, match=r"till\.terminal\.url: is missing"):
        read({"password": "123456"})
