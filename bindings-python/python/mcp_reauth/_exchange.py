"""One MCP request with all its tries, for the transports of httpx and httpx2, asynchronous and synchronous.

The native part decides what each response means. It is not asked about plain responses, so it does not take part in
most requests. The code is asynchronous; in a synchronous transport none of its awaits suspends (see ``_waiting.run``).
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from . import _native
from ._bridge import unwrap
from ._challenge import flat_headers
from ._describe import words_of
from ._errors import ReauthError, closed, with_reference
from ._http_error import http_error
from ._log import follow_level
from ._parts import OpenSession
from ._waiting import Wait

#: The limit for a response and for one event of a stream, in bytes; the same as in core.
MAX_ANSWER = 16 * 1024 * 1024

_CANCELLED = b"notifications/cancelled"


class Io(Protocol):
    """How one kind of transport does I/O, with the classes of its library."""

    #: The module ``httpx`` or ``httpx2``.
    http: Any
    wait: Wait
    #: The status of a response that stands for a final failure, by the status of the rejection.
    failure_status: Callable[[int], int]

    async def send(self, request: Any) -> Any:
        """Sends a request once, and follows no redirect."""
        ...

    def chunks(self, stream: Any) -> AsyncIterator[bytes]:
        """The chunks of a body."""
        ...

    def decoded(self, headers: Any, stream: Any) -> AsyncIterator[bytes]:
        """The chunks of a compressed body, decompressed."""
        ...

    async def close(self, stream: Any) -> None:
        """Closes a body."""
        ...

    def body(self, chunks: AsyncGenerator[bytes, None], close: Callable[[], Awaitable[None]]) -> Any:
        """A body of these chunks."""
        ...


class Current:
    """A session's current credential. Its header is read from the native part only when it changes."""

    def __init__(self) -> None:
        self._known: _native.Authorization | None = None
        self._headers: list[str] = []

    def get(self, native: _native.Session) -> tuple[_native.Authorization, list[str]] | None:
        """Returns the credential if it can be sent unchanged: it needs no renewal and no proof."""
        current = native.current_if_fresh(self._known)
        if current is False:
            return None
        if current is not True:
            self._known = current
            self._headers = ["authorization", current.header_value]
        assert self._known is not None
        return self._known, self._headers


class Seam:
    """What all requests of one transport share."""

    def __init__(self, session: OpenSession, server_url: str, io: Io) -> None:
        self.session = session
        self.io = io
        self.current = Current()
        #: The address as httpx writes it. The native part knows to which others the credential applies.
        self._href = str(io.http.URL(server_url))
        self._in_flight: set[Exchange] = set()

    async def handle(self, request: Any) -> Any:
        """Sends a request until there is a response for the caller."""
        url = str(request.url)
        if url != self._href and not self.session.native.applies_to(url):
            return await self.io.send(request)
        exchange = Exchange(self, request, url)
        self._heed(exchange)
        self._in_flight.add(exchange)
        try:
            self.session.parts.check_open()
            return await exchange.send()
        except ReauthError as error:
            answer = exchange.failure(error)
            if answer is None:
                raise
            return answer
        finally:
            exchange.restore()
            if not exchange.is_streaming:
                self.end(exchange)

    def end(self, exchange: Exchange) -> None:
        """The request is over."""
        self._in_flight.discard(exchange)

    def _heed(self, exchange: Exchange) -> None:
        """Stops the request that a cancellation message refers to. (Versions of MCP from 2026-07-28 on abort the HTTP
        request instead.)"""
        if not self._in_flight or _CANCELLED not in exchange.content:
            return
        message = exchange.message
        if message.get("method") != _CANCELLED.decode():
            return
        params = message.get("params")
        id = params.get("requestId") if isinstance(params, dict) else None
        if id is None:
            return
        for other in tuple(self._in_flight):
            if other.session_id == exchange.session_id and "method" in other.message and other.message.get("id") == id:
                other.stop()


class _Body:
    """What the header fields say of a response's body. Read from what came, which is far cheaper than one by one."""

    __slots__ = ("is_encoded", "length", "media_type")

    def __init__(self, response: Any) -> None:
        self.media_type = b""
        self.length: int | None = None
        self.is_encoded = False
        for name, value in response.headers.raw:
            match name.lower():
                case b"content-type":
                    self.media_type = value.partition(b";")[0].strip().lower()
                case b"content-length":
                    self.length = int(value) if value.isdigit() else None
                case b"content-encoding":
                    self.is_encoded = True


class Exchange:
    """One request with all its tries."""

    def __init__(self, seam: Seam, request: Any, url: str) -> None:
        self._seam = seam
        self._io = seam.io
        self._request = request
        #: The address of the next try.
        self._url = url
        #: The credential that was sent, while the native part need not know of the request.
        self._sent: _native.Authorization | None = None
        self._native: _native.Exchange | None = None
        #: The request's own header fields that a credential replaced.
        self._replaced: dict[str, str | None] = {}
        #: The client no longer waits for the response.
        self.is_cancelled = False
        #: The response is an event stream that is still being read.
        self.is_streaming = False
        self._operation: _native.Operation | None = None
        self._status = 401
        try:
            self.content: bytes = request.content
            self._is_repeatable = True
        except seam.io.http.RequestNotRead:
            # A body that is sent as it is read.
            self.content = b""
            self._is_repeatable = False

    @property
    def message(self) -> dict[str, Any]:
        """The JSON-RPC message in the body; empty if there is none."""
        try:
            message = json.loads(self.content)
        except ValueError:
            return {}
        return message if isinstance(message, dict) else {}

    @property
    def session_id(self) -> str | None:
        id: str | None = self._request.headers.get("mcp-session-id")
        return id

    @property
    def _text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def _calls_tool(self) -> bool:
        return b'"tools/call"' in self.content

    def stop(self) -> None:
        """Marks the request as cancelled by its client: the user must not be asked for it any more."""
        self.is_cancelled = True
        if self._operation is not None:
            self._operation.interrupt()

    async def send(self) -> Any:
        """Sends the request until there is a response for the caller."""
        while True:
            credential = await self._authorize()
            response = await self._io.send(self._attempt(credential))
            # Any response to a request with a DPoP proof may carry the next nonce (RFC 9449 section 8.2).
            body = _Body(response)
            if _is_settled(response.status_code) and "dpop" not in credential:
                look: str | None = self._plain_look(response, body)
            else:
                look = await self._receive(response)
            if look is None:
                continue
            delivered = await self._deliver(response, body, look)
            if delivered is not None:
                return delivered

    async def _authorize(self) -> list[str]:
        if self._native is None:
            ready = self._seam.current.get(self._seam.session.native)
            if ready is not None:
                self._sent, headers = ready
                return headers
        fields = self._exchange.authorize()
        if fields is None or isinstance(fields, list):
            return fields or []
        answer = fields if isinstance(fields, str) else await self._waiting(fields)
        # A client that has cancelled gets no credential, and what the server says to that.
        read: list[str] | None = unwrap(answer) if answer is not None else None
        return read or []

    @property
    def _exchange(self) -> _native.Exchange:
        if self._native is None:
            follow_level()
            request = self._request
            headers = [field for pair in _own_fields(request.headers, self._replaced) for field in pair]
            exchange = self._seam.session.native.exchange(
                request.method, self._url, headers, self._text or None, self._is_repeatable, self._sent
            )
            if exchange is None:
                raise closed()
            self._native = exchange
        return self._native

    def _attempt(self, credential: list[str]) -> Any:
        """The request with a credential. The fields of the last try do not belong to this one."""
        request, headers = self._request, self._request.headers
        self.restore()
        for name, value in zip(credential[::2], credential[1::2]):
            self._replaced[name] = headers.get(name)
            headers[name] = value
        if self._native is None or self._url == str(request.url):
            return request
        http = self._io.http
        there = http.Request(
            request.method, self._url, headers=headers, stream=request.stream, extensions=request.extensions
        )
        there.headers["host"] = there.url.netloc.decode("ascii")
        return there

    def restore(self) -> None:
        """Gives the request its own header fields back."""
        for name, value in self._replaced.items():
            if value is None:
                del self._request.headers[name]
            else:
                self._request.headers[name] = value
        self._replaced.clear()

    def _plain_look(self, response: Any, body: _Body) -> str:
        """How to inspect a response that needs no recovery."""
        if not 200 <= response.status_code < 300:
            return "none"
        if body.media_type == b"text/event-stream":
            return "events"
        return "message" if body.media_type == b"application/json" and self._calls_tool else "none"

    async def _receive(self, response: Any) -> str | None:
        """Decides how to inspect a response; returns ``None``, and discards it, if the request must be sent again."""
        self._status = response.status_code
        is_ours = True
        try:
            headers = flat_headers(response.headers)
            look = await self._next(lambda: self._exchange.receive(response.status_code, headers))
            is_ours = look is None
            return look
        finally:
            if is_ours:
                await self._io.close(response.stream)

    async def _next(self, decide: Callable[[], _native.Operation]) -> str | None:
        if self.is_cancelled:
            return "none"
        try:
            answer = await self._waiting(decide())
            told = unwrap(answer) if answer is not None else {"next": "deliver", "look": "none"}
        except ReauthError:
            if self.is_cancelled:
                return "none"
            raise
        if told["next"] == "deliver":
            look: str = told["look"]
            return look
        if self.is_cancelled:
            return "none"
        self._url = told["url"]
        return None

    async def _waiting(self, operation: _native.Operation) -> Any:
        """Waits for the native part; ``None`` if the client has cancelled the request meanwhile."""
        self._operation = operation
        try:
            with _off_the_clock():
                return await self._io.wait(operation)
        finally:
            self._operation = None

    async def _deliver(self, response: Any, body: _Body, look: str) -> Any:
        """Returns the response within the size limits; ``None`` if the request must be sent again."""
        if body.length is not None and body.length > MAX_ANSWER:
            await self._io.close(response.stream)
            raise _too_long(self._url, "the response")
        if look == "events":
            return self._watch(response, body)
        is_limited = body.length is not None and not body.is_encoded
        if look == "message" or (not is_limited and body.media_type == b"application/json" and "id" in self.message):
            return await self._inspected(response, body, look)
        if not is_limited:
            stream = response.stream
            chunks = self._bounded(self._plain(response, body))
            response.stream = self._io.body(chunks, lambda: self._io.close(stream))
        return response

    def _plain(self, response: Any, body: _Body) -> AsyncIterator[bytes]:
        """The chunks of a response's body. A compressed one is passed on decompressed: the limit is for what its reader
        gets."""
        if not body.is_encoded:
            return self._io.chunks(response.stream)
        chunks = self._io.decoded(response.headers.copy(), response.stream)
        del response.headers["content-encoding"]
        response.headers.pop("content-length", None)
        return chunks

    async def _bounded(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        length = 0
        async for chunk in chunks:
            length += len(chunk)
            if length > MAX_ANSWER:
                raise _too_long(self._url, "the response")
            yield chunk

    async def _inspected(self, response: Any, body: _Body, look: str) -> Any:
        """Reads a response that answers the request, so that its failure can answer the request too."""
        stream = response.stream
        read: list[bytes] = []
        try:
            async for chunk in self._bounded(self._plain(response, body)):
                read.append(chunk)
        except self._io.http.RequestError as error:
            # The reader meets the same as without this transport.
            response.stream = self._io.body(_broken(read, error), lambda: self._io.close(stream))
            return response
        finally:
            await self._io.close(stream)
        message = b"".join(read)
        response.stream = self._io.http.ByteStream(message)
        # Most responses hold no challenge, and need not be parsed. (The name's slash may be escaped.)
        is_suspect = look == "message" and b"www_authenticate" in message
        if is_suspect and await self._is_replaced(message.decode("utf-8", "replace")):
            return None
        return response

    async def _is_replaced(self, message: str) -> bool:
        """Whether the call is to be sent again, in place of a message that answers it."""
        return await self._next(lambda: self._exchange.inspect(message)) is None

    def _watch(self, response: Any, body: _Body) -> Any:
        """Wraps an event stream. Its client can cancel the request while the stream is open."""
        self.is_streaming = True
        streams = [response.stream]
        events = self._events(self._plain(response, body), streams)

        async def close() -> None:
            self._seam.end(self)
            for stream in streams:
                await self._io.close(stream)

        response.stream = self._io.body(events, close)
        return response

    async def _events(self, source: AsyncIterator[bytes], streams: list[Any]) -> AsyncGenerator[bytes, None]:
        """Passes complete events unchanged, except those whose call is sent again."""
        watch: _native.EventWatch | None = _native.EventWatch(self._calls_tool)
        try:
            while True:
                chunk = await anext(source, None)
                if watch is None or chunk is None:
                    parts = watch.finish() if watch is not None else None
                else:
                    try:
                        parts = watch.push(chunk)
                    except ValueError:
                        yield self._too_long_event()
                        return
                if parts is None and chunk is not None:
                    yield chunk
                replacement = None
                for part, suspect in parts or ():
                    replacement = await self._replacement(suspect) if suspect is not None else None
                    if replacement is not None:
                        break
                    yield part
                if isinstance(replacement, str):
                    yield _as_event(replacement)
                    return
                if replacement is not None:
                    # The rest of the original stream is dropped.
                    await self._io.close(streams[0])
                    streams.append(replacement.stream)
                    if _Body(replacement).media_type != b"text/event-stream":
                        chunks = self._io.chunks(replacement.stream)
                        yield _as_event(b"".join([chunk async for chunk in chunks]).decode("utf-8", "replace"))
                        return
                    source, watch = self._io.chunks(replacement.stream), None
                elif chunk is None:
                    return
        finally:
            self._seam.end(self)

    async def _replacement(self, data: str) -> Any:
        """What replaces an event that may hold a challenge: the response to the repeated call, a JSON-RPC message, or
        ``None`` to pass the event unchanged."""
        try:
            if not await self._is_replaced(data):
                return None
            response = await self.send()
            is_answer = _Body(response).media_type in (b"text/event-stream", b"application/json")
            if 200 <= response.status_code < 300 and is_answer:
                return response
            await self._io.close(response.stream)
            raise http_error(self._url, f"the retry of the call returned HTTP status {response.status_code}")
        except ReauthError as error:
            return self._as_json_rpc(error)
        except Exception as error:
            return self._as_json_rpc(http_error(self._url, words_of(error)))
        finally:
            self.restore()

    def _too_long_event(self) -> bytes:
        # A reader takes a stream error for a broken connection, so the reason becomes the call's answer.
        error = _too_long(self._url, "an event")
        answer = self._as_json_rpc(error)
        if answer is None:
            raise error
        return _as_event(answer)

    def _as_json_rpc(self, error: ReauthError) -> str | None:
        answer = _native.json_rpc_error(self._text, json.dumps(error.to_json()))
        return None if answer is None else with_reference(answer, error)

    def failure(self, error: ReauthError) -> Any:
        """The response that stands for a final failure: a JSON-RPC error, which the SDK passes to the caller, and whose
        session lives on. ``None`` if the request is none of JSON-RPC."""
        http = self._io.http
        status = self._io.failure_status(self._status)
        answer = self._as_json_rpc(error)
        if answer is not None:
            return http.Response(status, headers={"content-type": "application/json"}, content=answer.encode())
        if "jsonrpc" not in self.message:
            return None
        # A notification or an answer: no caller hears of it, and the next request says what is wrong.
        return http.Response(202 if status == 200 else status)


def _is_settled(status: int) -> bool:
    """Whether a response is neither a rejection nor a redirect."""
    return status not in (401, 403) and not 300 <= status < 400


def _own_fields(headers: Any, replaced: dict[str, str | None]) -> list[tuple[str, str]]:
    """A request's header fields, without the credential that was added."""
    flat = flat_headers(headers)
    fields = [(name, value) for name, value in zip(flat[::2], flat[1::2]) if name.lower() not in replaced]
    return fields + [(name, value) for name, value in replaced.items() if value is not None]


async def _broken(read: list[bytes], error: BaseException) -> AsyncGenerator[bytes, None]:
    """A body that breaks off."""
    for chunk in read:
        yield chunk
    raise error


def _too_long(url: str, what: str) -> ReauthError:
    return http_error(url, f"{what} is longer than {MAX_ANSWER} bytes")


def _as_event(message: str) -> bytes:
    """JSON text as an event."""
    lines = "".join(f"data: {line}\n" for line in message.splitlines())
    return f"{lines}\n".encode()


def _off_the_clock() -> contextlib.AbstractContextManager[Any]:
    """Stops the timeout of the SDK's request while the user may be asked, where the SDK can do that (``mcp`` 2.3)."""
    clock = sys.modules.get("mcp.shared._request_clock")
    waiting: Any = getattr(clock, "waiting_on_a_person", None)
    if not callable(waiting):
        return contextlib.nullcontext()
    paused: contextlib.AbstractContextManager[Any] = waiting()
    return paused
