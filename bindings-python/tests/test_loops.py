"""Event loops: several, one after the other and in threads, of every kind; their end, and the end of the program."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import subprocess
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
import trio
from mcp_reauth import AuthorizationRequest, AuthSession, ReauthError, blocking
from support.fixture import PATIENCE, Fixture
from support.person import Person
from support.programs import run, start

Run = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]


def by_asyncio(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(main())


def by_uvloop(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})


def by_trio(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return trio.run(main)


RUNS = [
    by_asyncio,
    pytest.param(
        by_uvloop, marks=pytest.mark.skipif(not importlib.util.find_spec("uvloop"), reason="uvloop is not installed")
    ),
    by_trio,
]
loops = pytest.mark.parametrize("run_loop", RUNS)


@loops
def test_loops_one_after_the_other_have_their_own_sessions(run_loop: Run) -> None:
    with Fixture() as fixture:
        for _ in range(3):
            person = Person()

            async def main(person: Person = person) -> None:
                async with AuthSession.open(fixture.mcp_url, host=person) as session:
                    assert (await session.sign_in()).kind == "satisfied"

            run_loop(main)
            assert person.prompts == (0, 1)


def test_a_loop_that_stops_and_runs_again_goes_on_with_its_session() -> None:
    # As in a notebook, between two cells.
    with Fixture() as fixture:
        loop = asyncio.new_event_loop()
        try:
            person = Person()
            opening = AuthSession.open(fixture.mcp_url, host=person)

            async def opened() -> AuthSession:
                return await opening

            session = loop.run_until_complete(opened())
            for again in (False, True, True):
                outcome = loop.run_until_complete(session.sign_in(again=again))
                assert outcome.kind == "satisfied"
            assert person.prompts == (0, 3)
            loop.run_until_complete(session.close())
        finally:
            loop.close()


@loops
def test_a_thread_with_a_loop_of_its_own_uses_a_session(run_loop: Run) -> None:
    with Fixture() as fixture:
        person = Person()
        threads: list[threading.Thread] = []
        person.authorize = _recording(person.authorize, threads)  # type: ignore[method-assign]

        async def main() -> None:
            async with AuthSession.open(fixture.mcp_url, host=person) as session:

                def elsewhere() -> Any:
                    return by_asyncio(session.sign_in), by_trio(session.connection_state)

                outcome, state = await anyio.to_thread.run_sync(elsewhere)
                assert outcome.kind == "satisfied"
                assert state.authorized

        run_loop(main)
        # The host runs where the session was opened.
        assert threads == [threading.current_thread()]


def _recording(authorize: Any, threads: list[threading.Thread]) -> Any:
    async def recorded(request: AuthorizationRequest) -> Any:
        threads.append(threading.current_thread())
        return await authorize(request)

    return recorded


@loops
@pytest.mark.parametrize("other", [by_asyncio, by_trio])
def test_a_session_whose_loop_has_ended_says_so(run_loop: Run, other: Run) -> None:
    with Fixture() as fixture:
        sessions = []

        async def main() -> None:
            sessions.append(await AuthSession.open(fixture.mcp_url, host=Person()))

        run_loop(main)
        (session,) = sessions

        async def later() -> ReauthError:
            with anyio.fail_after(PATIENCE):
                outcome = await session.sign_in()
            assert outcome.kind == "failed"
            await session.close()
            return outcome.error

        error = other(later)
        assert error.code == "host"
        assert "the event loop that the session was opened in has ended" in str(error)


@loops
def test_a_loop_that_ends_with_a_question_pending_does_not_hang(run_loop: Run) -> None:
    with Fixture() as fixture:
        asked = threading.Event()

        class Silent(Person):
            async def authorize(self, request: AuthorizationRequest) -> str | None:
                asked.set()
                await anyio.sleep_forever()
                return None

        async def main() -> None:
            session = await AuthSession.open(fixture.mcp_url, host=Silent())
            with anyio.move_on_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(session.sign_in)
                    while not asked.is_set():
                        await anyio.sleep(0.001)
                    group.cancel_scope.cancel()

        run_loop(main)
        assert asked.is_set()


def test_a_timeout_of_asyncio_ends_what_it_is_for_and_nothing_else() -> None:
    timeout: Any = getattr(asyncio, "timeout", None)
    if timeout is None:
        pytest.skip("asyncio.timeout exists from Python 3.11 on")
    with Fixture() as fixture:

        async def main() -> None:
            asked, answer = asyncio.Event(), asyncio.Event()

            class Slow(Person):
                async def authorize(self, request: AuthorizationRequest) -> str | None:
                    asked.set()
                    await answer.wait()
                    return await super().authorize(request)

            person = Slow()
            async with AuthSession.open(fixture.mcp_url, host=person) as session:
                other = asyncio.create_task(session.sign_in())
                await asked.wait()
                with pytest.raises(TimeoutError):
                    async with timeout(0.05):
                        await session.sign_in()
                task: Any = asyncio.current_task()
                assert task.cancelling() == 0
                answer.set()
                assert (await other).kind == "satisfied"
                assert person.prompts == (0, 1)

        asyncio.run(main())


#: A program whose user never answers: asynchronous, or blocking.
PENDING = """
import asyncio, sys, threading
import anyio
from mcp_reauth import AuthSession, ReauthError, blocking
from support.person import Person

class Silent(Person):
    async def authorize(self, request):
        print("asked", flush=True)
        await anyio.sleep_forever()

way, url = sys.argv[1:]

async def main():
    async with AuthSession.open(url, host=Silent()) as session:
        await session.sign_in()

def block():
    with blocking.AuthSession.open(url, host=Silent()) as session:
        session.sign_in()

def leave(session):
    try:
        session.sign_in()
    except ReauthError:
        # The exit closes the session.
        pass

if way == "blocking":
    block()
elif way == "daemon":
    session = blocking.AuthSession.open(url, host=Silent())
    threading.Thread(target=leave, args=[session], daemon=True).start()
    sys.stdin.readline()
elif way == "leaves":
    session = blocking.AuthSession.open(url, host=Silent())
    threading.Thread(target=leave, args=[session], daemon=True).start()
    sys.stdin.readline()
    sys.exit(7)
elif way == "raises":
    async def raising():
        session = await AuthSession.open(url, host=Silent())
        task = asyncio.create_task(session.sign_in())
        await asyncio.to_thread(sys.stdin.readline)
        sys.exit(7)
    asyncio.run(raising())
else:
    anyio.run(main, backend=way)
"""


def pending(way: str, fixture: Fixture) -> subprocess.Popen[str]:
    """Starts that program, and waits for its question."""
    process = start("-c", PENDING, way, fixture.mcp_url)
    assert process.stdout is not None
    line = process.stdout.readline()
    if line != "asked\n":
        process.kill()
        raise AssertionError(process.communicate())
    return process


def ended(process: subprocess.Popen[str], given: str | None = None) -> tuple[int, str]:
    try:
        _, errors = process.communicate(given, timeout=PATIENCE)
        return process.returncode, errors
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("way", ["asyncio", "trio", "blocking"])
def test_ctrl_c_ends_a_sign_in_and_the_program(way: str) -> None:
    with Fixture() as fixture:
        process = pending(way, fixture)
        process.send_signal(signal.SIGINT)
        status, errors = ended(process)
        # CPython says 1 if another thread executes text, as imports of dataclasses do, at that moment.
        assert status in (-signal.SIGINT, 130, 1), errors
        assert errors.rstrip().endswith("KeyboardInterrupt"), errors
        assert "Exception ignored" not in errors, errors


@pytest.mark.parametrize(("way", "status"), [("daemon", 0), ("leaves", 7), ("raises", 7)])
def test_a_program_ends_while_its_user_is_still_asked(way: str, status: int) -> None:
    with Fixture() as fixture:
        assert ended(pending(way, fixture), "\n") == (status, "")


#: A program that ends in the middle of a renewal, which the server holds.
RENEWING = """
import sys, threading
from mcp_reauth import AuthSession, ReauthError, blocking
from support.person import Person

session = blocking.AuthSession.open(sys.argv[1], host=Person())
assert session.sign_in().kind == "satisfied"
print("signed in", flush=True)
sys.stdin.readline()

class Rejection:
    status_code = 401
    headers = {}

request = session.request()
request.authorize()

def recover():
    try:
        request.recover(Rejection())
    except ReauthError:
        # The exit closes the session.
        pass

threading.Thread(target=recover, daemon=True).start()

sys.stdin.readline()
"""


def test_a_program_ends_while_a_renewal_is_under_way() -> None:
    with Fixture() as fixture:
        process = start("-c", RENEWING, fixture.mcp_url)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "signed in\n"
            fixture.expire()
            fixture.reset_counters()
            fixture.control("PATCH", "/faults", {"token_hold": True})
            process.stdin.write("\n")
            process.stdin.flush()
            fixture.until(lambda counters: counters["token_refresh"] == 1)
            process.stdin.write("\n")
            process.stdin.flush()
            # It ends when the tokens are stored.
            fixture.control("PATCH", "/faults", {"token_hold": None})
            assert ended(process) == (0, "")
        finally:
            process.kill()
            process.communicate()


#: A program that uses its session when it exits, after this package has ended.
AT_EXIT = """
import atexit, sys
def last():
    again = lambda: blocking.AuthSession.open(sys.argv[1])
    for what in (session.close, session.sign_in, again):
        try:
            what()
            print("done")
        except ReauthError as error:
            print(error.code)
atexit.register(last)
from mcp_reauth import ReauthError, blocking
from support.person import Person
session = blocking.AuthSession.open(sys.argv[1], host=Person())
session.sign_in()
"""


def test_a_program_that_uses_a_session_when_it_exits_does_not_hang() -> None:
    with Fixture() as fixture:
        status, output, errors = run(AT_EXIT, fixture.mcp_url, limit=PATIENCE)
        assert (status, errors) == (0, "")
        assert output.split() == ["done", "cancelled", "cancelled"]


#: A whole run, with every warning of the interpreter as an error.
WHOLE = """
import asyncio, gc, sys
import anyio, httpx
from mcp_reauth import AuthSession, FileStore, ReauthError, blocking
from mcp_reauth.httpx import AsyncTransport, Transport
from support.messages import call
from support.person import Person

way, url, path = sys.argv[1:]
person = Person()

async def main():
    if way == "asyncio":
        # The user visits pages in the thread of the loop.
        asyncio.get_running_loop().slow_callback_duration = 10
    async with AuthSession.open(url, host=person, store=FileStore(path)) as session:
        events = session.events()
        async with httpx.AsyncClient(transport=AsyncTransport(session)) as client:
            assert "hello" in (await client.post(url, **call("echo"))).text
            assert (await client.post(url, **call("write_note"))).status_code == 200
            person.agrees = False
            assert "consent_denied" in (await client.post(url, **call("delete_note"))).text
        async for event in events:
            if event.kind == "authorized":
                break
        await events.aclose()
        await session.sign_out()

def block():
    with blocking.AuthSession.open(url, host=person, store=FileStore(path)) as session:
        with httpx.Client(transport=Transport(session)) as client:
            assert "hello" in client.post(url, **call("echo")).text
            assert client.post(url, **call("write_note")).status_code == 200
        session.sign_out()

block() if way == "blocking" else anyio.run(main, backend=way)
gc.collect()
assert person.prompts[1] == 2
"""


@pytest.mark.parametrize("way", ["asyncio", "trio", "blocking"])
def test_a_whole_run_warns_of_nothing(way: str, tmp_path: Any) -> None:
    with Fixture() as fixture:
        path = str(tmp_path / "credentials.json")
        # As errors within what cannot raise, warnings are printed.
        done = run(WHOLE, way, fixture.mcp_url, path, options=("-X", "dev", "-W", "error"))
        assert done == (0, "", "")


def test_a_blocking_session_is_used_by_many_threads() -> None:
    with Fixture() as fixture:
        person = Person()
        with blocking.AuthSession.open(fixture.mcp_url, host=person) as session:
            kinds = []
            threads = [threading.Thread(target=lambda: kinds.append(session.sign_in().kind)) for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            assert kinds == ["satisfied"] * 10
            assert person.prompts == (0, 1)
