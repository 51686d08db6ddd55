"""HTTP clients of the application for requests of the authorization protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, Protocol

from ._bridge import CallFailed, WithBody
from ._challenge import is_http_status
from ._check import is_broken
from ._describe import describe, words_of


@dataclass(frozen=True)
class HttpRequest:
    """A request of the authorization protocol. Its header fields and body may hold secrets."""

    method: str
    url: str
    #: Header fields in order.
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    #: The largest body of a response that is of use, in bytes. Stop reading beyond it.
    max_body: int


@dataclass(frozen=True)
class HttpResponse:
    """The response to an :class:`HttpRequest`."""

    status: int
    #: Header fields in order: pairs of names and values, or a mapping.
    headers: Mapping[str, str] | Sequence[tuple[str | bytes, str | bytes]] = field(repr=False)
    body: bytes = field(repr=False)


class UnreachableError(Exception):
    """Raise it from :meth:`HttpClient.send` if certainly nothing was sent: then the request is safe to repeat, even
    with an authorization code."""


class HttpClient(Protocol):
    """Sends requests of the authorization protocol. ``mcp_reauth.httpx.HttpClient`` does so with a client of httpx."""

    def send(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Sends it once and follows no redirect. May be a coroutine function. Raises what it likes if there is no
        response."""
        ...


async def call_http(client: Any, input: Mapping[str, Any], body: bytearray | None) -> object:
    """Sends a request for the native part."""
    headers = [(name, value) for name, value in input["headers"]]
    request = HttpRequest(input["method"], input["url"], headers, bytes(body or b""), input["maxBody"])
    try:
        response = client.send(request)
        if isawaitable(response):
            response = await response
    except Exception as error:
        raise CallFailed(words_of(error), unsent=isinstance(error, UnreachableError)) from error
    what = "http_client.send must return an HttpResponse"
    if not isinstance(response, HttpResponse):
        raise TypeError(f"{what}, and returned {describe(response)}")
    if not is_http_status(response.status):
        raise TypeError(f"{what} whose status is an HTTP status, and it is {describe(response.status)}")
    if not isinstance(response.body, (bytes, bytearray, memoryview)):
        raise TypeError(f"{what} whose body is bytes, and it is {describe(response.body)}")
    try:
        fields = _fields(response.headers)
    except Exception as error:
        raise TypeError(f"{what} whose headers are pairs of names and values, or a mapping") from error
    too_large = len(response.body) > request.max_body
    answered = bytearray() if too_large else bytearray(response.body)
    return WithBody({"status": int(response.status), "headers": fields, "too_large": too_large}, answered)


def _fields(headers: object) -> list[tuple[str, str]]:
    pairs: Any = headers.items() if isinstance(headers, Mapping) else headers
    return [(_latin(name), _latin(value)) for name, value in pairs]


def _latin(value: object) -> str:
    """Text of a header field, in which each character stands for a byte."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str) or is_broken(value):
        raise TypeError("names and values must be text")
    return value
