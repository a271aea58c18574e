"""Which device a USB adapter is now, by its serial number: names change with every plugging."""

from serial.tools import list_ports

from sitecontroller.domain.errors import MeterTimeout


def device_of(serial_number: str) -> str:
    """The device's present name, as /dev/ttyUSB1. Looks through the machine's ports (some ms).

    Raises MeterTimeout when no adapter has that number, or several have it.
    """
    ports = [port for port in list_ports.comports() if port.serial_number]
    found = [port for port in ports if port.serial_number.casefold() == serial_number.casefold()]
    if len(found) == 1:
        return str(found[0].device)
    if found:
        raise MeterTimeout(
            f"{len(found)} ports have the USB serial number '{serial_number}': "
            f"{', '.join(sorted(port.device for port in found))}",
            remedy="Write the one meant, by its path below /dev/serial/by-id",
        )
    there = ", ".join(sorted(f"{port.serial_number} ({port.device})" for port in ports))
    raise MeterTimeout(
        f"no USB adapter with the serial number '{serial_number}' is plugged in; "
        f"there are: {there or 'none'}"
    )
