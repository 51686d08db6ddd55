"""Sessions for programs without an event loop."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mcp_reauth
import pytest
from mcp_reauth import (
    AuthChallenge,
    AuthorizationRequest,
    Enterprise,
    IdentityProvider,
    Interactive,
    MemoryStore,
    OperationCancelledError,
    Policy,
    ReauthError,
    Satisfied,
    blocking,
)
from mcp_reauth._runner import current_runner
from support.fixture import Fixture
from support.person import Person, visit
from support.sessions import EXPIRED, STEP_UP, WRITE, host
from support.stores import LeasingStore, PlainStore, awaitable
from support.values import PATIENCE, SECRET, VALUES, released

URL = "http://127.0.0.1:9/mcp"


class Plain:
    """A host of plain functions."""

    redirect_uri = Person.redirect_uri

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def confirm_step_up(self, request: object) -> bool:
        self.threads.append(threading.current_thread())
        return True

    def authorize(self, request: AuthorizationRequest) -> str:
        self.threads.append(threading.current_thread())
        return visit(request.url)


HOSTS: dict[str, Callable[[], Any]] = {"plain functions": Plain, "coroutine functions": Person}
STORES: dict[str, Callable[[], Any]] = {
    "in memory": MemoryStore,
    "plain functions": PlainStore,
    "coroutine functions, with leases": lambda: awaitable(LeasingStore),
}


def test_it_has_every_method_of_the_asynchronous_session() -> None:
    pairs = (
        (mcp_reauth.AuthSession, blocking.AuthSession),
        (mcp_reauth.ResourceRequest, blocking.Request),
        (mcp_reauth.IdentityProviderSession, blocking.IdentityProviderSession),
    )
    for cls, own in pairs:
        names = {name for name, member in inspect.getmembers(cls, callable) if not name.startswith("_")}
        assert names == {name for name, member in inspect.getmembers(own, callable) if not name.startswith("_")}
        for name in names:
            assert not inspect.iscoroutinefunction(getattr(own, name))
            assert getattr(own, name).__doc__
    assert mcp_reauth.AuthSession.__annotations__.keys() <= vars(blocking.AuthSession.open(URL)).keys()


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("kind", HOSTS)
def test_all_methods_of_a_session(own_servers: Fixture, kind: str, store: str) -> None:
    given = HOSTS[kind]()
    options: dict[str, Any] = {"host": given, "store": STORES[store]()}
    with blocking.AuthSession.open(own_servers.mcp_url, **options) as session:
        assert session.server_url == own_servers.mcp_url
        assert session.authorization() is None
        assert session.auth_state() is None
        assert isinstance(session.sign_in(), Satisfied)
        assert session.authorization() is not None
        assert session.connection_state().granted_scopes == ("mcp:read",)
        challenge = AuthChallenge("insufficient_scope", required_scopes=("mcp:write",))
        assert not session.check_auth_challenge_satisfied(challenge)
        assert isinstance(session.handle_auth_challenge(challenge, confirmed_step_up=True), Satisfied)
        assert session.check_auth_challenge_satisfied(challenge)
        request = session.request(WRITE)
        assert request.authorize().keys() == {"authorization"}
        own_servers.expire()
        assert request.recover(EXPIRED)
        state = session.auth_state()
        assert state is not None
        with blocking.AuthSession.open(own_servers.mcp_url, profile="other") as other:
            other.set_auth_state(state)
            assert other.authorization() == session.authorization()
        assert session.sign_out() == "done"
        assert session.authorization() is None
    session.close()
    with pytest.raises(OperationCancelledError, match="closed"):
        session.sign_in()


def test_a_web_host_completes_later(servers: Fixture) -> None:
    pages: list[str] = []

    def authorize(request: AuthorizationRequest) -> None:
        pages.append(request.url)

    with blocking.AuthSession.open(servers.mcp_url, host=host(authorize=authorize)) as session:
        assert isinstance(session.sign_in(), Interactive)
        session.complete_authorization(visit(pages[0]))
        assert session.authorization() is not None


def test_hosts_run_in_threads_of_their_own(servers: Fixture) -> None:
    plain = Plain()
    with blocking.AuthSession.open(servers.mcp_url, host=plain) as session:
        assert session.request().recover(EXPIRED)
        request = session.request(WRITE)
        request.authorize()
        assert request.recover(STEP_UP)
    assert len(plain.threads) == 3
    for thread in plain.threads:
        assert thread is not threading.current_thread()
        assert thread.daemon
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_many_threads_share_one_session_and_renew_once(own_servers: Fixture) -> None:
    with blocking.AuthSession.open(own_servers.mcp_url, host=Plain(), store=LeasingStore()) as session:
        assert session.request().recover(EXPIRED)
        own_servers.expire()
        own_servers.reset_counters()
        requests = [session.request() for _ in range(20)]
        for request in requests:
            request.authorize()
        retried: list[bool] = []
        threads = [
            threading.Thread(target=lambda request=request: retried.append(request.recover(EXPIRED)))
            for request in requests
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert retried == [True] * 20
        assert own_servers.counters()["token_refresh"] == 1


def test_closing_ends_what_another_thread_waits_for(servers: Fixture) -> None:
    called, cancelled = threading.Event(), threading.Event()
    failed: list[str] = []

    async def authorize(request: AuthorizationRequest) -> None:
        called.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    session = blocking.AuthSession.open(servers.mcp_url, host=host(authorize=authorize))

    def request() -> None:
        with pytest.raises(ReauthError) as caught:
            session.request().recover(EXPIRED)
        failed.append(caught.value.code)

    thread = threading.Thread(target=request)
    thread.start()
    assert called.wait(PATIENCE)
    session.close()
    thread.join(PATIENCE)
    assert failed == ["cancelled"]
    assert cancelled.wait(PATIENCE)


def test_a_host_that_takes_too_long_is_cancelled(servers: Fixture) -> None:
    cancelled = threading.Event()

    async def authorize(request: AuthorizationRequest) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    policy = Policy(interaction_timeout=0.5)
    with blocking.AuthSession.open(servers.mcp_url, host=host(authorize=authorize), policy=policy) as session:
        with pytest.raises(mcp_reauth.TimedOutError):
            session.request().recover(EXPIRED)
        assert cancelled.wait(PATIENCE)


def test_a_call_that_is_cancelled_before_it_begins_is_not_made() -> None:
    calls: list[None] = []

    async def work() -> None:
        calls.append(None)

    call = current_runner(blocking=True).call(work)
    call.cancel()
    before = set(threading.enumerate())
    call.start()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
    assert calls == []


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_client_of_httpx_with_the_transport(own_servers: Fixture, library: str) -> None:
    http = pytest.importorskip(library, reason=f"{library} is not installed")
    module = pytest.importorskip(f"mcp_reauth.{library}", reason=f"{library} is not installed")
    given = Plain()
    with blocking.AuthSession.open(own_servers.mcp_url, host=given) as session:
        transport = session.transport() if library == "httpx" else module.Transport(session)
        with http.Client(transport=transport) as client:
            for _ in range(2):
                response = client.post(own_servers.mcp_url, json=MESSAGE, headers=HEADERS)
                assert response.status_code == 200, response.text
                assert "hello" in response.text
                own_servers.expire()
        # The same without the transport.
        with http.Client(auth=module.Auth(session)) as client:
            assert client.post(own_servers.mcp_url, json=MESSAGE, headers=HEADERS).status_code == 200
    assert len(given.threads) == 1
    assert own_servers.counters()["token_refresh"] == 2


MESSAGE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "echo",
        "arguments": {"text": "hello"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "mcp-reauth-test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
HEADERS = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "echo",
}


def test_a_failure_is_a_json_rpc_error_and_is_found_again(servers: Fixture) -> None:
    httpx = pytest.importorskip("httpx", reason="httpx is not installed")
    with blocking.AuthSession.open(servers.mcp_url) as session, httpx.Client(transport=session.transport()) as client:
        response = client.post(servers.mcp_url, json=MESSAGE, headers=HEADERS)
        data = response.json()["error"]["data"]
        assert ReauthError.from_json(data).code == "interaction_required"
        # A request that is none of JSON-RPC raises.
        with pytest.raises(mcp_reauth.InteractionRequiredError):
            client.get(servers.mcp_url)


INTERRUPTED = """
import asyncio, sys, threading
from types import SimpleNamespace
from mcp_reauth import blocking

async def authorize(request):
    print("waits", flush=True)
    await asyncio.Event().wait()

host = SimpleNamespace(redirect_uri="http://127.0.0.1:9/cb", confirm_step_up=bool, authorize=authorize)
session = blocking.AuthSession.open({url!r}, host=host)
try:
    session.sign_in()
except KeyboardInterrupt:
    print("interrupted", flush=True)
session.close()
print("closed", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_control_c_ends_the_waiting(servers: Fixture) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.format(url=servers.mcp_url)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"waits\n"
    os.kill(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=PATIENCE)
    assert (out, err, program.returncode) == (b"interrupted\nclosed\n", b"", 0)


AT_EXIT = """
import sys
from types import SimpleNamespace
from mcp_reauth import ReauthError, blocking
import threading

def authorize(request):
    print("waits", flush=True)
    threading.Event().wait()

host = SimpleNamespace(redirect_uri="http://127.0.0.1:9/cb", confirm_step_up=bool, authorize=authorize)
session = blocking.AuthSession.open({url!r}, host=host)

def sign_in():
    try:
        session.sign_in()
    except ReauthError:
        # The session is closed at the end.
        pass

threading.Thread(target=sign_in, daemon=True).start()
sys.stdin.readline()
"""


def test_a_program_can_end_while_a_host_waits(servers: Fixture) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", AT_EXIT.format(url=servers.mcp_url)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"waits\n"
    _, err = program.communicate(b"\n", timeout=PATIENCE)
    assert (err, program.returncode) == (b"", 0)


def enterprise() -> blocking.AuthSession:
    provider = IdentityProvider("https://idp.example", "at-idp")
    return blocking.AuthSession.open(URL, credentials=Enterprise(provider))


def test_the_session_at_an_identity_provider() -> None:
    with enterprise() as session:
        assert session.identity_provider is not None
        state = session.identity_provider.state()
        assert (state.issuer, state.signed_in) == ("https://idp.example", False)
        assert session.identity_provider.sign_out() == "nothing"
    with blocking.AuthSession.open(URL) as session:
        assert session.identity_provider is None


class Half:
    """Half a response."""

    def __init__(self, **members: Any) -> None:
        vars(self).update(members)


#: Each argument, how to give it, and the values that are accepted.
ARGUMENTS: dict[str, tuple[Callable[[blocking.AuthSession, Any], object], set[str]]] = {
    "challenge": (lambda session, value: session.handle_auth_challenge(value), set()),
    "challenge ": (lambda session, value: session.check_auth_challenge_satisfied(value), set()),
    "trigger": (
        lambda session, value: session.handle_auth_challenge(AuthChallenge("token_expired"), trigger=value),
        set(),
    ),
    "confirmed_step_up": (
        lambda session, value: session.handle_auth_challenge(AuthChallenge("token_expired"), confirmed_step_up=value),
        {"True"},
    ),
    "failed": (
        lambda session, value: session.handle_auth_challenge(AuthChallenge("token_expired"), failed=value),
        set(),
    ),
    "scopes": (
        lambda session, value: session.sign_in(value),
        {"text", "empty text", "a list", "an empty list", "a set of text"},
    ),
    "again": (lambda session, value: session.sign_in(again=value), {"True"}),
    "state": (lambda session, value: session.set_auth_state(value), set()),
    "operation": (
        lambda session, value: session.request(value),
        {"text", "empty text", "bytes", "text with a lone surrogate"},
    ),
    "trigger ": (lambda session, value: session.request(trigger=value), set()),
    "url": (lambda session, value: session.request().authorize(url=value), set()),
    "method": (lambda session, value: session.request().authorize(value), {"text"}),
    "response": (lambda session, value: session.request().recover(value), set()),
    "status": (lambda session, value: session.request().recover(Half(status_code=value, headers={})), set()),
    "header fields": (
        lambda session, value: session.request().recover(Half(status_code=200, headers=value)),
        {"empty text", "an empty list", "a dict"},
    ),
    "id_token": (lambda session, value: session.identity_provider.adopt(value), set()),  # type: ignore[union-attr]
    "refresh_token": (lambda session, value: session.identity_provider.adopt("x", value), set()),  # type: ignore[union-attr]
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_of_the_wrong_type_is_refused_by_its_name(name: str) -> None:
    act, accepted = ARGUMENTS[name]
    with enterprise() as session:
        for kind, make in VALUES.items():
            value = make()
            if kind in accepted:
                act(session, value)
                continue
            with pytest.raises(ReauthError) as caught:
                act(session, value)
            if "token" in name and kind == "text":
                assert caught.value.code == "id_token_invalid"
                continue
            assert caught.value.code == "config", (kind, str(caught.value))
            assert name.strip() in str(caught.value), kind
            assert SECRET not in f"{caught.value}{caught.value.sentence}", kind
            released(value)


#: Parts of a challenge of wrong types.
PARTS: dict[str, dict[str, Any]] = {
    "an unknown reason": {"reason": SECRET},
    "a reason that is a status": {"reason": 401},
    "scopes that are text": {"required_scopes": SECRET},
    "scopes that are a set": {"required_scopes": {SECRET}},
    "a scope that is a number": {"required_scopes": (SECRET, 5)},
    "a negative age": {"max_age": -1},
    "an age that is text": {"max_age": SECRET},
    "a message that is bytes": {"message": SECRET.encode()},
    "a context that is text": {"context": SECRET},
    "a status that is too large": {"raw": mcp_reauth.RawChallenge(70_000)},
    "an object": {"resource": object()},
}


@pytest.mark.parametrize("part", PARTS)
def test_a_challenge_with_a_part_of_a_wrong_type_is_refused(part: str) -> None:
    challenge = AuthChallenge(**{"reason": "token_expired", **PARTS[part]})
    with blocking.AuthSession.open(URL) as session:
        for act in (session.handle_auth_challenge, session.check_auth_challenge_satisfied):
            with pytest.raises(mcp_reauth.ConfigError, match="challenge") as caught:
                act(challenge)
            assert SECRET not in f"{caught.value}{caught.value.sentence}"


def test_a_state_that_is_malformed_is_refused_and_changes_nothing() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"x": deep}
    with blocking.AuthSession.open(URL) as session:
        states: list[Any] = [{}, {"grant": None}, {"grant": {"access_token": SECRET}}, {"grant": {SECRET}}, {5: deep}]
        for state in states:
            with pytest.raises(mcp_reauth.ConfigError) as caught:
                session.set_auth_state(state)
            assert SECRET not in f"{caught.value}{caught.value.sentence}"
        assert not session.connection_state().signed_in


def test_an_asynchronous_session_that_is_not_awaited_says_what_to_do() -> None:
    with pytest.raises(AttributeError, match="await it first"):
        mcp_reauth.AuthSession.open(URL).sign_in  # noqa: B018
    with pytest.raises(mcp_reauth.ConfigError, match=r"a session is opened by AuthSession\.open"):
        mcp_reauth.AuthSession(None, None, None)  # type: ignore[arg-type]


def test_the_package_is_imported_without_httpx() -> None:
    program = (
        "import sys; sys.modules.update(httpx=None, httpx2=None, anyio=None, trio=None);"
        "import mcp_reauth, mcp_reauth.blocking, mcp_reauth.wording, mcp_reauth.testing"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE, cwd=Path(__file__).parents[1])
