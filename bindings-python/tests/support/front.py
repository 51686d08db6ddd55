"""A server that a test writes, in threads of this process. It can forward requests to another server."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from .fixture import PATIENCE

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """A response. A body of several chunks is sent with chunked encoding, each as it is produced."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""


class Front:
    """The server.

    :param behind: The address that requests are forwarded to where ``answer`` returns ``None``.
    """

    def __init__(self, answer: Callable[[Seen], Reply | None] = lambda _: None, behind: str | None = None) -> None:
        self.answer = answer
        self.behind = behind
        #: Converts the JSON of the response to a tool call to the chunks of an event stream.
        self.streams: Callable[[bytes], Iterable[bytes]] | None = None
        self.seen: list[Seen] = []
        #: Set when a client left before it had received the whole response.
        self.left = threading.Event()
        #: The number of bytes of chunked bodies that were sent.
        self.sent = 0
        self._connections = 0
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.front = self
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.origin}/mcp"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Front:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def connected(self, change: int) -> None:
        with self._changed:
            self._connections += change
            self._changed.notify_all()

    def until_connections(self, count: int) -> None:
        """Waits until so many connections are open."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._connections == count, PATIENCE), self._connections

    def forward(self, seen: Seen) -> Reply:
        """Sends a request to the server behind."""
        assert self.behind is not None
        parts = urlsplit(self.behind)
        connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
        try:
            headers = {name: value for name, value in seen.headers.items() if name in _PASSED_ON}
            connection.request(seen.method, parts.path, seen.body, headers)
            response = connection.getresponse()
            body = response.read()
            back = {name: value for name, value in response.getheaders() if name.lower() in _PASSED_BACK}
            if self.streams is not None and response.status == 200 and b'"tools/call"' in seen.body:
                return Reply(200, {**back, **EVENTS}, self.streams(body.removeprefix(b"data: ").rstrip()))
            return Reply(response.status, back, body)
        finally:
            connection.close()


_PASSED_ON = (
    "accept",
    "authorization",
    "content-type",
    "dpop",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
)
_PASSED_BACK = ("content-type", "www-authenticate", "mcp-session-id", "dpop-nonce")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    front: Front

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client may leave at any time.
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Requests of one header and body write must not wait for each other.
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        self.server.front.connected(1)
        try:
            super().handle()
        finally:
            self.server.front.connected(-1)

    def _serve(self) -> None:
        front = self.server.front
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(self.command, self.path, headers, body)
        front.seen.append(seen)
        reply = front.answer(seen) or front.forward(seen)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if isinstance(reply.body, bytes):
            if "content-length" not in reply.headers:
                self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for chunk in reply.body:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                front.sent += len(chunk)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            front.left.set()
            raise

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass
