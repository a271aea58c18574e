"""Which of this PC's addresses a station reaches it by: a PC at a car park often has two networks,
and the chargers' one is rarely the one towards the internet.
"""

import socket

EVERYWHERE = ("", "0.0.0.0", "::")
ELSEWHERE = "192.0.2.1"
"""Documentation's own network: asks for the way out."""


def address_towards(station: str | None, bound: str) -> str:
    """The bound address, or the one this PC would send from to the station's.

    No packet goes out: the system is asked which way it would take.
    """
    if bound not in EVERYWHERE:
        return bound
    for target in (station, ELSEWHERE):
        found = None if not target else _source_address(target)
        if found is not None:
            return found
    return socket.gethostname()


def _source_address(target: str) -> str | None:
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address
