"""How files get to and from stations: by which way, under which token and request id.

The way is chosen by what worked for the model before, by what the station says it has, then in the
file server's own order; a way that failed is not taken again for the same job.
"""

import secrets

from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.files import AskTransferSchemes, TransferScheme
from sitecontroller.ports import FileServer, StationLink
from sitecontroller.services.desk import Desk

REQUEST_ID_MAX = 2**31 - 1
SECURED = (TransferScheme.HTTPS, TransferScheme.FTPS)


class Transfers:
    """What log and firmware jobs share."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._server: FileServer | None = None
        # After a restart ids go on above the earlier ones: stations still speak of those.
        self._request_id = int(desk.clock.now().timestamp()) & 0x3FFFFFFF

    def open(self, server: FileServer) -> None:
        """From now on files can come and go."""
        self._server = server

    @property
    def ready(self) -> bool:
        """Whether the file server runs."""
        return self._server is not None

    @property
    def server(self) -> FileServer:
        """Raises OperatingError while there is none."""
        if self._server is None:
            raise OperatingError(
                "the file server does not run", remedy="Restart the controller; see its log"
            )
        return self._server

    def new_request_id(self) -> int:
        """Unique for as long as a station remembers."""
        self._request_id = self._request_id % REQUEST_ID_MAX + 1
        return self._request_id

    def new_token(self) -> str:
        """128 random bits: the door to one job's file."""
        return secrets.token_hex(16)

    def url(self, station_id: str, token: str, scheme: TransferScheme, file_name: str = "") -> str:
        """What the station is told; under the address at which it can reach us."""
        state = self._desk.stations.state(station_id)
        address = None if state is None else state.address
        return self.server.url(token, scheme, file_name, address)

    async def schemes_for(
        self, link: StationLink, purpose: str, tried: tuple[TransferScheme, ...] = ()
    ) -> tuple[TransferScheme, ...]:
        """Ways that may work, best first; none when all were tried."""
        ours = [scheme for scheme in self.server.schemes if scheme not in tried]
        known = await self._desk.stations.remembered(self._fact(link.station_id, purpose))
        said = [] if known in ours or not ours else await self._said(link)
        wanted = [scheme for scheme in ours if scheme.value in said] if said else ours
        if said and not wanted and not tried:
            wanted = ours  # it names none of ours: trying costs little
        # A station whose link is under TLS trusts our root: its files need not go in the clear.
        is_secured = (self._desk.stations.guard.profile_now(link.station_id) or 0) >= 2
        return tuple(
            sorted(wanted, key=lambda s: (s.value != known, is_secured and s not in SECURED))
        )

    async def worked(self, station_id: str, purpose: str, scheme: TransferScheme) -> None:
        """Remember for the model that a file went this way."""
        await self._desk.stations.remember(self._fact(station_id, purpose), scheme.value)

    async def _said(self, link: StationLink) -> list[str]:
        try:
            answer = await link.ask(AskTransferSchemes())
        except OperatingError:
            return []
        return [str(name).casefold() for name in answer.body.get("schemes", ())]

    def _fact(self, station_id: str, purpose: str) -> str:
        state = self._desk.stations.state(station_id)
        boot = None if state is None else state.record.boot
        if boot is None:
            return f"file-transfer:{purpose}:{station_id}"
        model = f"{boot.vendor.strip()}/{boot.model.strip()}".casefold()
        return f"file-transfer:{purpose}:{model}"
