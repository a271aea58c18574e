"""Contacts as they are read: on a bus beside a dead meter, on the lines of a serial port."""

import asyncio
from typing import Any

from sitecontroller.clock import SystemClock
from sitecontroller.domain.digital_input import Contact, DigitalInput, InputKind
from sitecontroller.domain.topology import Meter
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.inputs import InputPoller
from sitecontroller.modbus.poller import MeterPoller
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.modbus.fakes import Responder

WITHIN_S = 3.0
"""With a dead meter on the same line, and a second sample to confirm it."""


class Heard:
    """What a poller told, and by whom."""

    def __init__(self) -> None:
        self.closed: dict[str, list[bool]] = {}
        self.reasons: list[str] = []

    def sampled(self, input_id: str, *, closed: bool) -> bool:
        self.closed.setdefault(input_id, []).append(closed)
        return True

    def failed(self, input_id: str, reason: str) -> None:
        self.reasons.append(reason)

    def meter_measured(self, meter_id: str, reading: Any) -> None: ...
    def meter_failed(self, meter_id: str, reason: str, since_s: float | None = None) -> None: ...


class FakePort:
    """A serial port whose contacts lie between RTS or DTR and an input; a pty has no such lines."""

    def __init__(self) -> None:
        self.rts = self.dtr = False
        self.wired = True
        self.unplugged = False
        self.is_open = True

    def _line(self, output: bool) -> bool:
        if self.unplugged:
            raise OSError("Input/output error")
        return output and self.wired

    @property
    def cts(self) -> bool:
        return self._line(self.rts)

    @property
    def dsr(self) -> bool:
        return self._line(self.dtr)

    @property
    def cd(self) -> bool:
        return self._line(False)

    @property
    def ri(self) -> bool:
        return self._line(False)

    def close(self) -> None:
        self.is_open = False


def contact(url: str, input_id: str = "button", **more: Any) -> DigitalInput:
    return DigitalInput(input_id, input_id, InputKind.EMERGENCY, url, **more)


def play(run: Any, poller: InputPoller, story: Any) -> None:
    async def played() -> None:
        task = asyncio.create_task(poller.run())
        try:
            await story()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(played(), loop_factory=VirtualLoop)


def test_a_contact_is_read_in_time_beside_a_dead_meter_on_its_line(run: Any):
    async def story() -> None:
        module = Responder({1: {7: 0b100}})
        heard, buses, clock = Heard(), dict[str, Bus](), virtual_clock()
        async with module.on_tcp() as url:
            meters = MeterPoller([Meter("M1", "M1", "eastron-sdm630", url, 9)], clock, heard, buses)
            bit = contact(url, register="holding", address=7, bit=2)
            inputs = InputPoller([bit], clock, heard, buses)
            tasks = [asyncio.create_task(poller.run()) for poller in (meters, inputs)]
            await asyncio.sleep(5)
            module.registers[1][7] = 0
            seen = len(heard.closed["button"])
            await eventually(lambda: heard.closed["button"][seen:].count(False) >= 2, WITHIN_S)
            assert len(buses) == 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    run(story(), loop_factory=VirtualLoop)


def test_a_contact_of_a_module_that_lacks_the_register_is_unknown(run: Any):
    async def story() -> None:
        heard = Heard()
        async with Responder({1: {7: 0}}).on_tcp() as url:
            poller = InputPoller(
                [contact(url, register="coil", address=1)], SystemClock(), heard, {}
            )
            task = asyncio.create_task(poller.run())
            await eventually(lambda: heard.reasons)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert heard.closed == {}
        assert "no such register" in heard.reasons[0]

    run(story())


def test_two_contacts_hang_on_the_lines_of_one_serial_port(run: Any):
    port, opened, heard = FakePort(), list[str](), Heard()

    def opens(device: str) -> FakePort:
        opened.append(device)
        return port

    url = "serial-line:///dev/ttyUSB0?line="
    contacts = [contact(url + "CTS", "button"), contact(url + "DCD", "door")]
    poller = InputPoller(contacts, SystemClock(), heard, {}, opens)

    async def story() -> None:
        await asyncio.sleep(2)
        assert opened == ["/dev/ttyUSB0"]
        assert heard.closed["button"][-1] is True
        assert heard.closed["door"][-1] is False
        port.wired = False
        await asyncio.sleep(1)
        assert heard.closed["button"][-1] is False

    play(run, poller, story)
    assert not port.is_open


def test_an_adapter_that_is_pulled_out_is_unknown_and_read_again_when_it_is_back(run: Any):
    ports, heard = [FakePort(), FakePort()], Heard()
    pulled, later = ports
    spare = iter(ports)
    line = contact("serial-line:///dev/ttyUSB0?line=DSR")
    poller = InputPoller([line], SystemClock(), heard, {}, lambda device: next(spare))

    async def story() -> None:
        await asyncio.sleep(1)
        pulled.unplugged = True
        await asyncio.sleep(2)
        assert heard.reasons
        assert not pulled.is_open
        assert later.is_open
        assert heard.closed["button"][-1] is True

    play(run, poller, story)


def test_what_a_contact_shows_is_believed_at_the_second_sample():
    known = Contact(0.0).sampled(True, 0.0)
    assert known.closed is None
    known = known.sampled(True, 0.1)
    assert known.closed is True
    flicker = known.sampled(False, 0.2)
    assert (flicker.closed, flicker.is_settled) == (True, False)
    assert flicker.sampled(True, 0.3).sampled(False, 0.4).closed is True
    assert flicker.sampled(False, 0.3).closed is False


def test_a_sample_before_a_gap_confirms_none_after_it_and_in_the_end_nothing_is_known():
    known = Contact(0.0).sampled(True, 0.0).sampled(True, 0.5).sampled(False, 1.0)
    assert known.missed(2.0, 10.0).sampled(False, 3.0).closed is True
    assert known.missed(11.0, 10.0).closed is None
