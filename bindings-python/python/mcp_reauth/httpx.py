"""The session in the HTTP client of ``httpx``: the transport for ``mcp`` 1.x, and others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

import httpx

from ._errors import ReauthError
from ._exchange import Seam
from ._http_client import HttpRequest, HttpResponse
from ._httpx_io import AsyncIo, SyncIo, send_with
from ._request import ResourceRequest, Trigger
from ._waiting import by_blocking, by_loop, run

if TYPE_CHECKING:
    from . import blocking
    from ._session import AuthSession

__all__ = ["AsyncTransport", "Auth", "HttpClient", "Transport"]


def _failure_status(_: int) -> int:
    """The SDK (``mcp`` 1.x) ends its session at any error status, so a JSON-RPC error is the content of a success, as
    JSON-RPC over HTTP allows."""
    return 200


class AsyncTransport(httpx.AsyncBaseTransport):
    """A transport for ``httpx.AsyncClient``. It attaches the credential to requests for the server, recovers when the
    server rejects it, and sends the request again. Other requests pass unchanged.

    A request that fails for good gets a JSON-RPC error as its response, whose ``data`` is the error
    (:meth:`ReauthError.find` finds it in what the SDK raises), so that the SDK's session lives on; a request that is
    none of JSON-RPC raises the :class:`ReauthError`.

    :param session: The session.
    :param inner: Sends the requests (default: ``httpx.AsyncHTTPTransport()``). It is closed with this one.
    """

    def __init__(
        self, session: AuthSession | blocking.AuthSession, inner: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._inner = inner if inner is not None else httpx.AsyncHTTPTransport()
        io = AsyncIo(httpx, self._inner, _failure_status)
        self._seam = Seam(session._session, session.server_url, io)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self._seam.handle(request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class Transport(httpx.BaseTransport):
    """The same for the synchronous ``httpx.Client``."""

    def __init__(self, session: AuthSession | blocking.AuthSession, inner: httpx.BaseTransport | None = None) -> None:
        self._inner = inner if inner is not None else httpx.HTTPTransport()
        io = SyncIo(httpx, self._inner, _failure_status)
        self._seam = Seam(session._session, session.server_url, io)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = run(self._seam.handle(request))
        return response

    def close(self) -> None:
        self._inner.close()


class Auth(httpx.Auth):
    """The session as ``auth`` of any client of httpx, for programs that cannot choose the transport. A request that
    fails for good raises a :class:`ReauthError`, which ends the session of an MCP SDK: there, use the transport. It
    does not inspect tool results and event streams."""

    def __init__(self, session: AuthSession | blocking.AuthSession) -> None:
        self._session = session

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        tries = _Tries(self._session, request, by_loop)
        while True:
            await tries.authorize()
            response = yield request
            if not await tries.recover(response):
                return

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        tries = _Tries(self._session, request, by_blocking)
        while True:
            run(tries.authorize())
            response = yield request
            if not run(tries.recover(response)):
                return


class _Tries:
    """A request with all its tries, if the credential is for its address."""

    def __init__(self, session: AuthSession | blocking.AuthSession, request: httpx.Request, wait: Any) -> None:
        self._request = request
        self._url = str(request.url)
        self._tries: ResourceRequest | None = None
        opened = session._session
        if opened.native.applies_to(self._url):
            opened.parts.check_open()
            # A body that is sent as it is read cannot be sent again.
            self._is_repeatable = isinstance(request.stream, httpx.ByteStream)
            message = request.content if self._is_repeatable else None
            # Nor must the user be asked for it.
            trigger: Trigger = "command" if self._is_repeatable else "ambient"
            self._tries = ResourceRequest(opened, session.server_url, wait, message, trigger)

    async def authorize(self) -> None:
        if self._tries is not None:
            self._request.headers.update(await self._tries.authorize(self._request.method, self._url))

    async def recover(self, response: httpx.Response) -> bool:
        if self._tries is None:
            return False
        if self._is_repeatable:
            return await self._tries.recover(response)
        try:
            # For the next request.
            await self._tries.recover(response)
        except ReauthError:
            # The rejection itself says more.
            pass
        return False


class HttpClient:
    """Sends the requests of the authorization protocol with a client of httpx, so that they use its certificate
    authorities, proxies and mocks::

        AuthSession.open(server_url, http_client=HttpClient(httpx.AsyncClient(verify=context)))

    It is not the client with the session's transport. Close it after the session. A session of
    :mod:`mcp_reauth.blocking` needs a synchronous client; in another session such a client stops the event loop while
    it waits for a server.
    """

    def __init__(self, client: httpx.AsyncClient | httpx.Client) -> None:
        self._client = client

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Sends a request of the authorization protocol."""
        return await send_with(httpx, self._client, request)
