"""The same doors under TLS: https, ftps from the first byte, and FTP that asks for it."""

import asyncio
import contextlib
import ftplib
import io
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from sitecontroller.domain.files import TransferScheme
from sitecontroller.ports import FileArrived, FileFetched
from tests.support import eventually
from tests.unit.fileserver.doors import doors

CONTENT = bytes(range(256)) * 1000


class ImplicitFtp(ftplib.FTP_TLS):
    """TLS from the first byte, as libcurl does for ftps://."""

    def connect(self, host: str = "", port: int = 0, *_: Any, **__: Any) -> str:  # type: ignore[override]
        self.host, self.port = host, port
        line = socket.create_connection((host, port), 10)
        self.sock = self.context.wrap_socket(line, server_hostname=host)
        self.af, self.file = self.sock.family, self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


def certificate_file(folder: Path) -> Path:
    """Key and certificate of 127.0.0.1 in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return file


def trust_in(file: Path) -> ssl.SSLContext:
    """A client that believes that certificate alone."""
    return ssl.create_default_context(cafile=str(file))


def test_q56_a_log_comes_and_firmware_goes_by_https(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    file = certificate_file(tmp_path)

    async def scenario() -> None:
        async with (
            doors(tmp_path, tls=file) as door,
            httpx.AsyncClient(verify=trust_in(file)) as client,
        ):
            url = door.upload(TransferScheme.HTTPS)
            assert url.startswith("https://127.0.0.1:")
            assert (await client.put(url + "diag.log", content=CONTENT)).status_code == 200
            events = await eventually(lambda: door.told)
            assert isinstance(events[0], FileArrived)
            assert events[0].scheme is TransferScheme.HTTPS
            wanted = await door.download(CONTENT, TransferScheme.HTTPS)
            assert (await client.get(wanted)).content == CONTENT

    run(scenario())


@pytest.mark.parametrize("client_class", [ftplib.FTP_TLS, ImplicitFtp])
def test_q56_a_log_comes_and_firmware_goes_by_ftps(
    run: Callable[..., Any], tmp_path: Path, client_class: type[ftplib.FTP_TLS]
) -> None:
    file = certificate_file(tmp_path)
    at_once = client_class is ImplicitFtp
    scheme = TransferScheme.FTPS if at_once else TransferScheme.FTP

    def logged_in(url: str) -> ftplib.FTP_TLS:
        parts = urlsplit(url)
        client = client_class(context=trust_in(file))
        client.connect(parts.hostname or "", parts.port or 0)
        if not at_once:
            client.auth()
        client.login(parts.username or "", parts.password or "", secure=False)
        client.prot_p()
        return client

    def station(upload: str, download: str) -> bytes:
        found = io.BytesIO()
        with logged_in(upload) as client:
            client.storbinary("STOR diag.log", io.BytesIO(CONTENT))
        with logged_in(download) as client:
            client.retrbinary("RETR fw.bin", found.write)
        return found.getvalue()

    async def scenario() -> None:
        async with doors(tmp_path, tls=file) as door:
            urls = door.upload(scheme), await door.download(CONTENT, scheme)
            assert urls[0].startswith(f"{scheme}://")
            assert await asyncio.to_thread(station, *urls) == CONTENT
            await eventually(lambda: [type(e) for e in door.told] == [FileArrived, FileFetched])
            assert isinstance(door.told[0], FileArrived)
            assert await door.content(door.told[0].file.name) == CONTENT
            assert {event.scheme for event in door.told} == {scheme}

    run(scenario())


def test_a_renewed_certificate_is_shown(run: Callable[..., Any], tmp_path: Path) -> None:
    file = certificate_file(tmp_path)
    old = trust_in(file)

    def shown(scheme: TransferScheme, port: int, trust: ssl.SSLContext) -> bool:
        try:
            line = socket.create_connection(("127.0.0.1", port), 5)
            trust.wrap_socket(line, server_hostname="127.0.0.1").close()
        except ssl.SSLError:
            return False
        return True

    async def scenario() -> None:
        async with doors(tmp_path, tls=file) as door:
            certificate_file(tmp_path)
            os.utime(file, (1, 1))
            await door.server.renew()
            for scheme in (TransferScheme.HTTPS, TransferScheme.FTPS):
                port = door.server.ports[scheme]
                assert await asyncio.to_thread(shown, scheme, port, trust_in(file))
                assert not await asyncio.to_thread(shown, scheme, port, old)

    run(scenario())


def test_without_a_certificate_only_the_clear_doors_open(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path, tls=tmp_path / "server.pem") as door:
            assert door.server.schemes == (TransferScheme.HTTP, TransferScheme.FTP)
            file = tmp_path / "server.pem"
            file.write_text("half a file")
            await door.server.renew()
            assert door.server.schemes == (TransferScheme.HTTP, TransferScheme.FTP)
            os.utime(certificate_file(tmp_path), (1, 1))
            await door.server.renew()
            assert set(door.server.schemes) == set(TransferScheme)
            url = door.upload(TransferScheme.HTTPS)
            async with httpx.AsyncClient(verify=trust_in(file)) as client:
                assert (await client.put(url, content=CONTENT)).status_code == 200
        async with doors(tmp_path, tls=certificate_file(tmp_path)) as door:
            assert set(door.server.schemes) == set(TransferScheme)
        async with doors(tmp_path, ftp=False) as door:
            assert door.server.schemes == (TransferScheme.HTTP,)

    run(scenario())


def test_rubbish_on_a_tls_port_harms_nobody(run: Callable[..., Any], tmp_path: Path) -> None:
    file = certificate_file(tmp_path)

    async def scenario() -> None:
        async with doors(tmp_path, tls=file) as door:
            for scheme in (TransferScheme.HTTPS, TransferScheme.FTPS):
                for rubbish in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 99):
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", door.server.ports[scheme]
                    )
                    writer.write(rubbish)
                    with contextlib.suppress(ConnectionError):
                        await asyncio.wait_for(reader.read(), 15)
                    writer.close()
            async with httpx.AsyncClient(verify=trust_in(file)) as client:
                url = door.upload(TransferScheme.HTTPS)
                assert (await client.put(url, content=CONTENT)).status_code == 200

    run(scenario())
