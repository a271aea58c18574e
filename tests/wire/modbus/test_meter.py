"""One meter over time: what is read when, installation, silence, missing registers, doubt."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sitecontroller.domain.errors import MeterFault, MeterTimeout
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Meter, PhaseMap
from sitecontroller.modbus.meter import BusMeter, connect_meters
from sitecontroller.modbus.model import meter_model
from sitecontroller.simulation.virtual_time import VirtualClock, VirtualLoop
from tests.wire.modbus.fakes import READING, Answer, Responder, meter_at

Run = Callable[..., Any]
Conversation = Callable[[BusMeter, Responder], Any]
SDM630, B23 = meter_model("eastron-sdm630"), meter_model("abb-b23")
FAST, SLOW = (0x00, 18), (0x34, 24)


@pytest.fixture
def with_meter(run: Run) -> Run:
    """`with_meter(conversation, **installed)`: an SDM630 on Modbus TCP, on virtual time."""

    def of(conversation: Conversation, **installed: Any) -> Any:
        async def main() -> Any:
            responder = Responder({1: dict(SDM630.encode(READING))})
            async with responder.on_tcp() as url:
                meter = meter_at(url, SDM630, VirtualClock(), **installed)
                try:
                    return await conversation(meter, responder)
                finally:
                    meter.close()

        return run(main(), loop_factory=VirtualLoop)

    return of


def show(responder: Responder, **changed: Any) -> None:
    """What the meter measures from now on."""
    responder.registers[1] = SDM630.encode(replace(READING, **changed))


def mute(responder: Responder) -> None:
    responder.twist = lambda *_: None


async def failures(meter: BusMeter, count: int) -> list[str]:
    reasons = []
    for _ in range(count):
        with pytest.raises((MeterTimeout, MeterFault)) as caught:
            await meter.read()
        reasons.append(str(caught.value))
        await asyncio.sleep(1)
    return reasons


def blocks(responder: Responder) -> list[tuple[int, int]]:
    return [(start, count) for _, _, start, count in responder.seen]


def test_energy_and_frequency_are_read_every_half_minute_only(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        for second in range(60):
            show(responder, voltage_v=(230.0 + second / 10, 231.0, 229.0))
            await meter.read()
            await asyncio.sleep(1)
        assert blocks(responder).count(FAST) == 60
        assert blocks(responder).count(SLOW) == 2

    with_meter(conversation)


def test_energy_is_kept_between_its_readings(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        await meter.read()
        assert (await meter.read()).energy_import_wh == READING.energy_import_wh
        assert blocks(responder) == [FAST, SLOW, FAST]

    with_meter(conversation)


def test_the_power_between_two_totals_is_the_sum_of_the_phases(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        await meter.read()
        show(responder, power_phase_w=(2200.0, 4700.0, -1000.0))
        assert (await meter.read()).power_w == 5900.0

    with_meter(conversation)


def test_phases_come_in_the_order_of_the_site(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, _: Responder) -> MeterReading:
        return await meter.read()

    reading = with_meter(conversation, phase_map=PhaseMap.parse("L2L3L1"))
    assert reading.current_a == (-5.0, 10.0, 20.5)
    assert reading.voltage_v == (229.0, 230.0, 231.0)
    assert reading.power_phase_w == (-1100.0, 2250.0, 4700.0)


def test_current_transformers_multiply_what_they_carry(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, _: Responder) -> MeterReading:
        return await meter.read()

    reading = with_meter(conversation, ct_ratio=50.0)
    assert reading.current_a == (500.0, 1025.0, -250.0)
    assert reading.power_w == 292_500.0
    assert reading.energy_import_wh == 61_700_000.0
    assert reading.voltage_v == READING.voltage_v


def test_a_meter_wired_the_other_way_round_swaps_import_and_export(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, _: Responder) -> MeterReading:
        return await meter.read()

    reading = with_meter(conversation, reversed=True)
    assert reading.current_a == (-10.0, -20.5, 5.0)
    assert reading.power_w == -5850.0
    assert reading.energy_import_wh == READING.energy_export_wh
    assert reading.energy_export_wh == READING.energy_import_wh


def test_a_dead_meter_is_asked_for_one_value_every_ten_seconds(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        mute(responder)
        await failures(meter, 3)
        responder.seen.clear()
        await failures(meter, 30)
        assert 2 <= len(responder.seen) <= 4
        assert set(blocks(responder)) == {(0x00, 2)}

    with_meter(conversation)


def test_a_dead_meter_that_answers_again_is_read_within_ten_seconds(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        mute(responder)
        await failures(meter, 5)
        responder.twist = None
        for second in range(11):
            try:
                reading = await meter.read()
            except MeterTimeout:
                await asyncio.sleep(1)
            else:
                assert second <= 10
                assert reading.current_a == READING.current_a
                return
        raise AssertionError("not read within 10 s")

    with_meter(conversation)


def test_the_reason_of_a_dead_meter_does_not_change_every_second(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        mute(responder)
        reasons = await failures(meter, 30)
        assert len(set(reasons[3:])) == 1

    with_meter(conversation)


def test_a_dead_neighbour_costs_a_live_meter_no_sample(run: Run) -> None:
    """Two meters behind one gateway, the first dead: the second still has one sample a second."""

    async def main() -> int:
        clock = VirtualClock()
        responder = Responder({2: SDM630.encode(READING)})
        async with responder.on_tcp(rtu=True) as url:
            dead, alive = connect_meters(
                [Meter(f"M{unit}", "", SDM630.name, url, unit) for unit in (1, 2)], clock
            )
            await failures(dead, 3)
            late = 0
            for second in range(60):
                began_s = clock.monotonic_s()
                responder.registers[2] = SDM630.encode(
                    replace(READING, voltage_v=(230.0, 231.0, 225.0 + second / 10))
                )
                results = await asyncio.gather(dead.read(), alive.read(), return_exceptions=True)
                assert isinstance(results[0], MeterTimeout)
                assert isinstance(results[1], MeterReading)
                took_s = clock.monotonic_s() - began_s
                late += took_s > 0.2
                await asyncio.sleep(1 - took_s)
            alive.close()
            return late

    assert run(main(), loop_factory=VirtualLoop) == 0


def test_a_register_that_is_missing_is_left_out_and_not_asked_again(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        for address in (0x4A, 0x4B):
            del responder.registers[1][address]
        reading = await meter.read()
        assert reading.energy_export_wh is None
        assert reading.energy_import_wh == READING.energy_import_wh
        await asyncio.sleep(40)
        responder.seen.clear()
        await meter.read()
        assert all(start + count <= 0x4A for start, count in blocks(responder))

    with_meter(conversation)


def test_a_block_with_a_hole_is_read_in_parts(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        for address in range(0x36, 0x46):
            del responder.registers[1][address]
        reading = await meter.read()
        assert reading.power_w == READING.power_w
        assert reading.frequency_hz == READING.frequency_hz
        assert reading.energy_export_wh == READING.energy_export_wh

    with_meter(conversation)


def test_a_meter_without_a_current_is_the_wrong_model(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        for address in range(0x0C):
            del responder.registers[1][address]
        with pytest.raises(MeterFault, match=r"no register 0x0006.*is eastron-sdm630 its model"):
            await meter.read()

    with_meter(conversation)


def test_a_slow_block_that_fails_costs_only_its_own_values(with_meter: Run) -> None:
    def no_slow(unit: int, function: int, start: int, count: int, honest: Answer) -> Answer:
        return None if start >= 0x34 else honest

    async def conversation(meter: BusMeter, responder: Responder) -> None:
        responder.twist = no_slow
        reading = await meter.read()
        assert reading.current_a == READING.current_a
        assert reading.energy_import_wh is None

    with_meter(conversation)


def test_frozen_registers_are_no_sample_after_ten_seconds(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, _: Responder) -> None:
        for _second in range(10):
            await meter.read()
            await asyncio.sleep(1)
        with pytest.raises(MeterFault, match="frozen"):
            await meter.read()

    with_meter(conversation)


def test_registers_that_move_again_are_believed_at_once(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        for _second in range(10):
            await meter.read()
            await asyncio.sleep(1)
        with pytest.raises(MeterFault):
            await meter.read()
        show(responder, voltage_v=(230.1, 231.0, 229.0))
        assert (await meter.read()).voltage_v[0] == pytest.approx(230.1)

    with_meter(conversation)


def test_phases_that_do_not_add_up_to_the_total_are_doubted(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        show(responder, power_w=9000.0)
        await meter.read()
        await meter.read()
        with pytest.raises(MeterFault, match="add up to 5850 W"):
            await meter.read()
        show(responder, power_w=5850.0)
        await meter.read()

    with_meter(conversation)


def test_a_model_with_another_word_order_is_found_out(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        registers = responder.registers[1]
        for low in range(0x00, 0x4C, 2):
            if low in registers:
                registers[low], registers[low + 1] = registers[low + 1], registers[low]
        with pytest.raises(MeterFault, match="wrong model or word order"):
            await meter.read()

    with_meter(conversation)


def test_an_electrician_sees_even_what_can_not_be_true(with_meter: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        show(responder, frequency_hz=5.0)
        assert (await meter.sample()).frequency_hz == 5.0

    with_meter(conversation)
