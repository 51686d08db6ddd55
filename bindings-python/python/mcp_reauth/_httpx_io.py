"""I/O of the transports, with ``httpx`` or ``httpx2``: both have the same classes."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from ._describe import words_of
from ._http_client import HttpRequest, HttpResponse, UnreachableError
from ._waiting import Wait, by_blocking, by_loop, run


@functools.cache
def _body_class(cls: type, library: type) -> type:
    """The class of bodies of a library. One for all transports: the collector must free each class."""
    return type("Body", (cls, library), {})


class AsyncIo:
    """I/O of an asynchronous transport."""

    def __init__(self, http: Any, inner: Any, failure_status: Callable[[int], int]) -> None:
        self.http = http
        self.wait: Wait = by_loop
        self.failure_status = failure_status
        self._inner = inner
        self._body = _body_class(_AsyncBody, http.AsyncByteStream)

    async def send(self, request: Any) -> Any:
        return await self._inner.handle_async_request(request)

    def chunks(self, stream: Any) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = stream.__aiter__()
        return chunks

    def decoded(self, headers: Any, stream: Any) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = self.http.Response(200, headers=headers, stream=stream).aiter_bytes()
        return chunks

    async def close(self, stream: Any) -> None:
        await stream.aclose()

    def body(self, chunks: AsyncGenerator[bytes, None], close: Callable[[], Awaitable[None]]) -> Any:
        return self._body(chunks, close)


class _AsyncBody:
    def __init__(self, chunks: AsyncGenerator[bytes, None], close: Callable[[], Awaitable[None]]) -> None:
        self._chunks = chunks
        self._close = close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        await self._chunks.aclose()
        await self._close()


class SyncIo:
    """I/O of a synchronous transport. Its coroutines never suspend."""

    def __init__(self, http: Any, inner: Any, failure_status: Callable[[int], int]) -> None:
        self.http = http
        self.wait: Wait = by_blocking
        self.failure_status = failure_status
        self._inner = inner
        self._body = _body_class(_SyncBody, http.SyncByteStream)

    async def send(self, request: Any) -> Any:
        return self._inner.handle_request(request)

    async def chunks(self, stream: Any) -> AsyncIterator[bytes]:
        for chunk in stream:
            yield chunk

    async def decoded(self, headers: Any, stream: Any) -> AsyncIterator[bytes]:
        for chunk in self.http.Response(200, headers=headers, stream=stream).iter_bytes():
            yield chunk

    async def close(self, stream: Any) -> None:
        stream.close()

    def body(self, chunks: AsyncGenerator[bytes, None], close: Callable[[], Awaitable[None]]) -> Any:
        return self._body(chunks, close)


class _SyncBody:
    def __init__(self, chunks: AsyncGenerator[bytes, None], close: Callable[[], Awaitable[None]]) -> None:
        self._chunks = chunks
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = run(self._chunks.__anext__())
            except StopAsyncIteration:
                return
            yield chunk

    def close(self) -> None:
        run(self._chunks.aclose())
        run(self._close())  # type: ignore[arg-type]


async def send_with(http: Any, client: Any, request: HttpRequest) -> HttpResponse:
    """Sends a request of the authorization protocol with a client of httpx, up to the request's limit."""
    sent = client.build_request(request.method, request.url, headers=list(request.headers), content=request.body)
    is_async = isinstance(client, http.AsyncClient)
    try:
        # Credentials must not follow a redirect, and the client's own `auth` is for the MCP server.
        sending = client.send(sent, stream=True, follow_redirects=False, auth=None)
        response = await sending if is_async else sending
    except (http.ConnectError, http.ConnectTimeout, http.PoolTimeout) as error:
        raise UnreachableError(words_of(error)) from error
    try:
        body = bytearray()
        if is_async:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > request.max_body:
                    break
        else:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > request.max_body:
                    break
    finally:
        await response.aclose() if is_async else response.close()
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw]
    return HttpResponse(response.status_code, fields, bytes(body))
