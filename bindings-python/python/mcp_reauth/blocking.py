"""The session for programs without an event loop. Its methods block; hosts, stores and HTTP clients are called in
threads of their own.

::

    with AuthSession.open(server_url, host=TerminalHost()) as session:
        with httpx.Client(transport=session.transport()) as http:
            http.post(server_url, json=...)
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _session
from ._forms import AuthChallenge, ConnectionState, IdentityProviderState, Operation, Revocation, SessionEvent
from ._host import Callback
from ._options import Scopes
from ._outcome import Outcome
from ._request import ResourceRequest, Trigger
from ._session import Authorization, open_session
from ._waiting import by_blocking, run

if TYPE_CHECKING:
    import httpx

    from .httpx import Transport

__all__ = ["AuthSession", "IdentityProviderSession", "Request"]


class AuthSession:
    """:class:`mcp_reauth.AuthSession`, with methods that block. They mean the same."""

    def __init__(self, session: _session.AuthSession) -> None:
        self._asynchronous = session
        self._session = session._session
        #: The MCP server's address.
        self.server_url: str = session.server_url
        own = session.identity_provider
        #: The session at the organization's identity provider, if access is enterprise-managed.
        self.identity_provider: IdentityProviderSession | None = None if own is None else IdentityProviderSession(own)

    @classmethod
    def open(cls, server_url: str | Any, **options: Any) -> AuthSession:
        """Opens a session, with the options of :meth:`mcp_reauth.AuthSession.open`."""
        # Refuses an unknown option as Python does.
        opening = _session.AuthSession.open(server_url, **options)
        return cls(run(open_session(opening._server_url, opening._options, by_blocking)))

    def transport(self, inner: httpx.BaseTransport | None = None) -> Transport:
        """A transport for ``httpx.Client``. For httpx2 see :class:`mcp_reauth.httpx2.Transport`."""
        from .httpx import Transport

        return Transport(self, inner)

    def authorization(self) -> Authorization | None:
        """See :meth:`mcp_reauth.AuthSession.authorization`."""
        return self._asynchronous.authorization()

    def request(self, operation: str | bytes | Operation | None = None, *, trigger: Trigger = "command") -> Request:
        """See :meth:`mcp_reauth.AuthSession.request`."""
        return Request(self._asynchronous.request(operation, trigger=trigger))

    def handle_auth_challenge(self, challenge: AuthChallenge, **options: Any) -> Outcome:
        """See :meth:`mcp_reauth.AuthSession.handle_auth_challenge`."""
        return run(self._asynchronous.handle_auth_challenge(challenge, **options))

    def check_auth_challenge_satisfied(self, challenge: AuthChallenge, failed: Authorization | None = None) -> bool:
        """See :meth:`mcp_reauth.AuthSession.check_auth_challenge_satisfied`."""
        return run(self._asynchronous.check_auth_challenge_satisfied(challenge, failed))

    def complete_authorization(self, callback: Callback) -> None:
        """See :meth:`mcp_reauth.AuthSession.complete_authorization`."""
        run(self._asynchronous.complete_authorization(callback))

    def sign_in(self, scopes: Scopes | None = None, *, again: bool = False) -> Outcome:
        """See :meth:`mcp_reauth.AuthSession.sign_in`."""
        return run(self._asynchronous.sign_in(scopes, again=again))

    def auth_state(self) -> dict[str, Any] | None:
        """See :meth:`mcp_reauth.AuthSession.auth_state`."""
        return run(self._asynchronous.auth_state())

    def set_auth_state(self, state: dict[str, Any]) -> None:
        """See :meth:`mcp_reauth.AuthSession.set_auth_state`."""
        run(self._asynchronous.set_auth_state(state))

    def connection_state(self) -> ConnectionState:
        """See :meth:`mcp_reauth.AuthSession.connection_state`."""
        return run(self._asynchronous.connection_state())

    def sign_out(self) -> Revocation:
        """See :meth:`mcp_reauth.AuthSession.sign_out`."""
        return run(self._asynchronous.sign_out())

    def events(self) -> Iterator[SessionEvent]:
        """The events from now on, in order. Blocks until there is one; ends when the session is closed."""
        return self._asynchronous.events().blocking()

    def close(self) -> None:
        """See :meth:`mcp_reauth.AuthSession.close`."""
        run(self._asynchronous.close())

    def __enter__(self) -> AuthSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._asynchronous)


class IdentityProviderSession:
    """:class:`mcp_reauth.IdentityProviderSession`, with methods that block."""

    def __init__(self, session: _session.IdentityProviderSession) -> None:
        self._session = session

    def state(self) -> IdentityProviderState:
        """See :meth:`mcp_reauth.IdentityProviderSession.state`."""
        return run(self._session.state())

    def adopt(self, id_token: str, refresh_token: str | None = None) -> None:
        """See :meth:`mcp_reauth.IdentityProviderSession.adopt`."""
        run(self._session.adopt(id_token, refresh_token))

    def sign_out(self) -> Revocation:
        """See :meth:`mcp_reauth.IdentityProviderSession.sign_out`."""
        return run(self._session.sign_out())


class Request:
    """:class:`mcp_reauth.ResourceRequest`, with methods that block."""

    def __init__(self, request: ResourceRequest) -> None:
        self._request = request

    def authorize(self, method: str = "POST", url: str | Any = None) -> dict[str, str]:
        """See :meth:`mcp_reauth.ResourceRequest.authorize`."""
        return run(self._request.authorize(method, url))

    def recover(self, response: Any) -> bool:
        """See :meth:`mcp_reauth.ResourceRequest.recover`."""
        return run(self._request.recover(response))
