"""Options of wrong types are refused by a ``ConfigError`` that names the option and quotes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import mcp_reauth
import pytest
from mcp_reauth import (
    AuthSession,
    Client,
    ClientCredentials,
    ConfigError,
    Credentials,
    Enterprise,
    FileStore,
    HttpRequest,
    HttpResponse,
    IdentityProvider,
    InsecureEndpointError,
    Person,
    Policy,
    StoredRecord,
    TerminalHost,
    Workload,
    blocking,
)
from mcp_reauth._options import check_options
from support.values import SECRET, VALUES, is_closed, quotes_nothing

URL = "http://127.0.0.1:9/mcp"
KEY = {"issuer": "https://idp.example", "client_id": "at-idp"}

TEXT = {"text"}
FLAG = {"True"}
ADDRESS = {"text", "a URL"}
SECONDS = {"a number", "a fraction"}
LISTS = {"a list", "an empty list", "a set of text"}
SCOPES = {"text", "empty text", *LISTS}

#: The values that each option accepts. All others are refused.
OPTIONS: dict[str, set[str]] = {
    "server_url": ADDRESS,
    "client_name": TEXT,
    "host": set(),
    "store": set(),
    "credentials": set(),
    "scopes": SCOPES,
    "profile": TEXT,
    "policy": set(),
    "redirect_uri": ADDRESS,
    "client_metadata_url": ADDRESS,
    "dpop": set(),
    "dpop_key": TEXT,
    "send_resource": FLAG,
    "push_requests": FLAG,
    "consent_prompt": FLAG,
    "allow_endpoints": LISTS,
    "http_client": set(),
    "egress": set(),
}
POLICY: dict[str, set[str]] = {
    "on_insufficient_scope": set(),
    "max_step_up_retries": {"a number"},
    "confirm_enterprise_step_up": FLAG,
    "interaction": FLAG,
    "refresh_ahead": SECONDS,
    "interaction_timeout": SECONDS,
}
CLIENT: dict[str, set[str]] = {
    "id": TEXT,
    "secret": TEXT,
    "secret_method": set(),
    "key": TEXT,
    "issuer": TEXT,
    "at_any_issuer": FLAG,
}
PROVIDER: dict[str, set[str]] = {
    "issuer": TEXT,
    "client_id": TEXT,
    "client_secret": TEXT,
    "client_key": TEXT,
    "enabled": FLAG,
}


def client(**values: Any) -> Client:
    return Client(**{"id": "x", **values})


def provider(**values: Any) -> IdentityProvider:
    return IdentityProvider(**{**KEY, **values})


#: The objects with options: the prefix of the names in errors, what each accepts, and how to set it.
GROUPS: dict[str, tuple[str, dict[str, set[str]], Callable[[str, Any], dict[str, Any]]]] = {
    "session": ("", OPTIONS, lambda name, value: {name: value}),
    "policy": ("policy.", POLICY, lambda name, value: {"policy": Policy(**{name: value})}),
    "credentials of a person": (
        "credentials.",
        {"client": set()},
        lambda name, value: {"credentials": Person(**{name: value})},
    ),
    "client credentials": (
        "credentials.",
        {"client": set()},
        lambda name, value: {"credentials": ClientCredentials(**{name: value})},
    ),
    "credentials of a workload": (
        "credentials.",
        {"client": set(), "assertion": {"a function", "a class"}},
        lambda name, value: {
            "credentials": Workload(**{"client": client(), "assertion": lambda issuer: issuer, name: value})
        },
    ),
    "credentials of an enterprise": (
        "credentials.",
        {"client": set(), "identity_provider": set()},
        lambda name, value: {"credentials": Enterprise(**{"identity_provider": provider(), name: value})},
    ),
    "client": (
        "credentials.client.",
        CLIENT,
        lambda name, value: {"credentials": Person(client(**{name: value}))},
    ),
    "identity provider": (
        "credentials.identity_provider.",
        PROVIDER,
        lambda name, value: {"credentials": Enterprise(provider(**{name: value}))},
    ),
}
CASES = [
    pytest.param(group, name, id=f"{group}: {name}") for group, (_, options, _) in GROUPS.items() for name in options
]


@pytest.mark.parametrize(("group", "name"), CASES)
def test_an_option_of_the_wrong_type_is_refused_by_its_name(group: str, name: str) -> None:
    prefix, options, set_ = GROUPS[group]
    for kind, make in VALUES.items():
        value = make()
        given = {"server_url": URL, **set_(name, value)}
        if kind in options[name]:
            check_options(given.pop("server_url"), given)
            continue
        with pytest.raises(ConfigError) as caught:
            check_options(given.pop("server_url"), given)
        assert f"{prefix}{name}" in str(caught.value), kind
        quotes_nothing(caught.value)
        # Otherwise Python warns that it was never awaited.
        assert is_closed(value), kind


@pytest.mark.parametrize(("group", "name"), CASES)
def test_an_option_of_the_right_type_opens_a_session_or_is_named_by_the_error(group: str, name: str) -> None:
    prefix, options, set_ = GROUPS[group]
    for kind in options[name]:
        given = {"server_url": URL, **set_(name, VALUES[kind]())}
        try:
            blocking.AuthSession.open(**given).close()
        except ConfigError as error:
            # Addresses are quoted: they are no secrets.
            if options[name] not in (ADDRESS, LISTS):
                quotes_nothing(error)
                assert prefix + name in str(error)
        except InsecureEndpointError:
            assert "issuer" in name


def test_the_table_has_every_option() -> None:
    assert AuthSession.open.__annotations__.keys() - {"return"} == OPTIONS.keys()
    for cls, table in ((Policy, POLICY), (Client, CLIENT), (IdentityProvider, PROVIDER)):
        assert {field.name for field in dataclasses.fields(cls)} == table.keys()


def test_the_message_says_what_an_option_must_be_and_what_it_is() -> None:
    for options, message in (
        ({"client_name": ""}, "client_name must be a string, and is empty"),
        ({"client_name": 5}, "client_name must be a string, and is a value of type int"),
        ({"dpop": "often"}, "dpop must be 'when_asked' or 'always', and is a value of type str"),
        (
            {"policy": Policy(max_step_up_retries=256)},
            "policy.max_step_up_retries must be a whole number from 0 to 255",
        ),
        ({"policy": Policy(refresh_ahead="5")}, "policy.refresh_ahead must be a number of seconds or a timedelta"),  # type: ignore[arg-type]
        ({"allow_endpoints": "https://a.example"}, "allow_endpoints must be a list of addresses"),
        ({"credentials": Person(Client(None))}, "credentials.client.id is missing"),  # type: ignore[arg-type]
        ({"credentials": Person}, "credentials must be one of Person, ClientCredentials, Workload, Enterprise"),
        ({"policy": {"interaction": False}}, "policy must be a Policy, and is a value of type dict"),
    ):
        with pytest.raises(ConfigError) as caught:
            check_options(URL, options)
        assert message in str(caught.value)


def test_a_coroutine_is_called_one_that_was_not_awaited() -> None:
    for name in OPTIONS:
        value = VALUES["a coroutine"]()
        options = {"server_url": URL, name: value}
        with pytest.raises(ConfigError, match=f"{name} must be .*, and is a coroutine that was not awaited"):
            check_options(options.pop("server_url"), options)
        assert is_closed(value)


def test_a_server_url_that_is_missing_is_explained() -> None:
    with pytest.raises(ConfigError, match="server_url is missing: the URL of the MCP server"):
        check_options(None, {})


def test_an_unknown_option_is_refused_as_python_does() -> None:
    for open_ in (AuthSession.open, blocking.AuthSession.open):
        with pytest.raises(TypeError, match="clientname"):
            open_(URL, clientname="x")  # type: ignore[call-arg]


def test_a_timedelta_is_a_duration() -> None:
    for value in (1.5, timedelta(seconds=1.5)):
        checked = check_options(URL, {"policy": Policy(refresh_ahead=value)})
        assert '"refreshAheadMs": 1500' in checked.json


def test_later_changes_of_a_list_have_no_effect() -> None:
    scopes = ["a"]
    checked = check_options(URL, {"scopes": scopes})
    scopes.append("b")
    assert '"scopes": ["a"]' in checked.json


EXCLUSIVE = {
    "credentials.client.secret and credentials.client.key": Person(client(secret=SECRET, key=SECRET)),
    "credentials.client.issuer and credentials.client.at_any_issuer": Person(
        client(issuer="https://as.example", at_any_issuer=True)
    ),
    "credentials.identity_provider.client_secret and credentials.identity_provider.client_key": Enterprise(
        provider(client_secret=SECRET, client_key=SECRET)
    ),
}


@pytest.mark.parametrize("names", EXCLUSIVE)
def test_options_that_exclude_each_other_are_both_named(names: str) -> None:
    with pytest.raises(ConfigError) as caught:
        blocking.AuthSession.open(URL, credentials=EXCLUSIVE[names])
    assert f"{names} are both given" in str(caught.value)
    quotes_nothing(caught.value)


KEYS: dict[str, Any] = {
    "dpop_key": {"dpop_key": SECRET},
    "credentials.client.key": {"credentials": Person(client(key=SECRET))},
    "credentials.identity_provider.client_key": {"credentials": Enterprise(provider(client_key=SECRET))},
}


@pytest.mark.parametrize("name", KEYS)
def test_what_is_no_key_is_refused_by_the_name_of_the_option(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: this is not a key file") as caught:
        blocking.AuthSession.open(URL, **KEYS[name])
    quotes_nothing(caught.value)


#: Addresses are quoted: they are no secrets.
ADDRESSES: dict[str, Any] = {
    "the redirect URI": {"redirect_uri": "callback"},
    "the client metadata URL": {"client_metadata_url": "https://a.example"},
    "the allowed endpoint": {"allow_endpoints": ["https://a.example/x"]},
    "the server address": {"server_url": "127.0.0.1"},
}


@pytest.mark.parametrize("what", ADDRESSES)
def test_an_address_that_is_none_is_refused_with_advice(what: str) -> None:
    with pytest.raises(ConfigError, match=f'{what} ".*" (is not|must be)'):
        blocking.AuthSession.open(**{"server_url": URL, **ADDRESSES[what]})


def test_a_server_that_is_neither_https_nor_loopback_is_refused() -> None:
    with pytest.raises(mcp_reauth.InsecureEndpointError):
        blocking.AuthSession.open("http://mcp.example/mcp")


def test_the_path_of_a_file_store_is_checked() -> None:
    for kind, make in VALUES.items():
        if kind in ("text", "a path"):
            continue
        with pytest.raises(ConfigError, match="path of a FileStore must be a string or a path") as caught:
            FileStore(make())
        quotes_nothing(caught.value)


def test_the_options_of_a_terminal_host_are_checked() -> None:
    kinds = {"redirect_uri": set[str](), "open_browser": FLAG, "assume_yes": FLAG}
    for name, accepted in kinds.items():
        for kind, make in VALUES.items():
            if kind in accepted:
                continue
            with pytest.raises(ConfigError, match=name) as caught:
                TerminalHost(**{name: make()})
            quotes_nothing(caught.value)


SECRETIVE: dict[str, Callable[[], object]] = {
    "Client": lambda: Client("x", secret=SECRET, key=SECRET),
    "IdentityProvider": lambda: provider(client_secret=SECRET, client_key=SECRET),
    "Person": lambda: Person(Client("x", secret=SECRET)),
    "ClientCredentials": lambda: ClientCredentials(Client("x", key=SECRET)),
    "Enterprise": lambda: Enterprise(provider(client_secret=SECRET), Client("x", secret=SECRET)),
    "HttpRequest": lambda: HttpRequest("POST", URL, [("authorization", SECRET)], SECRET.encode(), 1),
    "HttpResponse": lambda: HttpResponse(200, [("set-cookie", SECRET)], SECRET.encode()),
    "StoredRecord": lambda: StoredRecord(1, SECRET),
}


@pytest.mark.parametrize("name", SECRETIVE)
def test_a_secret_is_not_in_a_representation(name: str) -> None:
    value = SECRETIVE[name]()
    for shown in (repr(value), str(value), f"{value!r:s}", f"{[value]}"):
        assert SECRET not in shown
        assert name in shown


def test_the_options_of_a_session_are_not_in_a_representation() -> None:
    credentials: Credentials = Person(Client("x", secret=SECRET, at_any_issuer=True))
    with blocking.AuthSession.open(URL, credentials=credentials) as session:
        assert repr(session) == f"<AuthSession {URL}>"
        parts = session._session.parts
        for value in (session, session._session, parts, parts._options):
            assert SECRET not in repr(value)
    assert SECRET not in repr(AuthSession.open(URL, credentials=credentials))
