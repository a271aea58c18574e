"""Files of a charger that is connected by TLS go by TLS too, whichever kind of key it knows."""

import asyncio
import io
import ssl
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support import eventually
from tests.unit.fileserver.test_tls_doors import ImplicitFtp
from tests.wire.files.station import (
    FIRMWARE,
    NEW,
    OLD,
    add_image,
    asked_url,
    boot,
    firmware_job_in,
    firmware_status,
    install,
    reboot,
    tells_protocols,
)
from tests.wire.security.site import box, certified, roots, secure_site
from tests.wire.security.test_profiles import SUITES


def fetched_by_ftps(url: str, context: ssl.SSLContext) -> bytes:
    parts, found = urlsplit(url), io.BytesIO()
    with ImplicitFtp(context=context) as client:
        client.connect(parts.hostname or "", parts.port or 0)
        client.login(parts.username or "", parts.password or "", secure=False)
        client.prot_p()
        client.retrbinary(f"RETR {parts.path}", found.write)
    return found.getvalue()


async def fetched(url: str, context: ssl.SSLContext) -> bytes:
    if url.startswith("ftps://"):
        return await asyncio.to_thread(fetched_by_ftps, url, context)
    async with httpx.AsyncClient(verify=context) as client:
        answer = await client.get(url)
        assert answer.status_code == 200
        return answer.content


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("scheme", ["https", "ftps"])
def test_a_charger_of_profile_3_fetches_its_firmware_by_tls(run, tmp_path, suite, scheme):
    """With one root and one of the four suites of A00.FR.318 only."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            async with box(site).connected(site) as charger:
                await box(site).boot(charger)  # tells its serial number
            made = certified(site, password=None, ciphers=suite, tls=(None, ssl.TLSVersion.TLSv1_2))
            made.trusted = [roots(site)["ECDSA" not in suite]]
            image = await add_image(site)
            async with made.connected(site) as charger:
                await boot(charger, OLD)
                await eventually(lambda: site.site.services.stations.link("CP-01"))
                if scheme == "ftps":
                    tells_protocols(charger, "FTPS,FTP")
                _, key = await install(site, image)
                url, request_id = asked_url(charger)
                assert url.startswith(f"{scheme}://")
                assert await fetched(url, made.context()) == FIRMWARE
                await firmware_status(
                    charger, "Downloading", "Downloaded", "Installing", request_id=request_id
                )
                await reboot(site, charger, NEW)
                await firmware_status(charger, "Installed", request_id=request_id)
                assert (await firmware_job_in(site, key, "installed")).version_after == NEW

    run(play())
