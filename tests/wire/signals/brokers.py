"""A broker of a test's own: Mosquitto with a password and, if wanted, TLS, that can be stopped."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support import eventually, unused_port

USER, PASSWORD = "site", "s3cret"
_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"


@dataclass(slots=True)
class Broker:
    """Its port and process."""

    port: int
    directory: Path
    tls: bool
    process: "asyncio.subprocess.Process | None" = None

    async def start(self) -> None:
        server = shutil.which("mosquitto", path=_FOLDERS)
        assert server is not None
        self.process = await asyncio.create_subprocess_exec(
            server,
            "-c",
            str(self.directory / "mosquitto.conf"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await eventually(self._answers)

    async def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process = None

    async def say(self, topic: str, payload: str, **options: Any) -> None:
        """Publish one message."""
        async with self.client() as client:
            await client.publish(topic, payload, qos=1, **options)

    def client(self, **options: Any) -> aiomqtt.Client:
        trust = None
        if self.tls:
            trust = ssl.create_default_context(cafile=self.directory / "ca.pem")
        return aiomqtt.Client(
            "127.0.0.1", self.port, username=USER, password=PASSWORD, tls_context=trust, **options
        )

    async def _answers(self) -> bool:
        with contextlib.suppress(aiomqtt.MqttError):
            async with self.client():
                return True
        return False


@contextlib.asynccontextmanager
async def broker(directory: Path, *, tls: bool = False) -> AsyncIterator[Broker]:
    """Started; skips the test where there is no Mosquitto."""
    maker = shutil.which("mosquitto_passwd", path=_FOLDERS)
    if shutil.which("mosquitto", path=_FOLDERS) is None or maker is None:
        pytest.skip("no Mosquitto on this machine")
    made = Broker(unused_port(), directory, tls)
    passwords = directory / "passwords"
    command = (maker, "-b", "-c", str(passwords), USER, PASSWORD)
    making = await asyncio.create_subprocess_exec(*command)
    assert await making.wait() == 0
    lines = [f"listener {made.port} 127.0.0.1", "allow_anonymous false", "user root"]
    lines += [f"password_file {passwords}"]
    if tls:
        _certify(directory)
        lines += [f"certfile {directory}/ca.pem", f"keyfile {directory}/key.pem"]
    (directory / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def _certify(directory: Path) -> None:
    """A certificate that signs itself, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (directory / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
