"""How a session obtains its tokens, and how its client authenticates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from ._check import FLAG, TEXT, check, one_of, refusal
from ._errors import misconfigured


@dataclass(frozen=True)
class Client:
    """A client that is already registered at an authorization server."""

    #: The client ID.
    id: str
    #: Its secret, if it has one. A client has a secret, a key or neither.
    secret: str | None = field(default=None, repr=False)
    #: How it sends its secret, if the server's metadata is missing or wrong: in the ``Authorization`` header
    #: (``basic``) or in the form (``post``).
    secret_method: Literal["basic", "post"] | None = None
    #: Its private key, if it has one (``private_key_jwt``, RFC 7523 section 2.2): PEM, or a JWK as JSON.
    key: str | None = field(default=None, repr=False)
    #: The issuer of the authorization server where it is registered. Required for a client with a secret, a key or
    #: assertions: they are sent nowhere else. Without it nothing is sent, and the error (``config``) names the issuer.
    issuer: str | None = None
    #: Instead of ``issuer``: authenticates to any authorization server that the MCP server names.
    at_any_issuer: bool = False


@dataclass(frozen=True)
class IdentityProvider:
    """An organization's identity provider, and the client registered there."""

    #: Its issuer identifier, byte for byte.
    issuer: str
    #: The client ID of this program at the identity provider.
    client_id: str
    #: The client's secret, if it has one.
    client_secret: str | None = field(default=None, repr=False)
    #: The client's private key, if it has one: PEM, or a JWK as JSON.
    client_key: str | None = field(default=None, repr=False)
    #: Whether to use it. ``False`` has its own error code, different from a missing configuration.
    enabled: bool = True


@dataclass(frozen=True)
class Person:
    """The user signs in (authorization code grant, RFC 6749 section 4.1)."""

    #: By default a client ID metadata document is used, or dynamic registration (RFC 7591).
    client: Client | None = None


@dataclass(frozen=True)
class ClientCredentials:
    """The client acts on its own behalf, with its secret or key (RFC 6749 section 4.4): no user, no host."""

    client: Client


@dataclass(frozen=True)
class Workload:
    """The client is a workload with assertions from its platform (RFC 7523 section 2.1): no user, no host."""

    client: Client
    #: Returns a fresh assertion for the authorization server with the issuer that it is called with. May be a coroutine
    #: function.
    assertion: Callable[[str], str | Awaitable[str]]


@dataclass(frozen=True)
class Enterprise:
    """An organization manages access through this identity provider."""

    #: The identity provider. ``None``: enterprise-managed, but not configured.
    identity_provider: IdentityProvider | None
    #: A client that is already registered at the MCP server's authorization server.
    client: Client | None = None


Credentials = Union[Person, ClientCredentials, Workload, Enterprise]
"""How a session obtains its tokens."""

_CLIENT = {
    "id": TEXT,
    "secret": TEXT,
    "secret_method": one_of("basic", "post"),
    "key": TEXT,
    "issuer": TEXT,
    "at_any_issuer": FLAG,
}
_PROVIDER = {"issuer": TEXT, "client_id": TEXT, "client_secret": TEXT, "client_key": TEXT, "enabled": FLAG}
_KINDS = {Person: "person", ClientCredentials: "client_credentials", Workload: "workload", Enterprise: "enterprise"}


def credentials_json(credentials: object) -> dict[str, Any]:
    """Checks credentials, and returns their JSON for the native part."""
    kind = _KINDS.get(type(credentials))
    if kind is None:
        raise refusal("credentials", f"one of {', '.join(cls.__name__ for cls in _KINDS)}", credentials)
    json: dict[str, Any] = {"kind": kind}
    client = getattr(credentials, "client", None)
    if client is not None:
        json["client"] = _part(client, Client, _CLIENT, "credentials.client", ("id",))
    elif not isinstance(credentials, (Person, Enterprise)):
        raise refusal("credentials.client", "a Client", client)
    if isinstance(credentials, Enterprise):
        provider, required = credentials.identity_provider, ("issuer", "client_id")
        where = "credentials.identity_provider"
        # Not configured, if there is none.
        json["identityProvider"] = (
            None if provider is None else _part(provider, IdentityProvider, _PROVIDER, where, required)
        )
    if isinstance(credentials, Workload) and not callable(credentials.assertion):
        raise refusal("credentials.assertion", "a function", credentials.assertion)
    return json


def _part(part: object, cls: type, kinds: dict[str, Any], where: str, required: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(part, cls):
        raise refusal(where, f"a value of {cls.__name__}", part)
    checked = check({name: getattr(part, name) for name in kinds}, kinds, f"{where}.")
    for name in required:
        if getattr(part, name) is None:
            raise misconfigured(f"{where}.{name} is missing")
    return checked
