"""`[files]` of site.toml: firmware for stations and logs of theirs."""

from dataclasses import dataclass

from sitecontroller.config.table import Table


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Firmware for stations and logs of theirs. `host` "": as for OCPP; a port of 0: any free one.

    `public_url`: what stations are told instead of this PC's address. `firmware_urls`: below what
    URLs firmware may be taken from elsewhere; none: nowhere but the library.
    """

    host: str = ""
    http_port: int = 0
    https_port: int = 0
    ftp: bool = True
    ftp_port: int = 0
    ftps_port: int = 0
    passive_ports: range | None = None
    public_url: str = ""
    quota_mb: int = 4000
    log_mb_max: int = 200
    firmware_mb_max: int = 1000
    keep_days: int = 90
    firmware_urls: tuple[str, ...] = ()


def read_files(table: Table) -> FileSettings:
    """`[files]`."""
    pattern = r"(?:http://[^/\s@?#]+(?:/[^\s@?#]*)?)?"
    return FileSettings(
        host=table.text("host", ""),
        http_port=table.integer("http_port", 0, low=0, high=65535),
        https_port=table.integer("https_port", 0, low=0, high=65535),
        ftp=table.flag("ftp", default=True),
        ftp_port=table.integer("ftp_port", 0, low=0, high=65535),
        ftps_port=table.integer("ftps_port", 0, low=0, high=65535),
        passive_ports=_port_range(table),
        public_url=table.text("public_url", "", pattern=pattern),
        quota_mb=table.integer("quota_mb", 4000, low=10, high=1_000_000),
        log_mb_max=table.integer("log_mb_max", 200, low=1, high=100_000),
        firmware_mb_max=table.integer("firmware_mb_max", 1000, low=1, high=100_000),
        keep_days=table.integer("keep_days", 90, low=1, high=3650),
        firmware_urls=table.texts(
            "firmware_urls", pattern=r"(?:https?|ftps?)://[^/\s@?#]+/[^\s@?#]*"
        ),
    )


def _port_range(table: Table) -> range | None:
    text = table.text("ftp_passive_ports", "", pattern=r"(?:\d{1,5}-\d{1,5})?")
    if not text:
        return None
    low, high = map(int, text.split("-"))
    if not 1024 <= low <= high <= 65535:
        table.fault("ftp_passive_ports", f"'{text}' is no range of ports from 1024 to 65535")
        return None
    return range(low, high + 1)
