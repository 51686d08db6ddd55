"""Processes that fork or spawn others, interpreters within one process, and errors that go from one to another."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_reauth import (
    AuthChallenge,
    AuthSession,
    ConfigError,
    ConsentDeniedError,
    FileStore,
    MemoryStore,
    ReauthError,
    blocking,
)
from support.fixture import PATIENCE, Fixture
from support.person import Person
from support.programs import run

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


def in_fork(work: Callable[[], None]) -> None:
    """Runs something in a forked child, which must end in time. Its exception is the test's."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            try:
                work()
                told = b""
            except BaseException as error:
                told = repr(error).encode()
            os.write(writing, told)
        finally:
            os._exit(0)
    os.close(writing)
    ended = threading.Event()

    def kill() -> None:
        if not ended.wait(PATIENCE):
            os.kill(child, signal.SIGKILL)

    watch = threading.Thread(target=kill)
    watch.start()
    try:
        with open(reading, "rb") as told_by:
            problem = told_by.read()
        _, status = os.waitpid(child, 0)
    finally:
        ended.set()
        watch.join()
    assert status == 0, "the child hung"
    assert problem == b"", problem.decode()


def signs_in(url: str, store: FileStore | None = None) -> None:
    """A whole session, blocking and in an event loop."""
    with blocking.AuthSession.open(url, host=Person(), store=store) as session:
        assert session.sign_in().kind == "satisfied"

    async def main() -> None:
        async with AuthSession.open(url, host=Person(), store=store) as session:
            assert (await session.sign_in()).kind == "satisfied"

    anyio.run(main)


@forks
def test_workers_that_are_forked_open_their_own_sessions(tmp_path: Path) -> None:
    # As in a server that loads the application first. The threads of this package run already.
    store = FileStore(tmp_path / "credentials.json")
    with Fixture() as fixture:
        signs_in(fixture.mcp_url, store)
        for _ in range(3):
            in_fork(lambda: signs_in(fixture.mcp_url, store))
        signs_in(fixture.mcp_url, store)
        assert fixture.counters()["token_code"] == 1


def refused(use: Callable[[], object]) -> None:
    try:
        result = use()
    except ConfigError as error:
        assert "opened in another process, before a fork" in str(error)
        return
    raise AssertionError(f"{result!r} instead of an error")


@forks
def test_a_session_that_was_opened_before_a_fork_is_refused_at_once() -> None:
    with Fixture() as fixture:
        with blocking.AuthSession.open(fixture.mcp_url, host=Person()) as session:
            assert session.sign_in().kind == "satisfied"
            request = session.request()
            request.authorize()
            challenge = AuthChallenge("token_expired")
            uses: list[Callable[[], object]] = [
                session.sign_in,
                session.connection_state,
                session.auth_state,
                session.sign_out,
                session.request,
                request.authorize,
                lambda: request.recover(Rejection()),
                lambda: session.handle_auth_challenge(challenge),
                lambda: session.check_auth_challenge_satisfied(challenge),
                lambda: next(session.events()),
            ]
            for use in uses:
                in_fork(lambda use=use: refused(use))  # type: ignore[misc]
            # It works here all the same.
            assert session.connection_state().authorized

        async def main() -> AuthSession:
            return await AuthSession.open(fixture.mcp_url, host=Person())

        asynchronous = anyio.run(main)
        in_fork(lambda: refused(lambda: anyio.run(asynchronous.sign_in)))
        in_fork(lambda: refused(asynchronous.events))
        anyio.run(asynchronous.close)


class Rejection:
    status_code = 401
    headers: dict[str, str] = {}  # noqa: RUF012


@forks
def test_forks_during_work_do_not_hang() -> None:
    with Fixture() as fixture:
        over = threading.Event()
        problems: list[BaseException] = []

        def work() -> None:
            try:
                with blocking.AuthSession.open(fixture.mcp_url, host=Person()) as session:
                    while not over.is_set():
                        session.connection_state()
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(30):
                in_fork(lambda: opens(fixture.mcp_url))
        finally:
            over.set()
            for thread in threads:
                thread.join(PATIENCE)
        assert problems == []


def opens(url: str) -> None:
    with blocking.AuthSession.open(url, store=MemoryStore()) as session:
        assert not session.connection_state().authorized


def worker(url: str, path: str, results: Any) -> None:
    """The main function of a process."""
    try:
        signs_in(url, FileStore(path))
        with blocking.AuthSession.open("", host=Person()):
            pass
    except BaseException as error:
        results.put(error)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_of_multiprocessing_have_their_own_sessions_and_return_errors(method: str, tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    with Fixture() as fixture:
        signs_in(fixture.mcp_url, FileStore(path))
        context: Any = multiprocessing.get_context(method)
        results = context.Queue()
        processes = [context.Process(target=worker, args=(fixture.mcp_url, str(path), results)) for _ in range(2)]
        for process in processes:
            process.start()
        try:
            for _ in processes:
                error = results.get(timeout=30)
                assert isinstance(error, ReauthError), error
                assert error.code == "config"
                assert error.sentence
        finally:
            for process in processes:
                process.join(PATIENCE)
                process.kill()
                process.join()
                process.close()
            results.close()
            results.join_thread()
        assert fixture.counters()["token_code"] == 1


def test_an_error_survives_pickling_with_all_that_it_says() -> None:
    challenge = AuthChallenge("insufficient_scope", required_scopes=("a", "b"))
    error = ConsentDeniedError(
        "declined", sentence="No.", challenge=challenge, server="https://mcp.example", scopes=["b"]
    )
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ConsentDeniedError
    assert again.to_json() == error.to_json()
    assert again.challenge == challenge
    assert (str(again), again.sentence, again.scopes) == ("declined", "No.", ("b",))


#: Imports this package in another interpreter of the same process.
SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import mcp_reauth
id = interpreters.create()
program = '''
try:
    import mcp_reauth
except ImportError as error:
    assert "subinterpreter" in str(error), error
    print("refused", flush=True)
'''
if hasattr(interpreters, "run_string"):
    interpreters.run_string(id, program)
else:
    interpreters.exec(id, program)
import sys
sys.stdout.flush()
interpreters.destroy(id)
"""


def test_another_interpreter_of_the_process_is_refused_with_a_sentence() -> None:
    if sys.implementation.name != "cpython":
        pytest.skip("only CPython has interpreters within one process")
    status, output, errors = run(SUBINTERPRETER)
    assert (status, output) == (0, "refused\n"), errors
