"""[[limit_sources]] of site.toml: read, and every fault named with its key and the remedy."""

from datetime import time
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.config import HttpSignal, SiteConfig, WindowsSignal, parse_config
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.limit_source import LimitSource
from sitecontroller.domain.lpc import LimitValue, Terms
from sitecontroller.domain.topology import HIGHEST_V, NOMINAL_V
from sitecontroller.domain.windows import WeeklyWindow

HTTP: dict[str, Any] = {"id": "dso", "kind": "http", "url": "https://dso.example/limit"}
MQTT: dict[str, Any] = {"id": "m", "kind": "mqtt", "host": "h", "topic": "t"}
WINDOWS: dict[str, Any] = {
    "id": "tariff",
    "kind": "windows",
    "windows": ["Mo-Fr 17:00-20:00"],
    "dimmed_w": 20_000,
}


def parsed(*sources: dict[str, Any], base_dir: Path = Path("site")) -> SiteConfig:
    return parse_config(
        {
            "circuits": [{"id": "main", "limit_a": 63}],
            "stations": [{"id": "CP-01", "circuit": "main", "evses": [{}, {}, {}]}],
            "groups": [{"id": "boxes", "evses": ["CP-01"]}],
            "limit_sources": list(sources),
        },
        base_dir=base_dir,
    )


def test_a_source_limits_the_main_circuit_for_the_grid_operator_and_is_watched() -> None:
    (source,) = parsed(HTTP).limit_sources
    assert (source.source_id, source.source) == ("dso", LimitSource.GRID_OPERATOR)
    assert (source.circuit_id, source.group_id) == ("main", None)
    assert (source.terms, source.voltage_v) == (Terms(120.0), HIGHEST_V)
    assert isinstance(source.signal, HttpSignal)


def test_a_failsafe_limit_is_said_in_watts_or_amperes_and_may_end() -> None:
    more = {"failsafe_w": 4200, "failsafe_for_s": 7200, "heartbeat_s": 60}
    (source,) = parsed({**HTTP, **more}).limit_sources
    assert source.terms == Terms(60.0, LimitValue(4200.0), 7200.0)


def test_windows_are_days_and_local_times() -> None:
    texts = ["Mo-Fr 17:00-20:00", "Sa,Su 22:00-06:00", "Fr-Mo 00:00-00:00"]
    (source,) = parsed({**WINDOWS, "windows": texts}).limit_sources
    assert source.source is LimitSource.TARIFF
    assert source.signal == WindowsSignal(
        (
            WeeklyWindow(frozenset(range(5)), time(17), time(20)),
            WeeklyWindow(frozenset({5, 6}), time(22), time(6)),
            WeeklyWindow(frozenset({4, 5, 6, 0}), time(0), time(0)),
        ),
        LimitValue(20_000.0),
    )


def test_dimming_keeps_the_minimum_that_paragraph_14a_guarantees_a_group() -> None:
    (source,) = parsed({**HTTP, "group": "boxes", "minimum_w_each": 4200}).limit_sources
    assert isinstance(source.signal, HttpSignal)
    assert source.signal.reading.dimmed == LimitValue(pytest.approx(10_500))
    assert source.voltage_v == NOMINAL_V


@pytest.mark.parametrize(
    ("source", "key", "words"),
    [
        ({"id": "x"}, "kind", "is missing"),
        ({**HTTP, "kind": "fax"}, "kind", "does not fit; allowed: http"),
        ({"id": "x", "kind": "http"}, "url", "is missing"),
        ({**HTTP, "url": "ftp://x"}, "url", "allowed: https?://"),
        ({**HTTP, "id": "a b"}, "id", "does not fit"),
        ({**HTTP, "source": "ATTENDANT"}, "source", "does not fit"),
        ({**HTTP, "circuit": "attic"}, "circuit", "write one of [[circuits]]"),
        ({**HTTP, "group": "attic"}, "group", "write one of [[groups]]"),
        ({**HTTP, "circuit": "main", "group": "boxes"}, "group", "write one of them"),
        ({**HTTP, "poll_s": 61}, "poll_s", "at most half of heartbeat_s, 60"),
        ({**HTTP, "failsafe_for_s": 7200}, "failsafe_for_s", "write failsafe_w or failsafe_a"),
        ({**HTTP, "failsafe_w": -1}, "failsafe_w", "outside 0 to"),
        ({**HTTP, "minimum_w_each": 4200}, "minimum_w_each", "write group ="),
        ({**HTTP, "dimmed_w": 1, "dimmed_a": 1}, "dimmed_a", "write one of them"),
        ({**HTTP, "dimmed_w": 1, "unit": "kW"}, "unit", "is for values"),
        ({**HTTP, "token_file": "none"}, "token_file", "there is no file"),
        ({**HTTP, "pol_s": 5}, "pol_s", "misspelt"),
        ({"id": "m", "kind": "mqtt", "topic": "t"}, "host", "is missing"),
        ({**MQTT, "topic": "a/#"}, "topic", "does not fit"),
        (
            {**MQTT, "ca_file": "."},
            "ca_file",
            "tls =",
        ),
        (
            {**MQTT, "password_env": "X"},
            "username",
            "is missing",
        ),
        (
            {**MQTT, "contact": "connection", "heartbeat_topic": "t"},
            "heartbeat_topic",
            'needs contact = "messages"',
        ),
        (
            {"id": "v", "kind": "openadr3", "url": "https://vtn", "client_id": "x"},
            "client_id",
            "write both",
        ),
        (
            {"id": "b", "kind": "modbus", "url": "tcp://h:502", "register": "coil/1"},
            "dimmed_w",
            "write what on means",
        ),
        (
            {"id": "b", "kind": "modbus", "url": "tcp://h:502", "register": "3x100"},
            "register",
            "does not fit",
        ),
        ({**WINDOWS, "windows": ["Mo 25:00-26:00"]}, "windows", 'write "Mo-Fr 17:00-20:00"'),
        ({**WINDOWS, "windows": ["Mon 17:00-20:00"]}, "windows", "is no window"),
        ({"id": "t", "kind": "windows", "dimmed_w": 1}, "windows", "is missing"),
        ({"id": "t", "kind": "windows", "windows": ["Mo 17:00-20:00"]}, "dimmed_w", "dimmed_a"),
        ({**WINDOWS, "id": "input-gate"}, "id", "[[inputs]]"),
    ],
)
def test_a_fault_names_its_key_and_what_to_do(source: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parsed(source)
    faults = {fault.field.rpartition(".")[2]: fault.message for fault in refusal.value.errors}
    assert list(faults) == [key]
    assert words in faults[key]


def test_two_sources_need_two_ids() -> None:
    with pytest.raises(ConfigurationError, match="'dso' is used twice"):
        parsed(HTTP, HTTP)
