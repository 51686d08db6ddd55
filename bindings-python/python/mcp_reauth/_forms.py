"""The JSON forms that are the same on every wire and in every language, as frozen dataclasses.

Names are in snake case here and in camel case in JSON. Lists are tuples.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Reason = Literal[
    "unauthorized", "token_expired", "invalid_token", "insufficient_scope", "insufficient_user_authentication"
]
"""Why a server rejected a request: see :class:`AuthChallenge`."""

Revocation = Literal["done", "nothing", "not_offered", "failed"]
"""The result of revoking tokens at sign-out: they are revoked; there was nothing to revoke; the server does not support
it, so the access token is valid until it expires; or the server was unreachable or refused."""

_T = TypeVar("_T")


def snake(name: str) -> str:
    return re.sub(r"(?<!^)[A-Z]", lambda found: f"_{found[0].lower()}", name)


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def fields_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a JSON object under their Python names, lists as tuples."""
    return {snake(name): tuple(value) if isinstance(value, list) else value for name, value in form.items()}


def json_of(value: Any) -> Any:
    """The JSON form of a value. Members that are ``None`` are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {camel(name): json_of(part) for name, part in value.items() if part is not None}
    if isinstance(value, (list, tuple)):
        return [json_of(part) for part in value]
    return value


def read(cls: type[_T], form: Mapping[str, Any]) -> _T:
    """A dataclass from its JSON form. Members that it does not know are ignored."""
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{name: value for name, value in fields_of(form).items() if name in names})


@dataclass(frozen=True)
class Operation:
    """What a rejected request was doing."""

    #: The JSON-RPC method, such as ``tools/call``.
    method: str | None = None
    #: The tool of a ``tools/call``.
    tool_name: str | None = None
    #: The URI of a ``resources/read`` or a subscription.
    resource_uri: str | None = None
    #: The prompt of a ``prompts/get``.
    prompt_name: str | None = None


@dataclass(frozen=True)
class RawChallenge:
    """A response's status, and its ``WWW-Authenticate`` lines joined by commas."""

    http_status: int | None = None
    www_authenticate: str | None = None


@dataclass(frozen=True)
class AuthChallenge:
    """One rejected request, normalized.

    The reason is ``unauthorized`` (403 without ``insufficient_scope``: the user may not do this, with any token),
    ``token_expired`` (401 without details), ``invalid_token`` (401 with ``error="invalid_token"``, RFC 6750 section
    3.1), ``insufficient_scope`` (the token lacks scope), or ``insufficient_user_authentication`` (the user must
    authenticate again, RFC 9470).
    """

    reason: Reason
    #: The scopes the server requires for this operation, if it says so.
    required_scopes: tuple[str, ...] | None = None
    #: The scopes that a re-authorization requests. Set during recovery, not by the server.
    authorization_scopes: tuple[str, ...] | None = None
    #: The resource identifier, when known.
    resource: str | None = None
    #: The address of the protected resource metadata (RFC 9728 section 5.1), exactly as the server wrote it.
    resource_metadata: str | None = None
    #: The issuer identifier of the authorization server, when known.
    audience: str | None = None
    #: The requested authentication context classes, in order of preference (RFC 9470 section 3).
    acr_values: tuple[str, ...] | None = None
    #: The largest allowed age of the user's sign-in, in seconds (RFC 9470 section 3).
    max_age: int | None = None
    #: The server's ``error_description``, bounded and without control characters.
    message: str | None = None
    #: What the request was doing.
    context: Operation | None = None
    #: What the server sent.
    raw: RawChallenge | None = None

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> AuthChallenge:
        """The challenge with this JSON form."""
        challenge = read(cls, form)
        context, raw = form.get("context"), form.get("raw")
        return dataclasses.replace(
            challenge,
            context=read(Operation, context) if isinstance(context, Mapping) else None,
            raw=read(RawChallenge, raw) if isinstance(raw, Mapping) else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON form, the same in every language."""
        form: dict[str, Any] = json_of(self)
        return form


def with_challenge(cls: type[_T], form: Mapping[str, Any]) -> _T:
    """A dataclass that may hold a challenge, from its JSON form."""
    challenge = form.get("challenge")
    if not isinstance(challenge, Mapping):
        return read(cls, form)
    return read(cls, {**form, "challenge": AuthChallenge.from_json(challenge)})


@dataclass(frozen=True)
class StepUpRequest:
    """A step-up that the user must confirm."""

    #: The MCP server.
    server: str
    #: The server's challenge, with the operation that was rejected.
    challenge: AuthChallenge
    #: The scopes that are not granted yet.
    new_scopes: tuple[str, ...]
    #: All scopes to request.
    scopes: tuple[str, ...]
    #: The organization's identity provider, if it would grant access without a page for the user.
    identity_provider: str | None = None


@dataclass(frozen=True)
class AuthorizationRequest:
    """A prepared authorization: the user visits ``url``."""

    #: The page to show.
    url: str
    #: The ``state`` that the callback must carry.
    state: str
    #: The redirect URI.
    redirect_uri: str
    #: The MCP server.
    server: str
    #: The authorization server, or for enterprise-managed access the identity provider.
    issuer: str
    #: Whether ``issuer`` is the organization's identity provider.
    at_identity_provider: bool
    #: The requested scopes.
    scopes: tuple[str, ...]
    #: The challenge that caused it.
    challenge: AuthChallenge


@dataclass(frozen=True)
class SessionEvent:
    """An event of a session. It holds no secrets. The kinds, with their members besides ``kind``:

    - ``challenged``: a request was rejected (``challenge``)
    - ``renewed``: the credential was renewed silently (``issuer``, ``scopes``)
    - ``adopted``: another session or process had already renewed it
    - ``idp_session_renewed``: the session at the identity provider was renewed silently (``issuer``)
    - ``renewal_failed``: silent renewal failed (``issuer``, ``code``, ``message``)
    - ``consent_asked``: the user was asked whether to extend access (``new_scopes``)
    - ``authorization_started``: the user was sent to an authorization server (``issuer``, ``scopes``)
    - ``authorized``: the user's authorization arrived (``issuer``, ``scopes``)
    - ``interaction_required``: the user is needed, but no caller waits (``challenge``)
    - ``signed_out``: the credential was cleared
    """

    kind: str
    challenge: AuthChallenge | None = None
    issuer: str | None = None
    scopes: tuple[str, ...] | None = None
    new_scopes: tuple[str, ...] | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class ConnectionState:
    """The state of a connection's authorization. Holds no secrets."""

    #: The MCP server.
    server: str
    #: Whether there is a credential that is not known to have expired.
    authorized: bool
    #: Whether there is a credential at all.
    signed_in: bool
    #: Whether it is bound to a key, so that no other party can use it (RFC 9449).
    bound_to_key: bool
    #: Whether it can be renewed silently.
    renewable: bool
    #: The number of authorizations that were started and not completed.
    pending: int
    #: The granted scopes.
    granted_scopes: tuple[str, ...] = ()
    #: The requested scopes.
    requested_scopes: tuple[str, ...] = ()
    #: The authorization server that granted it.
    issuer: str | None = None
    #: The client ID at the issuer.
    client_id: str | None = None
    #: When it expires, in seconds since 1970, if known.
    expires_at: int | None = None
    #: The issuer of the identity provider it was obtained through, if access is enterprise-managed.
    identity_provider: str | None = None


@dataclass(frozen=True)
class IdentityProviderState:
    """The state of the session at an organization's identity provider. Holds no secrets."""

    #: The identity provider.
    issuer: str
    #: Whether there is an ID token that has not expired.
    authorized: bool
    #: Whether there is a session at all.
    signed_in: bool
    #: Whether it can be renewed silently.
    renewable: bool
    #: The MCP servers with tokens that were obtained through it.
    servers: tuple[str, ...] = ()
    #: The identity provider's identifier (``sub``) of the user who is signed in.
    subject: str | None = None
    #: When the ID token expires, in seconds since 1970.
    expires_at: int | None = None
