"""Makes the sources that site.toml names."""

from collections.abc import Awaitable, Callable, Iterator
from zoneinfo import ZoneInfo

from sitecontroller.config import HttpSignal, ModbusSignal, MqttSignal, OpenAdrSignal, SiteConfig
from sitecontroller.ports import Clock, RegisterValue, SignalListener
from sitecontroller.signals.http import HttpSource
from sitecontroller.signals.modbus import ModbusSource
from sitecontroller.signals.mqtt import MqttSource
from sitecontroller.signals.openadr import OpenAdrSource
from sitecontroller.signals.windows import WindowsSource

Work = Callable[[], Awaitable[None]]


def sources_of(
    config: SiteConfig,
    clock: Clock,
    listener: SignalListener,
    register: Callable[[str, ModbusSignal], RegisterValue],
) -> Iterator[tuple[str, Work]]:
    """The id of each and what runs it until cancelled. `register` makes a source's register, or
    raises ConfigurationError."""
    for settings in config.limit_sources:
        source_id, signal = settings.source_id, settings.signal
        if isinstance(signal, HttpSignal):
            yield source_id, HttpSource(source_id, signal, listener).run
        elif isinstance(signal, ModbusSignal):
            value = register(source_id, signal)
            yield source_id, ModbusSource(source_id, signal, value, listener).run
        elif isinstance(signal, MqttSignal):
            heartbeat_s = settings.terms.heartbeat_s
            yield source_id, MqttSource(source_id, signal, heartbeat_s, clock, listener).run
        elif isinstance(signal, OpenAdrSignal):
            seed = f"{config.site_id}/{source_id}"
            yield source_id, OpenAdrSource(source_id, signal, seed, clock, listener).run
        else:
            zone = ZoneInfo(config.time_zone)
            yield source_id, WindowsSource(source_id, signal, zone, clock, listener).run
