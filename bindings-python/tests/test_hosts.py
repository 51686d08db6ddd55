"""Hosts in Python, well-behaved and not: plain and coroutine functions, in asyncio, uvloop and trio."""

from __future__ import annotations

import asyncio
import contextvars
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import mcp_reauth
import pytest
from mcp_reauth import (
    AuthorizationRequest,
    AuthSession,
    ConfigError,
    Failed,
    HostError,
    Interactive,
    MemoryStore,
    Policy,
    Satisfied,
    StepUpRequest,
    blocking,
)
from support.fixture import Fixture
from support.person import Person, visit
from support.sessions import CALLS, failure, first_request, host, in_both_ways, open_at, write
from support.values import PATIENCE, RAISED, VALUES, Hostile, Object, quotes_nothing, released

pytestmark = pytest.mark.anyio


def raises(make: Callable[[], BaseException]) -> Callable[[], Any]:
    def act() -> Any:
        raise make()

    return act


def complaints() -> list[Any]:
    """What the event loop will complain of."""
    found: list[Any] = []
    try:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    except RuntimeError:
        # Trio ends the program instead.
        pass
    return found


@pytest.mark.parametrize("name", CALLS)
async def test_what_a_host_raises_is_the_cause_of_a_host_error(servers: Fixture, name: str) -> None:
    complained = complaints()
    for make, words in RAISED.values():
        thrown = make()
        for function in in_both_ways(raises(lambda thrown=thrown: thrown)).values():  # type: ignore[misc]
            async with open_at(servers.mcp_url, host=host(**{name: function})) as session:
                with anyio.fail_after(PATIENCE):
                    error = await failure(CALLS[name](session))
            assert isinstance(error, HostError)
            assert words in str(error)
            assert error.__cause__ is thrown
    assert complained == []


async def test_an_outcome_has_the_cause_too(servers: Fixture) -> None:
    thrown = ValueError("the browser does not start")
    functions = in_both_ways(raises(lambda: thrown))
    async with open_at(servers.mcp_url, host=host(authorize=functions["coroutine"])) as session:
        outcome = await session.sign_in()
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "host"
    assert outcome.error.__cause__ is thrown


async def test_a_host_that_failed_is_called_again_by_the_next_request(servers: Fixture) -> None:
    person = Person()
    answers: list[Any] = [ValueError("the browser does not start")]

    async def authorize(request: AuthorizationRequest) -> str | None:
        if answers:
            raise answers.pop()
        return await person.authorize(request)

    async with open_at(servers.mcp_url, host=host(authorize=authorize)) as session:
        assert (await failure(first_request(session))).code == "host"
        assert (await session.connection_state()).pending == 0
        assert await first_request(session)


@pytest.mark.parametrize("name", CALLS)
async def test_a_host_that_is_cancelled_by_its_user_cancels_the_request(servers: Fixture, name: str) -> None:
    def cancelled() -> BaseException:
        return mcp_reauth.OperationCancelledError("stop")

    def of_asyncio() -> BaseException:
        return asyncio.CancelledError()

    for make in (cancelled, of_asyncio):
        for function in in_both_ways(raises(make)).values():
            async with open_at(servers.mcp_url, host=host(**{name: function})) as session:
                assert (await failure(CALLS[name](session))).code == "cancelled"
                if name == "confirm_step_up":
                    assert (await session.connection_state()).signed_in


PROGRAM = """
import asyncio, sys
from types import SimpleNamespace
from mcp_reauth import AuthSession, ReauthError
sys.path.append({tests!r})

def authorize(request):
    raise {exception}

async def main():
    host = SimpleNamespace(redirect_uri="http://127.0.0.1:9/cb", confirm_step_up=bool, authorize=authorize)
    async with AuthSession.open({url!r}, host=host) as session:
        await session.sign_in()
    print("went on")

asyncio.run(main())
"""


@pytest.mark.parametrize(("exception", "code"), [("KeyboardInterrupt", None), ("SystemExit(7)", 7)])
def test_a_host_can_end_an_asyncio_program(servers: Fixture, exception: str, code: int | None) -> None:
    program = PROGRAM.format(tests="tests", exception=exception, url=servers.mcp_url)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert "went on" not in ended.stdout
    assert exception.partition("(")[0] in ended.stderr if code is None else ended.returncode == code
    assert "never" not in ended.stderr


NO_CALLBACK = [kind for kind in VALUES if "text" not in kind and kind not in ("a URL", "a coroutine", "a dict")]
NO_FLAG = [kind for kind in VALUES if kind not in ("True", "a coroutine")]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("name", "kinds", "message"),
    [
        ("confirm_step_up", NO_FLAG, "host.confirm_step_up must return True or False, and returned"),
        ("authorize", NO_CALLBACK, "host.authorize returns"),
        ("redirect_uri", [kind for kind in VALUES if kind not in ("text", "a coroutine")], "redirect.(uri|URI)"),
    ],
)
async def test_what_a_host_returns_has_the_right_type(
    servers: Fixture, name: str, kinds: list[str], message: str
) -> None:
    for kind in kinds:
        for function in in_both_ways(VALUES[kind]).values():
            async with open_at(servers.mcp_url, host=host(**{name: function})) as session:
                with anyio.fail_after(PATIENCE):
                    error = await failure(CALLS[name](session))
            assert error.code == "host", kind
            assert re.search(message, str(error)), kind
            if name != "redirect_uri":
                quotes_nothing(error)


async def test_no_function_but_authorize_may_return_none(servers: Fixture) -> None:
    for name in ("confirm_step_up", "redirect_uri"):
        for function in in_both_ways(lambda: None).values():
            async with open_at(servers.mcp_url, host=host(**{name: function})) as session:
                error = await failure(CALLS[name](session))
            assert error.code == "host"
            assert f"host.{name} must return" in str(error)
            assert "None" in str(error)


async def test_a_user_who_declines_is_asked_again_by_the_next_request(servers: Fixture) -> None:
    for answer in in_both_ways(lambda: False).values():
        async with open_at(servers.mcp_url, host=host(confirm_step_up=answer)) as session:
            for _ in range(2):
                assert (await failure(write(session))).code == "consent_denied"
            assert await first_request(session)


async def test_a_host_of_plain_functions_is_enough(servers: Fixture) -> None:
    asked: list[Any] = []

    class Plain:
        redirect_uri = Person.redirect_uri

        def confirm_step_up(self, request: StepUpRequest) -> bool:
            asked.append(request)
            return True

        def authorize(self, request: AuthorizationRequest) -> str:
            asked.append(request)
            return visit(request.url)

    async with AuthSession.open(servers.mcp_url, host=Plain()) as session:
        assert await write(session)
        granted = session.authorization()
    assert granted is not None
    assert set(granted.scopes) == {"mcp:read", "mcp:write"}
    assert [type(one) for one in asked] == [AuthorizationRequest, StepUpRequest, AuthorizationRequest]
    assert asked[1].new_scopes == ("mcp:write",)
    assert asked[1].challenge.context.tool_name == "write_note"
    assert asked[2].scopes == ("mcp:read", "mcp:write")


async def test_a_redirect_uri_may_be_a_function_of_whether_the_client_is_registered(servers: Fixture) -> None:
    given: list[bool] = []

    def plain(registered: bool) -> str:
        given.append(registered)
        return Person.redirect_uri

    async def coroutine(registered: bool) -> str:
        return plain(registered)

    for function in (plain, coroutine):
        async with open_at(servers.mcp_url, host=host(redirect_uri=function)) as session:
            assert await first_request(session)
    assert given == [False, False]


async def test_a_redirect_uri_may_be_an_option(servers: Fixture) -> None:
    options = {"host": host(redirect_uri=None), "redirect_uri": Person.redirect_uri}
    async with open_at(servers.mcp_url, **options) as session:
        assert await first_request(session)


async def forever() -> None:
    await anyio.sleep_forever()


class Slow:
    """A function that never returns. It notes when it is called, and when it is cancelled."""

    def __init__(self) -> None:
        self.called = anyio.Event()
        self.cancelled = anyio.Event()

    async def __call__(self, *_: object) -> None:
        self.called.set()
        try:
            await forever()
        except BaseException as error:
            assert isinstance(error, anyio.get_cancelled_exc_class())
            self.cancelled.set()
            raise


@pytest.mark.parametrize("name", CALLS)
async def test_closing_a_session_cancels_its_host(servers: Fixture, name: str) -> None:
    slow = Slow()
    failures: list[str] = []
    session = await open_at(servers.mcp_url, host=host(**{name: slow}))

    async def request() -> None:
        failures.append((await failure(CALLS[name](session))).code)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(request)
            await slow.called.wait()
            await session.close()
        await slow.cancelled.wait()
    assert failures == ["cancelled"]


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", CALLS)
async def test_a_host_that_takes_too_long_is_cancelled_at_the_limit(servers: Fixture, name: str) -> None:
    slow = Slow()
    policy = Policy(interaction_timeout=1)
    async with open_at(servers.mcp_url, host=host(**{name: slow}), policy=policy) as session:
        with anyio.fail_after(PATIENCE):
            assert (await failure(CALLS[name](session))).code == "timeout"
            await slow.cancelled.wait()
        # The session goes on.
        assert (await session.connection_state()).pending == 0


LATE: dict[str, Callable[[], Any]] = {
    "text": lambda: "late",
    "True": lambda: True,
    "an object": Object,
    "an exception": raises(lambda: ValueError("late")),
}


@pytest.mark.parametrize("kind", LATE)
@pytest.mark.parametrize("name", CALLS)
async def test_a_host_that_answers_after_its_session_was_closed_does_no_harm(
    servers: Fixture, name: str, kind: str
) -> None:
    complained = complaints()
    called, answering, answered = anyio.Event(), anyio.Event(), anyio.Event()

    async def answer(*_: object) -> Any:
        called.set()
        with anyio.CancelScope(shield=True):
            try:
                await answering.wait()
            except BaseException:
                # Asyncio's own cancellation ignores the shield.
                pass
        answered.set()
        return LATE[kind]()

    codes: list[str] = []
    session = await open_at(servers.mcp_url, host=host(**{name: answer}))

    async def request() -> None:
        codes.append((await failure(CALLS[name](session))).code)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(request)
            await called.wait()
            await session.close()
            answering.set()
        await answered.wait()
    assert codes == ["cancelled"]
    assert complained == []


async def test_cancelling_a_request_leaves_the_host_to_its_user(servers: Fixture) -> None:
    answer, called = anyio.Event(), anyio.Event()
    pages: list[str] = []

    async def authorize(request: AuthorizationRequest) -> str:
        pages.append(request.url)
        called.set()
        await answer.wait()
        return visit(request.url)

    async with open_at(servers.mcp_url, host=host(authorize=authorize)) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first_request, session)
            await called.wait()
            tasks.cancel_scope.cancel()
        answer.set()
        with anyio.fail_after(PATIENCE):
            # The next caller needs no second page.
            assert await first_request(session)
    assert len(pages) == 1


async def test_a_host_may_use_and_close_its_session(servers: Fixture) -> None:
    states: list[bool] = []

    async def confirm_step_up(_: StepUpRequest) -> bool:
        states.append((await session.connection_state()).authorized)
        await session.close()
        return True

    session = await open_at(servers.mcp_url, host=host(confirm_step_up=confirm_step_up))
    with anyio.fail_after(PATIENCE):
        assert (await failure(write(session))).code == "cancelled"
    assert states == [True]


WHERE: contextvars.ContextVar[str] = contextvars.ContextVar("WHERE", default="nowhere")


async def test_a_host_runs_in_the_context_that_its_session_was_opened_in(servers: Fixture) -> None:
    person = Person()
    seen: dict[str, str] = {}

    class Watched:
        def redirect_uri(self, registered: bool) -> str:
            seen["redirect_uri"] = WHERE.get()
            return person.redirect_uri

        async def confirm_step_up(self, request: StepUpRequest) -> bool:
            await anyio.lowlevel.checkpoint()
            seen["confirm_step_up"] = WHERE.get()
            # Seen by no other call.
            WHERE.set("changed")
            return True

        async def authorize(self, request: AuthorizationRequest) -> str | None:
            seen["authorize"] = WHERE.get()
            return await person.authorize(request)

    WHERE.set("open")
    session = await AuthSession.open(servers.mcp_url, host=Watched())
    WHERE.set("later")
    async with session:
        assert await write(session)
    assert seen == dict.fromkeys(("redirect_uri", "confirm_step_up", "authorize"), "open")


async def test_a_host_runs_in_the_thread_of_its_session(servers: Fixture) -> None:
    threads: list[int] = []

    def confirm(_: object) -> bool:
        threads.append(threading.get_ident())
        return True

    async with open_at(servers.mcp_url, host=host(confirm_step_up=confirm)) as session:
        assert await write(session)
    assert threads == [threading.get_ident()]


def test_a_host_that_lacks_a_function_is_refused_by_its_name() -> None:
    for name in ("confirm_step_up", "authorize"):
        functions = vars(host())
        del functions[name]
        for lacking in (SimpleNamespace(**functions), SimpleNamespace(**functions, **{name: "x"})):
            with pytest.raises(ConfigError, match=f"host.{name} must be a function"):
                blocking.AuthSession.open("http://127.0.0.1:9/mcp", host=lacking)


def test_a_host_without_a_redirect_uri_is_refused() -> None:
    for kind, make in VALUES.items():
        if kind in ("text", "a function", "a class", "a URL"):
            continue
        with pytest.raises(ConfigError, match=r"host\.redirect_uri must be") as caught:
            blocking.AuthSession.open("http://127.0.0.1:9/mcp", host=host(redirect_uri=make()))
        quotes_nothing(caught.value)
    with pytest.raises(ConfigError, match="redirect_uri is missing"):
        blocking.AuthSession.open("http://127.0.0.1:9/mcp", host=host(redirect_uri=None))
    options = {"host": host(), "redirect_uri": Person.redirect_uri}
    with pytest.raises(ConfigError, match="redirect_uri is set in the options and by host"):
        blocking.AuthSession.open("http://127.0.0.1:9/mcp", **options)


def test_a_host_that_raises_when_it_is_looked_at_is_refused_with_the_cause() -> None:
    with pytest.raises(ConfigError, match=r"host\.confirm_step_up cannot be read") as caught:
        blocking.AuthSession.open("http://127.0.0.1:9/mcp", host=Hostile())
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_coroutine_in_the_place_of_a_function_is_refused() -> None:
    value = VALUES["a coroutine"]()
    with pytest.raises(ConfigError, match=r"host\.authorize must be a function, and is a coroutine"):
        blocking.AuthSession.open("http://127.0.0.1:9/mcp", host=host(authorize=value))
    released(value)


class Web:
    """A host of a web application, which navigates away."""

    redirect_uri = Person.redirect_uri

    def __init__(self) -> None:
        self.pages: list[AuthorizationRequest] = []

    def confirm_step_up(self, request: StepUpRequest) -> bool:
        return True

    async def authorize(self, request: AuthorizationRequest) -> None:
        self.pages.append(request)


class TwoOfAll(dict[str, str]):
    """Parameters as Starlette has them: ``items`` has the last of each only."""

    def multi_items(self) -> list[tuple[str, str]]:
        return [*self.items(), *self.items()]


def parameters(callback: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(callback).query))


CALLBACKS: dict[str, Callable[[str], Any]] = {
    "the address": str,
    "the query": lambda callback: callback.partition("?")[2],
    "its parameters": parameters,
    "its parameters, with None": lambda callback: {**parameters(callback), "error": None},
    "its parameters, as lists": lambda callback: {name: [value] for name, value in parameters(callback).items()},
    "a URL of httpx": lambda callback: pytest.importorskip("httpx", reason="no httpx").URL(callback),
    "a URL of httpx2": lambda callback: pytest.importorskip("httpx2", reason="no httpx2").URL(callback),
}


@pytest.mark.parametrize("kind", CALLBACKS)
async def test_a_web_host_completes_later_with(servers: Fixture, kind: str) -> None:
    web = Web()
    async with AuthSession.open(servers.mcp_url, host=web) as session:
        outcome = await session.sign_in()
        assert isinstance(outcome, Interactive)
        assert outcome.authorization_url == web.pages[0].url
        assert outcome.state == web.pages[0].state
        assert (await session.connection_state()).pending == 1
        error = await failure(first_request(session))
        assert error.code == "interaction_required"
        assert error.authorization_url == web.pages[-1].url
        await session.complete_authorization(CALLBACKS[kind](visit(web.pages[-1].url)))
        assert isinstance(await session.sign_in(), Satisfied)


async def test_a_callback_with_a_repeated_parameter_is_not_taken_for_one_without(servers: Fixture) -> None:
    web = Web()
    async with AuthSession.open(servers.mcp_url, host=web) as session:
        await session.sign_in()
        good = parameters(visit(web.pages[0].url))
        for repeated in (TwoOfAll(good), {**good, "iss": [good["iss"], good["iss"]]}):
            error = await failure(session.complete_authorization(repeated))
            assert error.code in ("issuer_mismatch", "state_mismatch"), str(error)


async def test_a_callback_of_another_type_is_refused_and_not_quoted(servers: Fixture) -> None:
    async with open_at(servers.mcp_url) as session:
        for kind, make in VALUES.items():
            if "text" in kind or kind == "a URL":
                continue
            value = make()
            error = await failure(session.complete_authorization(value))
            assert error.code == "config" if kind != "a dict" else error.code == "state_mismatch", kind
            quotes_nothing(error)
        for value in ({"state": 5}, {"state": object()}, {"state": [None]}, {5: "x"}):
            error = await failure(session.complete_authorization(value))
            assert error.code == "config"
            quotes_nothing(error)


@pytest.mark.parametrize("way", ["plain", "coroutine"])
async def test_another_session_that_has_the_page_open_is_told_of(servers: Fixture, way: str) -> None:
    store = MemoryStore()
    told: list[str] = []
    opened, answer, elsewhere = anyio.Event(), anyio.Event(), anyio.Event()

    async def authorize(request: AuthorizationRequest) -> str:
        opened.set()
        await answer.wait()
        return visit(request.url)

    def plain(server: str) -> None:
        told.append(server)
        elsewhere.set()

    async def coroutine(server: str) -> None:
        plain(server)

    tell = plain if way == "plain" else coroutine
    async with (
        open_at(servers.mcp_url, store=store, host=host(authorize=authorize)) as first,
        open_at(servers.mcp_url, store=store, host=host(authorize=forever, sign_in_elsewhere=tell)) as second,
    ):
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first_request, first)
                await opened.wait()
                tasks.start_soon(first_request, second)
                await elsewhere.wait()
                answer.set()
    assert told == [servers.mcp_url]


async def test_many_sessions_that_fail_at_once_keep_their_causes_apart(servers: Fixture) -> None:
    thrown = [ValueError(f"host {number}") for number in range(40)]
    causes: dict[int, BaseException | None] = {}

    async def run(number: int) -> None:
        functions = in_both_ways(raises(lambda: thrown[number]))
        async with open_at(servers.mcp_url, host=host(authorize=functions["coroutine"])) as session:
            causes[number] = (await failure(first_request(session))).__cause__

    async with anyio.create_task_group() as tasks:
        for number in range(len(thrown)):
            tasks.start_soon(run, number)
    assert [causes[number] for number in range(len(thrown))] == thrown
