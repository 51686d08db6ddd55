"""One request of the application's own transport."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from . import _native
from ._bridge import unwrap
from ._challenge import flat_headers, is_http_status, operation_of
from ._check import ADDRESS, TEXT, json_text, one_of, read_address, read_one, refusal
from ._describe import describe
from ._errors import closed, misconfigured
from ._forms import Operation, json_of
from ._http_error import http_error
from ._log import follow_level
from ._parts import OpenSession
from ._waiting import Wait

Trigger = Literal["command", "ambient"]
"""Whether a caller waits for the request (``command``), or not (``ambient``), so that it must not prompt."""


_TRIGGER = one_of("command", "ambient")


def is_ambient(trigger: object) -> bool:
    """Checks a trigger."""
    return bool(read_one(trigger, _TRIGGER, "trigger") == "ambient")


class ResourceRequest:
    """One request of your own transport, with all its tries, so that recovery is bounded. Call it before each try and
    after each response::

        request = session.request(body)
        while True:
            headers = {**own, **await request.authorize()}
            response = await client.post(session.server_url, content=body, headers=headers)
            if not await request.recover(response):
                return response

    ``session.transport()`` does more: it follows redirects, inspects tool results and event streams, and lets an idle
    stream wait.
    """

    def __init__(
        self,
        session: OpenSession,
        server_url: str,
        wait: Wait,
        operation: str | bytes | Operation | None,
        trigger: Trigger,
    ) -> None:
        follow_level()
        about = operation_of(operation)
        given = None if about == Operation() else json_text(json_of(about), "operation")
        request = session.native.request(is_ambient(trigger), given)
        if request is None:
            raise closed()
        #: Keeps alive what the native part calls.
        self._session = session
        self._server_url = server_url
        self._wait = wait
        self._request: _native.Request = request

    async def authorize(self, method: str = "POST", url: str | Any = None) -> dict[str, str]:
        """Returns the header fields to send, by lower-case name: ``authorization``, and ``dpop`` if the token is bound
        to a key; none without a credential. They are secrets, for this try only. Renews a credential that is about to
        expire first.

        By default the request is a POST to the server's address. Raises a ``ConfigError`` if the credential is not for
        ``url``.
        """
        address = self._server_url if url is None else read_address(url)
        if address is None:
            raise refusal("url", ADDRESS.what, url)
        read_one(method, TEXT, "method")
        self._session.parts.check_open()
        if not self._session.native.applies_to(address):
            raise misconfigured("url is not a URL of the server, and the credential is only for that server")
        given = await header_fields(self._request.authorize(method, address), self._wait)
        return dict(zip(given[::2], given[1::2]))

    async def recover(self, response: Any) -> bool:
        """Recovers from a response, and returns whether to send the request again. ``False``: the response is for the
        caller, unchanged. Pass every response: with a token that is bound to a key, any response may carry the next
        nonce.

        ``response`` is one of httpx, aiohttp or requests, or has ``status_code`` (or ``status``) and ``headers``.
        Raises a ``ReauthError`` if the request failed for good.
        """
        try:
            status = getattr(response, "status_code", None) or getattr(response, "status", None)
            headers = flat_headers(response.headers)
        except Exception as error:
            raise misconfigured("a response must have an HTTP status and header fields") from error
        if not isinstance(status, int) or not is_http_status(status):
            raise misconfigured(f"a response must have an HTTP status, and has {describe(status)}")
        self._session.parts.check_open()
        came_from(response, self._server_url)
        decision = unwrap(await self._wait(self._request.recover(status, headers)))
        return bool(decision == "retry")


async def header_fields(given: Any, wait: Wait) -> list[str]:
    """Header fields of the native part, as alternating names and values."""
    if given is None or isinstance(given, list):
        return given or []
    fields: list[str] | None = unwrap(given if isinstance(given, str) else await wait(given))
    return fields or []


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2]


def came_from(response: Any, url: str) -> None:
    """Raises if a response came from another origin, after a redirect that was followed: its challenge is not the
    server's."""
    at = getattr(response, "url", None) if getattr(response, "history", None) else None
    if at is not None and _origin(str(at)) != _origin(url):
        raise http_error(url, "another origin responded in its place, after a redirect that was followed")
