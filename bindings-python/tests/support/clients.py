"""The HTTP clients that a session can be put into, under one interface."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from mcp_reauth import AuthSession


@dataclass(frozen=True)
class Kind:
    """A seam: a transport, or ``auth``, of the asynchronous or the synchronous client of a library."""

    library: str
    seam: str
    is_async: bool

    def __str__(self) -> str:
        return f"{self.library}-{self.seam}-{'async' if self.is_async else 'sync'}"

    @property
    def http(self) -> Any:
        """The library."""
        return importlib.import_module(self.library)

    @property
    def inner(self) -> Any:
        """The class of the library's own transport."""
        return self.http.AsyncHTTPTransport if self.is_async else self.http.HTTPTransport

    @property
    def stream(self) -> Any:
        """The base class of the library for bodies."""
        return self.http.AsyncByteStream if self.is_async else self.http.SyncByteStream

    def options(self, session: AuthSession, inner: Any = None) -> dict[str, Any]:
        """The options of a client that uses the session."""
        module: Any = importlib.import_module(f"mcp_reauth.{self.library}")
        if self.seam == "auth":
            return {"auth": module.Auth(session), **({"transport": inner} if inner else {})}
        transport = module.AsyncTransport if self.is_async else module.Transport
        return {"transport": transport(session, inner)}

    @contextlib.asynccontextmanager
    async def client(self, session: AuthSession, inner: Any = None) -> AsyncIterator[Send]:
        """A client that uses the session. Its function sends a request, and returns the response with its body."""
        options = self.options(session, inner)
        if self.is_async:
            async with self.http.AsyncClient(timeout=20, **options) as client:
                yield lambda method, url, **given: client.request(method, url, **given)
            return
        with self.http.Client(timeout=20, **options) as client:

            async def send(method: str, url: str, **given: Any) -> Any:
                return await anyio.to_thread.run_sync(lambda: client.request(method, url, **given))

            yield send

    def streamed(self, body: bytes) -> Any:
        """A body that is sent as it is read."""
        return _stream(body) if self.is_async else _parts(body)


Send = Callable[..., Coroutine[Any, Any, Any]]


def _parts(body: bytes) -> Iterator[bytes]:
    yield body[:5]
    yield body[5:]


async def _stream(body: bytes) -> AsyncIterator[bytes]:
    for part in _parts(body):
        yield part


LIBRARIES = [library for library in ("httpx2", "httpx") if importlib.util.find_spec(library)]
TRANSPORTS = [Kind(library, "transport", is_async) for library in LIBRARIES for is_async in (True, False)]
AUTHS = [Kind(library, "auth", is_async) for library in LIBRARIES for is_async in (True, False)]
