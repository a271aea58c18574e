"""Where a SunSpec device keeps its meter: the chain of models is walked from "SunS" to its end.

SunSpec Information Model Specification: the mark stands at 40000, 0 or 50000; after it each model
begins with its number and its length, and 0xFFFF ends them.
"""

from collections.abc import Awaitable, Callable, Container

from sitecontroller.domain.errors import MeterFault
from sitecontroller.modbus.connection import IllegalAddress

Read = Callable[[int, int], Awaitable[list[int]]]
"""Registers by start and count; raises MeterTimeout, MeterFault or IllegalAddress."""

FUNCTION = 3
BASES = (40000, 0, 50000)
MARK = [0x5375, 0x6E53]
END = 0xFFFF
MODELS_MAX = 64
"""A chain is not walked further: more would be noise."""


async def find_model(read: Read, wanted: Container[int]) -> tuple[int, int]:
    """(number, address of the number) of the first wanted model.

    Raises MeterTimeout when nothing answers, MeterFault when there is no such model.
    """
    for base in BASES:
        if await _mark(read, base) == MARK:
            return await _walk(read, base + len(MARK), wanted)
    raise MeterFault("it is no SunSpec device: no mark at 40000, 0 or 50000")


async def _mark(read: Read, base: int) -> list[int]:
    try:
        return await read(base, len(MARK))
    except (IllegalAddress, MeterFault):
        return []


async def _walk(read: Read, address: int, wanted: Container[int]) -> tuple[int, int]:
    seen: list[int] = []
    for _ in range(MODELS_MAX):
        if address > END - 1:
            break
        try:
            number, length = await read(address, 2)
        except IllegalAddress:
            break
        if number in wanted:
            return number, address
        if number == END:
            break
        seen.append(number)
        address += 2 + length
    raise MeterFault(f"its SunSpec models are {', '.join(map(str, seen)) or 'none'}: no meter")
