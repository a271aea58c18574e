"""Stations whose meters say something else than what flows.

Joints: `register` (station, Wh, control), `samples` (station, samples, control), `payload`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sitecontroller.simulation import samples
from sitecontroller.simulation.control import EvseControl
from sitecontroller.simulation.samples import CURRENT, ENERGY, OFFERED, Sample
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

OFFERED_A = 90.0
OUTSIDE_EVERY_S = 30


class Registers:
    """Where each EVSE's register stood when its session began."""

    def __init__(self) -> None:
        self.began_wh: dict[int, int] = {}
        self.seconds = 0


def per_session_register(station: SimulatedStation, value: int, control: EvseControl) -> int:
    """Every session begins at 0."""
    began = station.part(Registers).began_wh
    if control.transaction is not None:
        began[control.evse.evse_id] = int(control.transaction.register_wh)
    return value - began.get(control.evse.evse_id, value)


def per_session_samples(
    station: SimulatedStation, taken: list[Sample], control: EvseControl
) -> list[Sample]:
    """The same in its samples."""
    return [
        replace(sample, value=per_session_register(station, int(sample.value), control))
        if sample.measurand == ENERGY
        else sample
        for sample in taken
    ]


def meter_reset(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """The register begins anew before the session ends."""
    if action == "StopTransaction":
        return {**payload, "meterStop": 3}
    if action == "TransactionEvent" and payload["eventType"] == "Ended":
        return _energies(payload, lambda _: 3)
    return payload


def kwh_as_wh(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Kilowatt-hours that call themselves watt-hours."""
    bent = _energies(payload, lambda value: round(value / 1000, 3))
    for name in ("meterStart", "meterStop"):
        if name in bent:
            bent[name] = bent[name] // 1000
    return bent


def _energies(payload: Payload, change: Any) -> Payload:
    """A copy with every energy register changed."""
    bent = dict(payload)
    bent["meterValue"] = [
        {**value, "sampledValue": [_energy(sample, change) for sample in value["sampledValue"]]}
        for value in payload.get("meterValue", ())
    ]
    if not bent["meterValue"]:
        del bent["meterValue"]
    return bent


def _energy(sample: dict[str, Any], change: Any) -> dict[str, Any]:
    if sample.get("measurand", ENERGY) != ENERGY:
        return sample
    changed = change(float(sample["value"]))
    return {**sample, "value": str(changed) if isinstance(sample["value"], str) else changed}


def bare_values(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Nothing but the register, without unit, context or name."""
    bent = dict(payload)
    if "meterValue" in payload:
        bent["meterValue"] = [
            {
                **value,
                "sampledValue": [
                    {"value": sample["value"]}
                    for sample in value["sampledValue"]
                    if sample.get("measurand") == ENERGY
                ]
                or value["sampledValue"][:1],
            }
            for value in payload["meterValue"]
        ]
    return bent


def padded_values(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Blanks around numbers, and empty ones (1.6)."""
    for sample in _sampled(payload):
        if isinstance(sample["value"], str):
            empty = sample.get("measurand") == samples.VOLTAGE
            sample["value"] = "" if empty else f"  {sample['value'].strip()} "
    return payload


def _sampled(payload: Payload) -> Iterator[dict[str, Any]]:
    for value in payload.get("meterValue", ()):
        yield from value["sampledValue"]


def interrupted_values(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Values of an interruption that never was, all of them 0."""
    if not payload.get("meterValue") or action == "StopTransaction":
        return payload
    first = payload["meterValue"][0]
    zeros = [
        {
            **sample,
            "value": "0" if isinstance(sample["value"], str) else 0,
            "context": "Interruption.Begin",
        }
        for sample in first["sampledValue"]
    ]
    return {**payload, "meterValue": [{**first, "sampledValue": zeros}, *payload["meterValue"]]}


def offers_constant(
    station: SimulatedStation, taken: list[Sample], control: EvseControl
) -> list[Sample]:
    """Current.Offered is 90 A, whatever it offers."""
    return [
        *(sample for sample in taken if sample.measurand != OFFERED),
        Sample(OFFERED, OFFERED_A),
    ]


def no_phases(station: SimulatedStation, taken: list[Sample], control: EvseControl) -> list[Sample]:
    """One current for all phases."""
    currents = [sample.value for sample in taken if sample.measurand == CURRENT]
    others = [sample for sample in taken if sample.measurand != CURRENT]
    return [*others, Sample(CURRENT, max(currents))] if currents else others


def values_outside(station: SimulatedStation, value: Any) -> None:
    """Meter values all the time, session or not."""
    kept = station.part(Registers)
    kept.seconds += 1
    if kept.seconds % OUTSIDE_EVERY_S == 0:
        for control in station.controls.values():
            station.dialect.send_aligned(control)
