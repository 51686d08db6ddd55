"""Many calls, sessions and processes at once: one renewal, one question, and no call that waits for another's user."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp_reauth import AuthSession, FileStore
from support.clients import AUTHS, TRANSPORTS, Kind
from support.fixture import PATIENCE, ROOT, Fixture
from support.messages import call
from support.person import Person, Pondering
from support.programs import TESTS, start
from support.sdk import LEAVES_GENERATORS, MAJOR, WIRES, RpcError, connected_to, parallel

pytestmark = [pytest.mark.anyio, LEAVES_GENERATORS]

PARALLEL = 50


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("kind", TRANSPORTS + AUTHS, ids=str)
async def test_fifty_calls_with_an_expired_token_take_one_refresh(kind: Kind) -> None:
    with Fixture() as fixture:
        async with AuthSession.open(fixture.mcp_url, host=Person()) as session, kind.client(session) as send:
            assert (await session.sign_in()).kind == "satisfied"
            fixture.expire()
            fixture.reset_counters()
            # All calls are rejected before the renewal ends.
            fixture.control("PATCH", "/faults", {"token_hold": True})
            texts = []

            async def post() -> None:
                texts.append((await send("POST", fixture.mcp_url, **call("echo"))).text)

            async with anyio.create_task_group() as group:
                for _ in range(PARALLEL):
                    group.start_soon(post)
                # As many as the threads of anyio.
                rejected = PARALLEL if kind.is_async else 40
                await anyio.to_thread.run_sync(
                    fixture.until,
                    lambda counters: counters["mcp_401"] >= rejected and counters["token_requests"] >= 1,
                    limiter=anyio.CapacityLimiter(1),
                )
                fixture.control("PATCH", "/faults", {"token_hold": None})
            assert ["hello" in text for text in texts] == [True] * PARALLEL
            counters = fixture.counters()
            assert (counters["token_refresh"], counters["reuse_detected"]) == (1, 0)


@pytest.mark.parametrize("wire", WIRES)
async def test_ten_calls_that_need_more_scope_take_one_question_and_one_page(wire: str) -> None:
    with Fixture() as fixture:
        person = Person()
        opening = AuthSession.open(fixture.mcp_url, host=person)
        async with opening as session, connected_to(fixture, session, wire) as client:
            person.reset()
            await parallel(client, 10, "write_note")
            assert person.prompts == (1, 1)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_user_who_takes_long_holds_up_no_other_call(wire: str) -> None:
    with Fixture() as fixture:
        person = Pondering()
        async with AuthSession.open(fixture.mcp_url, host=person) as session:
            async with connected_to(fixture, session, wire) as client, anyio.create_task_group() as group:
                group.start_soon(client.succeeds, "write_note")
                await person.asked.wait()
                with anyio.fail_after(PATIENCE):
                    for _ in range(3):
                        await client.succeeds()
                    assert (await session.connection_state()).authorized
                person.answer.set()
            assert len(person.questions) == 1


async def test_the_time_a_user_takes_does_not_count_for_the_request_of_the_sdk() -> None:
    with Fixture() as fixture:
        person = Pondering()
        opening = AuthSession.open(fixture.mcp_url, host=person)
        async with opening as session, connected_to(fixture, session) as client:
            ended: list[str] = []

            async def write() -> None:
                try:
                    # Long enough for the requests themselves on a slow machine.
                    await client.call("write_note", timeout=2)
                    ended.append("in time")
                except RpcError:
                    ended.append("timed out")

            async with anyio.create_task_group() as group:
                group.start_soon(write)
                await person.asked.wait()
                begin = anyio.current_time()
                while not ended and anyio.current_time() < begin + 2.5:
                    await client.succeeds()
                if MAJOR == 1:
                    # That SDK's clock cannot be stopped. The consent is not lost.
                    assert ended == ["timed out"]
                person.answer.set()
            assert ended == (["timed out"] if MAJOR == 1 else ["in time"])
            with anyio.fail_after(PATIENCE):
                await client.succeeds("write_note")
            assert len(person.questions) == 1


NODE = ROOT / "bindings-node"
CALLER = NODE / "build" / "test" / "support" / "caller.mjs"


def callers(python: int, node: int, task: str) -> list[subprocess.Popen[str]]:
    """Starts processes that wait for a line before they call."""
    program = str(TESTS / "support" / "caller.py")
    processes = [start(program, task) for _ in range(python)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes += [subprocess.Popen(["node", str(CALLER), task], text=True, **pipes) for _ in range(node)]
    return processes


@pytest.mark.parametrize(
    ("python", "node"),
    [
        pytest.param(4, 0, id="python"),
        pytest.param(
            2, 2, id="python-and-node", marks=pytest.mark.skipif(not CALLER.exists(), reason=f"no {CALLER}: build it")
        ),
    ],
)
def test_four_processes_on_one_file_take_one_refresh(python: int, node: int, tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    with Fixture() as fixture:

        async def sign_in() -> None:
            async with AuthSession.open(fixture.mcp_url, host=Person(), store=FileStore(path)) as session:
                assert (await session.sign_in()).kind == "satisfied"

        anyio.run(sign_in)
        task = json.dumps({"url": fixture.mcp_url, "store": str(path), "calls": 10, "waits": True})
        processes = callers(python, node, task)
        try:
            for process in processes:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line == "ready\n", process.communicate(timeout=PATIENCE)
            fixture.expire()
            fixture.reset_counters()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            for process in processes:
                output, errors = process.communicate(timeout=20)
                assert json.loads(output or "null") == {"succeeded": 10, "failed": []}, errors
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        counters = fixture.counters()
        assert (counters["token_refresh"], counters["reuse_detected"]) == (1, 0)
