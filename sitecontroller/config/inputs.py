"""`[[inputs]]` of site.toml: dry contacts on Modbus modules or on a serial port's handshake lines.

An emergency contact rests closed, so that a cut wire stops the site; a dimming contact rests open.
"""

import re

from sitecontroller.config.table import Table
from sitecontroller.domain.digital_input import DigitalInput, InputKind, WhenLost
from sitecontroller.domain.topology import Topology

REGISTERS = ("coil", "discrete", "holding", "input")
_URL = r"(tcp|rtutcp)://[^\s/]+:\d+|serial:///?\S+|serial-line:///?[^\s?]+\?line=(CTS|DSR|DCD|RI)"
_REGISTER = r"(coil|discrete)/\d{1,5}|(holding|input)/\d{1,5}(\.\d{1,2})?"
BITS = 16


def read_inputs(root: Table, topology: Topology) -> tuple[DigitalInput, ...]:
    """All of them, in the order of the file."""
    inputs: dict[str, DigitalInput] = {}
    for table in root.tables("inputs"):
        contact = _input(table, topology)
        if contact.input_id in inputs:
            table.fault("id", f"'{contact.input_id}' is used twice")
        inputs[contact.input_id] = contact
    return tuple(inputs.values())


def _input(table: Table, topology: Topology) -> DigitalInput:
    kind = InputKind(table.text("kind", None, pattern="emergency|dimming") or "emergency")
    is_emergency = kind is InputKind.EMERGENCY
    url = table.text("url", None, pattern=_URL)
    register, address, bit = _register(table, url)
    rests = table.text("normally", "closed" if is_emergency else "open", pattern="closed|open")
    dims = not is_emergency
    contact = DigitalInput(
        input_id=table.text("id", None, pattern=r"[A-Za-z0-9_-]{1,30}"),
        name=table.text("name", table.peek("id")),
        kind=kind,
        url=url,
        unit_id=table.integer("unit_id", 1, low=0, high=255),
        register=register,
        address=address,
        bit=bit,
        rests_closed=rests == "closed",
        poll_s=table.number("poll_s", 0.5, low=0.1, high=0.5 if is_emergency else 60),
        lost_s=table.number("lost_s", 10.0, low=2, high=3600),
        when_lost=WhenLost(table.text("when_lost", "alarm", pattern="alarm|trigger") or "alarm"),
        circuit_id=table.optional_text("circuit") if dims else None,
        group_id=table.optional_text("group") if dims else None,
        limit_a=table.optional_per_phase("limit_a", low=0, high=6300) if dims else None,
        limit_w=table.optional_number("limit_w", low=0, high=10_000_000) if dims else None,
    )
    _check_place(table, contact, topology)
    table.no_more()
    return contact


def _register(table: Table, url: str) -> tuple[str, int, int]:
    """Kind, address from 0 and bit; a serial line has none."""
    if url.startswith("serial-line:"):
        return "", 0, 0
    text = table.text("register", None, pattern=_REGISTER)
    kind, _, place = text.partition("/")
    found = re.fullmatch(r"(\d+)(?:\.(\d+))?", place)
    if found is None:
        return "discrete", 0, 0
    address, bit = int(found[1]), int(found[2] or 0)
    if address > 0xFFFF or bit >= BITS:
        table.fault("register", f"'{text}' is beyond 65535, or its bit beyond {BITS - 1}")
    return kind, address, bit


def _check_place(table: Table, contact: DigitalInput, topology: Topology) -> None:
    if contact.kind is InputKind.EMERGENCY:
        return
    if contact.circuit_id is not None and contact.circuit_id not in topology.circuits:
        table.fault("circuit", f"no circuit has the id '{contact.circuit_id}'")
    if contact.group_id is not None and contact.group_id not in topology.groups:
        table.fault("group", f"no group has the id '{contact.group_id}'")
    if contact.circuit_id is not None and contact.group_id is not None:
        table.fault("group", "stands beside circuit: write one of them")
    if contact.limit_a is None and contact.limit_w is None:
        table.fault("limit_a", "is missing: write A per phase, or limit_w")
