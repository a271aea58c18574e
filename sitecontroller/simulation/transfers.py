"""Sending and fetching files as stations do: http, https, ftp and ftps, with what Python brings.

Every function blocks: call it in a thread. All waits end after `TIMEOUT_S`.
"""

import ftplib
import http.client
import io
import ssl
import uuid
from urllib.parse import SplitResult, unquote, urlsplit

TIMEOUT_S = 20.0
FILE_BYTES_MAX = 64 * 1024 * 1024
DENIED = (401, 403)


class TransferFailed(Exception):
    """The file didn't get there; the text says why."""


class TransferDenied(TransferFailed):
    """The server knows us not."""


def upload(
    location: str, name: str, body: bytes, *, by_post: bool = False, tls: ssl.SSLContext | None
) -> None:
    """Put a file to `location`: a folder where it ends with a slash, else the file itself.

    Raises TransferFailed.
    """
    parts = urlsplit(location)
    try:
        if parts.scheme in ("ftp", "ftps"):
            with _ftp(parts, tls) as ftp:
                ftp.storbinary(f"STOR {_target(parts, name)}", io.BytesIO(body))
        elif parts.scheme in ("http", "https"):
            _send(parts, name, body, by_post=by_post, tls=tls)
        else:
            raise TransferFailed(f"'{parts.scheme}' is no way to send a file")
    except ftplib.error_perm as error:
        raise TransferDenied(str(error)) from None
    except (OSError, ftplib.Error, http.client.HTTPException, ValueError) as error:
        raise TransferFailed(f"{type(error).__name__}: {error}") from None


def download(location: str, *, tls: ssl.SSLContext | None) -> bytes:
    """Fetch a file. Raises TransferFailed."""
    parts = urlsplit(location)
    try:
        if parts.scheme in ("ftp", "ftps"):
            taken = bytearray()

            def take(block: bytes) -> None:
                taken.extend(block)
                if len(taken) > FILE_BYTES_MAX:
                    raise TransferFailed("the file is too large")

            with _ftp(parts, tls) as ftp:
                ftp.retrbinary(f"RETR {unquote(parts.path)}", take)
            return bytes(taken)
        if parts.scheme in ("http", "https"):
            return _fetch(parts, tls)
    except (OSError, ftplib.Error, http.client.HTTPException, ValueError) as error:
        raise TransferFailed(f"{type(error).__name__}: {error}") from None
    raise TransferFailed(f"'{parts.scheme}' is no way to fetch a file")


def _ftp(parts: SplitResult, tls: ssl.SSLContext | None) -> ftplib.FTP:
    secure = ftplib.FTP_TLS(context=tls, timeout=TIMEOUT_S) if parts.scheme == "ftps" else None
    ftp = secure or ftplib.FTP(timeout=TIMEOUT_S)
    try:
        ftp.connect(parts.hostname or "", parts.port or 21)
        ftp.login(unquote(parts.username or "anonymous"), unquote(parts.password or ""))
        if secure is not None:
            secure.prot_p()
    except BaseException:
        ftp.close()
        raise
    return ftp


def _connection(parts: SplitResult, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=tls)
    return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)


def _send(
    parts: SplitResult, name: str, body: bytes, *, by_post: bool, tls: ssl.SSLContext | None
) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    method, path = "PUT", _target(parts, name, quoted=True)
    if by_post:
        mark = uuid.uuid4().hex
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        body = f"--{mark}\r\n{head}\r\n\r\n".encode() + body + f"\r\n--{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        method, path = "POST", parts.path or "/"
    if parts.query:
        path = f"{path}?{parts.query}"
    connection = _connection(parts, tls)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read(FILE_BYTES_MAX)
    finally:
        connection.close()
    if response.status in DENIED:
        raise TransferDenied(f"HTTP {response.status}")
    if not 200 <= response.status < 300:
        raise TransferFailed(f"HTTP {response.status}")


def _fetch(parts: SplitResult, tls: ssl.SSLContext | None) -> bytes:
    connection = _connection(parts, tls)
    try:
        path = parts.path or "/"
        connection.request("GET", f"{path}?{parts.query}" if parts.query else path)
        response = connection.getresponse()
        body = response.read(FILE_BYTES_MAX + 1)
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise TransferFailed(f"HTTP {response.status}")
    if len(body) > FILE_BYTES_MAX:
        raise TransferFailed("the file is too large")
    return body


def _target(parts: SplitResult, name: str, *, quoted: bool = False) -> str:
    path = parts.path if quoted else unquote(parts.path)
    return f"{path or '/'}{name}" if path.endswith("/") or not path else path
