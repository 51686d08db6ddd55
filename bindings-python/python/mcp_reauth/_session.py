"""The session."""

from __future__ import annotations

import json
from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import _native
from ._bridge import bridge, unwrap
from ._check import FLAG, TEXT, json_text, read_one, refusal
from ._credentials import Credentials
from ._errors import closed, misconfigured
from ._events import EventStream
from ._forms import AuthChallenge, ConnectionState, IdentityProviderState, Operation, Revocation, read
from ._host import AuthHost, Callback, callback_query
from ._http_client import HttpClient
from ._log import follow_level
from ._options import CheckedOptions, Policy, Scopes, check_options, in_python
from ._outcome import Failed, Outcome, outcome_of
from ._parts import OpenSession, Parts
from ._request import ResourceRequest, Trigger, is_ambient
from ._runner import current_runner
from ._scopes import scope_list
from ._store import FileStore, MemoryStore, TokenStore, leases_within, native_store
from ._waiting import Wait, by_blocking, by_loop, to_the_end

if TYPE_CHECKING:
    import httpx2

    from .httpx2 import AsyncTransport

Authorization = _native.Authorization
"""A credential: the value of an ``Authorization`` header (``header_value``, a secret), its ``scopes``, and whether each
request also needs a DPoP proof (``needs_proof``). A rejected request is identified by the credential it was sent with,
so keep it until the response arrives. Two are equal if they come from the same grant."""


class Opening:
    """A session that is being opened: ``await`` it, or use it with ``async with``, which closes the session."""

    def __init__(self, server_url: object, options: dict[str, Any]) -> None:
        self._server_url = server_url
        self._options = options
        self._session: AuthSession | None = None

    def __await__(self) -> Generator[Any, None, AuthSession]:
        return open_session(self._server_url, self._options, by_loop).__await__()

    async def __aenter__(self) -> AuthSession:
        self._session = await self
        return self._session

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"AuthSession.open(...) has no {name}: await it first, or use it with `async with`")


async def open_session(server_url: object, options: dict[str, Any], wait: Wait) -> AuthSession:
    """Opens a session."""
    follow_level()
    checked = check_options(server_url, options)
    parts = Parts(checked, current_runner(blocking=wait is by_blocking))
    store = checked.store
    ours = None if store is None else native_store(store)
    leases = None if store is None else leases_within(store)
    opened = await wait(_native.Session.open(checked.json, bridge(), parts.place.id, ours, leases))
    if isinstance(opened, _native.Session):
        return AuthSession(OpenSession(opened, parts), checked, wait)
    parts.place.leave()
    unwrap(in_python(opened))
    raise AssertionError("an answer without a session is an error")


class AuthSession:
    """One client's authorization for one MCP server: one for each connection.

    ::

        async with AuthSession.open(server_url, client_name="My client", host=TerminalHost()) as session:
            async with httpx2.AsyncClient(transport=session.transport()) as http:
                async with streamable_http_client(server_url, http_client=http) as (read, write): ...

    It works in asyncio and in trio. Hosts and stores run where the session was opened; its other methods may be called
    from any event loop and thread.
    """

    #: The MCP server's address.
    server_url: str
    #: The session at the organization's identity provider, if access is enterprise-managed.
    identity_provider: IdentityProviderSession | None

    def __init__(self, session: OpenSession, options: CheckedOptions, wait: Wait) -> None:
        if not isinstance(session, OpenSession):
            raise misconfigured("a session is opened by AuthSession.open")
        self.server_url = options.server_url
        self._session = session
        self._wait = wait
        self.identity_provider = IdentityProviderSession(session, wait) if options.is_enterprise else None

    @staticmethod
    def open(
        server_url: str | Any,
        *,
        client_name: str | None = None,
        host: AuthHost | None = None,
        store: MemoryStore | FileStore | TokenStore | None = None,
        credentials: Credentials | None = None,
        scopes: Scopes | None = None,
        profile: str | None = None,
        policy: Policy | None = None,
        redirect_uri: str | Any | None = None,
        client_metadata_url: str | Any | None = None,
        dpop: Literal["when_asked", "always"] | None = None,
        dpop_key: str | None = None,
        send_resource: bool | None = None,
        push_requests: bool | None = None,
        consent_prompt: bool | None = None,
        allow_endpoints: list[str] | tuple[str, ...] | None = None,
        http_client: HttpClient | None = None,
        egress: Literal["local", "public"] | None = None,
    ) -> Opening:
        """Opens a session: validates the options and reads the record. No network requests.

        :param server_url: The MCP server's address. A string is kept unchanged.
        :param client_name: The client name on consent pages (default ``mcp-reauth``).
        :param host: The application's functions that involve the user. Without a host, no operation involves the user.
        :param store: The token store (default: in memory, for this session only).
        :param credentials: How the session obtains tokens, and with which client (default: the user signs in, with
            dynamic registration).
        :param scopes: Scopes to request in addition to those that the server asks for.
        :param profile: The user or tenant (default ``default``). Profiles never share anything.
        :param policy: What the session may do on its own.
        :param redirect_uri: The redirect URI, for a host that does not provide one.
        :param client_metadata_url: The https address of a client ID metadata document, used as client ID where the
            server supports it.
        :param dpop: Whether to bind tokens to a key (DPoP, RFC 9449): where the server requires it (default), or
            always.
        :param dpop_key: The private key to bind tokens to: PEM, or a JWK as JSON. By default the session creates one.
        :param send_resource: Whether to send resource indicators (RFC 8707; default ``True``). Some servers reject
            them.
        :param push_requests: Whether to push authorization requests where the server offers it (RFC 9126; default
            ``False``).
        :param consent_prompt: Whether to send ``prompt=consent`` (default ``True``), which happens only after a refresh
            token was requested and not issued. Disable it where users cannot consent themselves.
        :param allow_endpoints: Origins (``https://login.corp.example``) that the MCP server may lead to although they
            are in a narrower network than the server; without this, ``blocked_endpoint``. The client's ``issuer`` is
            always allowed.
        :param http_client: Sends the requests of the authorization protocol (default: a client of this package, with
            the system's certificate authorities, those of ``SSL_CERT_FILE``, and the proxy of the environment).
        :param egress: Where authorization requests may go. ``local`` (default): wherever the MCP server may lead.
            ``public``, for backends whose users enter server addresses: only public addresses and those in
            ``allow_endpoints``, checked again when connecting. These requests then ignore ``http_client``.

        Raises a :class:`ReauthError`: ``config``, which names the invalid option; ``insecure_endpoint``, if the
        server's address is neither https nor loopback; ``store``.
        """
        options = dict(locals())
        return Opening(options.pop("server_url"), options)

    def transport(self, inner: httpx2.AsyncBaseTransport | None = None) -> AsyncTransport:
        """A transport for ``httpx2.AsyncClient``, as ``mcp`` 2.x uses it. It attaches the credential to requests for
        the server, recovers when the server rejects it, and sends the request again. ``inner`` sends the requests
        (default: ``httpx2.AsyncHTTPTransport()``). For httpx see :mod:`mcp_reauth.httpx`."""
        from .httpx2 import AsyncTransport

        return AsyncTransport(self, inner)

    def authorization(self) -> Authorization | None:
        """Returns the current credential without waiting, locks or I/O; ``None`` if there is none."""
        return self._session.native.authorization()

    def request(
        self, operation: str | bytes | Operation | None = None, *, trigger: Trigger = "command"
    ) -> ResourceRequest:
        """Begins a request of your own transport. ``operation`` is what it does: the JSON-RPC message, or an
        :class:`Operation`."""
        self._session.parts.check_open()
        return ResourceRequest(self._session, self.server_url, self._wait, operation, trigger)

    async def handle_auth_challenge(
        self,
        challenge: AuthChallenge,
        *,
        confirmed_step_up: bool = False,
        trigger: Trigger = "command",
        failed: Authorization | None = None,
    ) -> Outcome:
        """Recovers from a challenge that arrived by any route. A caller that repeats the request and passes the next
        challenge must limit the number of tries itself.

        :param confirmed_step_up: The user has already agreed to this step-up.
        :param trigger: ``command`` if a caller waits, or ``ambient``, which never prompts.
        :param failed: The rejected credential (default: the current one).
        """
        is_ambient(trigger)
        read_one(confirmed_step_up, FLAG, "confirmed_step_up")
        handling = json.dumps({"confirmedStepUp": confirmed_step_up, "trigger": trigger})
        native = self._native
        operation = native.handle_auth_challenge(_challenge_json(challenge), handling, _credential(failed))
        return self._outcome(unwrap(await self._wait(operation)))

    async def check_auth_challenge_satisfied(
        self, challenge: AuthChallenge, failed: Authorization | None = None
    ) -> bool:
        """Whether the stored credential already satisfies a challenge: no network, no prompt. For a window that returns
        to the foreground. ``failed`` is the rejected credential, if known."""
        operation = self._native.check_auth_challenge_satisfied(_challenge_json(challenge), _credential(failed))
        return bool(unwrap(await self._wait(operation)))

    async def complete_authorization(self, callback: Callback) -> None:
        """Completes an authorization with its callback, in this process or after a restart.

        Raises a :class:`ReauthError`: ``state_mismatch`` if no pending authorization has this ``state``;
        ``issuer_mismatch`` if the callback is not from the issuer that the user was sent to; ``authorization_denied``
        if access was denied; ``scope_not_granted`` if fewer scopes than required were granted (the grant is kept all
        the same).
        """
        query = callback_query(callback, "the callback")
        unwrap(await self._wait(self._native.complete_authorization(query)))

    async def sign_in(self, scopes: Scopes | None = None, *, again: bool = False) -> Outcome:
        """Signs in now, without waiting for a request to fail; extends an existing credential by the ``scopes`` it
        lacks. ``again``: the user signs in in any case, and the existing credential stays until then.

        Like :meth:`handle_auth_challenge`, it returns failures: check ``kind``. It raises only if it was cancelled or
        called with invalid arguments.
        """
        wanted, again = scope_list(scopes), read_one(again, FLAG, "again")
        return self._outcome(unwrap(await self._wait(self._native.sign_in(wanted, again))))

    async def auth_state(self) -> dict[str, Any] | None:
        """The credential with everything needed to renew it, to pass to another process; ``None`` if there is none. It
        holds secrets: pass it only to a process that you trust, and do not store it."""
        state: dict[str, Any] | None = unwrap(await self._wait(self._native.auth_state()))
        return state

    async def set_auth_state(self, state: dict[str, Any]) -> None:
        """Adopts a credential from another process. Requests use it immediately; the connection stays open."""
        if not isinstance(state, dict):
            raise refusal("the authorization state", "a dict", state)
        unwrap(await self._wait(self._native.set_auth_state(json_text(state, "the authorization state"))))

    async def connection_state(self) -> ConnectionState:
        """Returns the state of the connection's authorization, from the store alone, without network requests."""
        return read(ConnectionState, unwrap(await self._wait(self._native.connection_state())))

    async def sign_out(self) -> Revocation:
        """Signs out: revokes the tokens if the server supports it (RFC 7009), and clears the store in any case."""
        revocation: Revocation = unwrap(await self._wait(self._native.sign_out()))
        return revocation

    def events(self) -> EventStream:
        """The events from now on, in order::

        async for event in session.events():
            print(event.kind)
        """
        if not self._session.parts.is_closed:
            self._session.parts.check_open()
        # Refers to the session, which lives as long as its events are read.
        stream = EventStream(lambda left: self._session.parts.remove_stream(left))
        self._session.parts.add_stream(stream)
        return stream

    async def close(self) -> None:
        """Closes the session. Pending operations end as ``cancelled``. Waits up to 25 seconds, longer than a call to a
        server may take, until pending tokens are stored; if it is cancelled, they are stored without it. The credential
        stays in the store."""
        session, parts = self._session, self._session.parts
        if parts.is_closed:
            return
        parts.is_closed = True
        if not parts.is_here():
            # After a fork it is the parent's, and its threads are not here.
            return
        try:
            await to_the_end(session.native.close(), self._wait)
        finally:
            parts.place.leave()
            for stream in parts.streams():
                stream._end()
                parts.remove_stream(stream)

    async def __aenter__(self) -> AuthSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AuthSession {self.server_url}>"

    def _outcome(self, form: dict[str, Any]) -> Outcome:
        outcome = outcome_of(form)
        if isinstance(outcome, Failed) and outcome.error.code == "cancelled" and self._session.parts.is_closed:
            raise closed()
        return outcome

    @property
    def _native(self) -> _native.Session:
        self._session.parts.check_open()
        follow_level()
        return self._session.native


class IdentityProviderSession:
    """The session at an organization's identity provider, shared by the sessions of one profile in one store."""

    def __init__(self, session: OpenSession, wait: Wait) -> None:
        self._session = session
        self._wait = wait

    async def state(self) -> IdentityProviderState:
        """Returns its state, from the store alone, without network requests."""
        return read(IdentityProviderState, unwrap(await self._wait(self._native.idp_state())))

    async def adopt(self, id_token: str, refresh_token: str | None = None) -> None:
        """Adopts a sign-in that the application has performed itself, so that the user does not sign in again. The
        application must have verified the signature of the ID token."""
        read_one(id_token, TEXT, "id_token")
        if refresh_token is not None:
            read_one(refresh_token, TEXT, "refresh_token")
        sign_in = {"idToken": id_token, "refreshToken": refresh_token}
        unwrap(await self._wait(self._native.idp_adopt(json.dumps(sign_in))))

    async def sign_out(self) -> Revocation:
        """Signs out there: revokes and deletes this session and every token obtained through it, and nothing else."""
        revocation: Revocation = unwrap(await self._wait(self._native.idp_sign_out()))
        return revocation

    @property
    def _native(self) -> _native.Session:
        self._session.parts.check_open()
        return self._session.native


def _challenge_json(challenge: object) -> str:
    if not isinstance(challenge, AuthChallenge):
        what = "an AuthChallenge (auth_challenge_from_error finds that of an exception)"
        raise refusal("the challenge", what, challenge)
    return json_text(challenge.to_json(), "the challenge")


def _credential(failed: object) -> Authorization | None:
    if failed is None or isinstance(failed, Authorization):
        return failed
    raise refusal("failed", "an Authorization of this package", failed)
