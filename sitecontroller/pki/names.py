"""What stations may call this PC: its host name and the addresses of its networks, and what an
installer adds. A server certificate stands for all of them.
"""

import ipaddress
import socket
import struct
import sys

from sitecontroller.pki.certificates import ServerNames

EVERYWHERE = ("", "0.0.0.0", "::")
INTERFACES_MAX = 32
NAMES_MAX = 20
_SIOCGIFADDR = 0x8915
_ROUTES_OUT = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses of documentation's own networks: nothing is sent, the system names its source."""


def server_names(bound: str, also: tuple[str, ...]) -> ServerNames:
    """The names for a server bound to `bound`; `also` come first, so the first of them is the
    common name. Asks the system only, never the network."""
    hosts = [name.casefold() for name in also if not _is_address(name)]
    addresses = [str(ipaddress.ip_address(name)) for name in also if _is_address(name)]
    hosts += [socket.gethostname().casefold().rstrip("."), "localhost"]
    addresses += _own_addresses() if bound in EVERYWHERE else [bound] if _is_address(bound) else []
    addresses.append("127.0.0.1")
    return ServerNames(
        tuple(dict.fromkeys(host for host in hosts if _is_host(host)))[:NAMES_MAX],
        tuple(dict.fromkeys(addresses))[:NAMES_MAX],
    )


def covers(has: ServerNames, needs: ServerNames) -> bool:
    """Whether a certificate for `has` will do."""
    return set(needs.hosts) <= set(has.hosts) and set(needs.addresses) <= set(has.addresses)


def _own_addresses() -> list[str]:
    found = []
    for family, outside in _ROUTES_OUT:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((outside, 9))
                found.append(str(probe.getsockname()[0]))
            except OSError:
                continue
    return found + _interface_addresses()


def _interface_addresses() -> list[str]:
    """A PC at a car park often has a second network, that of the chargers."""
    if sys.platform != "linux":
        return []
    import fcntl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex()[:INTERFACES_MAX]:
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
            except OSError:
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_host(name: str) -> bool:
    return name.isascii() and 0 < len(name) <= 64 and all(c.isalnum() or c in "-._" for c in name)
