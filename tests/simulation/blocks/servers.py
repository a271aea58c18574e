"""Small file servers in threads: what stations send to and fetch from."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer


@dataclass
class Web:
    """A web server: `files` may be fetched, `taken` was sent (method, path, body)."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    """Statuses of the next answers, before it does what it should."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def web_server() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            if web.refusals:
                self._answer(web.refusals.pop(0))
            elif self.path in web.files:
                self._answer(200, web.files[self.path])
            else:
                self._answer(404)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if web.refusals:
                self._answer(web.refusals.pop(0))
                return
            web.taken.append((self.command, self.path, body))
            self._answer(201)

        do_POST = do_PUT

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="web")
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def ftp_server(folder: Path) -> Iterator[str]:
    """Its URL with user and password; the folder is what it shows."""
    folder.mkdir(exist_ok=True)
    authorizer = DummyAuthorizer()
    authorizer.add_user("job", "secret", str(folder), perm="elradfmw")

    class Handler(FTPHandler):
        pass

    Handler.authorizer = authorizer
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), Handler, ioloop=loop)
    port = server.socket.getsockname()[1]
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.02, blocking=False)

    thread = threading.Thread(target=serve, name="ftp")
    thread.start()
    try:
        yield f"ftp://job:secret@127.0.0.1:{port}"
    finally:
        stop.set()
        thread.join()
        server.close_all()
