"""The options of a session."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from inspect import iscoroutine
from typing import Any, Literal, Union

from ._check import ADDRESS, ADDRESSES, COUNT, FLAG, SCOPES, SECONDS, TEXT, check, member, one_of, read_one, refusal
from ._credentials import Person, Workload, credentials_json
from ._errors import misconfigured
from ._forms import snake
from ._host import check_host
from ._store import place_of

Scopes = Union[str, Iterable[str]]
"""A set of scopes: a list, or the value of a ``scope`` parameter."""

Seconds = Union[int, float, timedelta]
"""A duration: seconds, or a ``timedelta``."""


@dataclass(frozen=True)
class Policy:
    """What a session may do on its own. The defaults suit a program with a user present."""

    #: When a server asks for more scope: ask the user and authorize again (``reauthorize``, the default), or fail
    #: immediately (``throw``).
    on_insufficient_scope: Literal["reauthorize", "throw"] | None = None
    #: The largest number of step-ups for one request (default 1); 0 is the same as ``throw``.
    max_step_up_retries: int | None = None
    #: Whether to ask the user before an enterprise session extends access silently (default ``False``).
    confirm_enterprise_step_up: bool | None = None
    #: Whether the user may be involved at all (default ``True``).
    interaction: bool | None = None
    #: How long before its expiry a credential is renewed (default 30 s).
    refresh_ahead: Seconds | None = None
    #: How long the user may take to answer or to sign in (default 15 minutes).
    interaction_timeout: Seconds | None = None


_POLICY = {
    "on_insufficient_scope": one_of("reauthorize", "throw"),
    "max_step_up_retries": COUNT,
    "confirm_enterprise_step_up": FLAG,
    "interaction": FLAG,
    "refresh_ahead_ms": SECONDS,
    "interaction_timeout_ms": SECONDS,
}

#: Plain settings, with the same names in every language.
SETTINGS = {
    "client_name": TEXT,
    "client_metadata_url": ADDRESS,
    "scopes": SCOPES,
    "profile": TEXT,
    "dpop": one_of("when_asked", "always"),
    "send_resource": FLAG,
    "push_requests": FLAG,
    "consent_prompt": FLAG,
    "allow_endpoints": ADDRESSES,
}
_OTHERS = {"dpop_key": TEXT, "egress": one_of("local", "public")}


@dataclass(frozen=True)
class CheckedOptions:
    """The options, read once: later changes of the application's objects have no effect."""

    #: For the native part. It may hold secrets.
    json: str = field(repr=False)
    server_url: str
    is_enterprise: bool
    host: Any
    store: Any
    http_client: Any
    assertion: Any


def check_options(server_url: object, options: Mapping[str, Any]) -> CheckedOptions:
    """Validates the options."""
    if server_url is None:
        raise misconfigured("server_url is missing: the URL of the MCP server")
    url = read_one(server_url, ADDRESS, "server_url")
    host, store, http_client = options.get("host"), options.get("store"), options.get("http_client")
    credentials = options.get("credentials")
    if credentials is None:
        credentials = Person()
    settings = {**check(options, SETTINGS), "policy": _policy(options.get("policy"))}
    redirect_uri = options.get("redirect_uri")
    if redirect_uri is not None:
        redirect_uri = read_one(redirect_uri, ADDRESS, "redirect_uri")
    if host is not None:
        settings["redirectUri"] = check_host(host, redirect_uri)
    elif redirect_uri is not None:
        settings["redirectUri"] = redirect_uri
    # A coroutine has a function of this name too.
    is_client = not iscoroutine(http_client) and callable(member(http_client, "send", "http_client"))
    if http_client is not None and not is_client:
        raise refusal("http_client", "an object with send", http_client)
    document = {
        **check(options, _OTHERS),
        "serverUrl": url,
        "settings": settings,
        "credentials": credentials_json(credentials),
        "host": host is not None,
        "httpClient": http_client is not None,
        "store": None if store is None else {"place": place_of(store)},
    }
    return CheckedOptions(
        json=json.dumps(document),
        server_url=url,
        is_enterprise=document["credentials"]["kind"] == "enterprise",
        host=host,
        store=store,
        http_client=http_client,
        assertion=credentials.assertion if isinstance(credentials, Workload) else None,
    )


def in_python(answer: str) -> str:
    """An answer of the native part with the names of options as they are in Python."""
    return re.sub(r"\b(?:dpopKey|redirectUri|credentials\.\w+\.\w+)\b", lambda found: snake(found[0]), answer)


def _policy(policy: object) -> dict[str, Any]:
    if policy is None:
        return {}
    if not isinstance(policy, Policy):
        raise refusal("policy", "a Policy", policy)
    given = {name: getattr(policy, name) for name in Policy.__dataclass_fields__}
    for name in ("refresh_ahead", "interaction_timeout"):
        given[f"{name}_ms"] = given.pop(name)
        if given[f"{name}_ms"] is not None:
            read_one(given[f"{name}_ms"], SECONDS, f"policy.{name}")
    return check(given, _POLICY, "policy.")
