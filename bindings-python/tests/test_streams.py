"""Event streams, tool results with challenges, compressed responses, size limits, and requests that are cancelled."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp_reauth import AuthSession, ReauthError, StepUpRequest
from support.clients import TRANSPORTS, Kind
from support.fixture import PATIENCE, Fixture
from support.front import EVENTS, JSON, Front, Reply, Seen
from support.messages import call, cancelled, credential, listing, message, refusal, result
from support.person import Person, Pondering
from support.sdk import LEAVES_GENERATORS, WIRES, connected, parallel, transport

pytestmark = [pytest.mark.anyio, LEAVES_GENERATORS]

every = pytest.mark.parametrize("kind", TRANSPORTS, ids=str)
asynchronous = pytest.mark.parametrize("kind", [kind for kind in TRANSPORTS if kind.is_async], ids=str)

MOST = 16 * 1024 * 1024
NOISE = b': ping\n\nevent: message\ndata: {"jsonrpc":"2.0"}\r\n\r\ndata: {"method":"x"}\n\n'


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Stage:
    """A fixture with a front, and a session at the front with a credential of the fixture."""

    def __init__(self, fixture: Fixture, front: Front, session: AuthSession, person: Person) -> None:
        self.fixture = fixture
        self.front = front
        self.session = session
        self.person = person
        self.metadata = fixture.mcp_url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    with Fixture() as fixture, Front(behind=fixture.mcp_url) as front:
        person = Person()
        options: dict[str, Any] = {"host": person, "send_resource": False}
        async with (
            AuthSession.open(fixture.mcp_url, host=person) as first,
            AuthSession.open(front.url, **options) as own,
        ):
            assert (await first.sign_in()).kind == "satisfied"
            fixture.control("PATCH", "/faults", {"metadata_resource": front.url})
            state = await first.auth_state()
            assert state is not None
            await own.set_auth_state(state)
            person.reset()
            fixture.reset_counters()
            yield Stage(fixture, front, own, person)


def cut(text: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(text), size):
        yield text[at : at + size]


def in_pieces(headers: dict[str, str], body: bytes, size: int) -> Callable[[Seen], Reply]:
    return lambda _: Reply(200, headers, cut(body, size))


def as_events(size: int) -> Callable[[bytes], Iterator[bytes]]:
    return lambda answer: cut(NOISE + b"data: " + answer + b"\n\n", size)


@every
async def test_an_event_stream_passes_unchanged_however_it_is_cut(kind: Kind) -> None:
    text = NOISE + b"data: one\rdata: two\r\rid: 7\n\ndata: \xc3\xa4\n\n: no end of an event"
    with Front() as front:
        async with AuthSession.open(front.url) as session, kind.client(session) as send:
            await session.set_auth_state(credential(front.url))
            for size in (1, 3, 7, len(text)):
                front.answer = in_pieces(EVENTS, text, size)
                for given in (call("echo"), listing()):
                    assert (await send("POST", front.url, **given)).content == text
                assert (await send("GET", front.url)).content == text


@every
async def test_a_challenge_in_a_tool_result_is_recovered_from(kind: Kind) -> None:
    async with stage() as at, kind.client(at.session) as send:
        at.fixture.control("PATCH", "/faults", {"challenge_in_tool_result": True})
        at.fixture.expire()
        assert "hello" in (await send("POST", at.front.url, **call("echo"))).text
        assert "www_auth" not in (await send("POST", at.front.url, **call("write_note"))).text
        counters = at.fixture.counters()
        assert (counters["tool_challenges"], counters["token_refresh"]) == (2, 1)
        assert at.person.prompts == (1, 1)
        at.person.agrees = False
        told = (await send("POST", at.front.url, **call("delete_note"))).json()
        assert told["error"]["data"]["code"] == "consent_denied"


@every
async def test_a_challenge_within_an_event_stream_is_replaced_and_what_came_before_passes(kind: Kind) -> None:
    async with stage() as at, kind.client(at.session) as send:
        at.fixture.control("PATCH", "/faults", {"challenge_in_tool_result": True})
        for size in (1, 3, 10_000):
            at.front.streams = as_events(size)
            at.fixture.expire()
            response = await send("POST", at.front.url, **call("echo"))
            assert response.content.startswith(NOISE)
            assert response.text.count("data: ") == 5, "the extra events of the first response, and all of the second"
            assert "hello" in response.text
            assert "www_authenticate" not in response.text
        assert at.fixture.counters()["token_refresh"] == 3


@every
async def test_a_final_failure_within_an_event_stream_becomes_the_answer_of_the_call(kind: Kind) -> None:
    async with stage() as at, kind.client(at.session) as send:
        at.person.agrees = False
        at.front.answer = lambda _: Reply(200, EVENTS, b"data: " + refusal(at.metadata) + b"\n\n")
        response = await send("POST", at.front.url, **call("write_note"))
        told = json.loads(response.text.removeprefix("data: "))
        assert (told["id"], told["error"]["data"]["code"]) == (1, "consent_denied")
        assert len(at.front.seen) == 1


@every
@pytest.mark.parametrize("again", [Reply(503, body=b"later"), Reply(202), Reply(404)], ids=["503", "202", "404"])
async def test_a_call_that_fails_when_it_is_repeated_is_answered_by_an_error(kind: Kind, again: Reply) -> None:
    async with stage() as at, kind.client(at.session) as send:
        replies = iter([Reply(200, EVENTS, b"data: " + refusal(at.metadata) + b"\n\n"), again])
        at.front.answer = lambda _: next(replies)
        response = await send("POST", at.front.url, **call("write_note"))
        told = json.loads(response.text.removeprefix("data: "))
        assert told["error"]["data"]["code"] == "http"
        assert str(again.status) in told["error"]["message"]


@every
@pytest.mark.parametrize("headers", [JSON, EVENTS], ids=["json", "events"])
async def test_a_compressed_response_is_inspected_too(kind: Kind, headers: dict[str, str]) -> None:
    async with stage() as at, kind.client(at.session) as send:
        begin, end = (b"", b"") if headers is JSON else (NOISE + b"data: ", b"\n\n")
        bodies = [begin + answer + end for answer in (refusal(at.metadata), result("second"))]
        zipped = {**headers, "content-encoding": "gzip"}
        replies = iter([Reply(200, zipped, gzip.compress(body)) for body in bodies])
        at.front.answer = lambda _: next(replies)
        content = (await send("POST", at.front.url, **call("write_note"))).content
        assert content == (bodies[1] if headers is JSON else NOISE + bodies[1])


@asynchronous
async def test_a_response_that_breaks_off_does_so_for_its_reader(kind: Kind) -> None:
    # An error out of the transport would end the SDK's session.
    with Front(lambda _: Reply(200, {**JSON, "content-length": "99"}, b"{")) as front:
        async with AuthSession.open(front.url) as session:
            await session.set_auth_state(credential(front.url))
            async with (
                kind.http.AsyncClient(timeout=1, **kind.options(session)) as client,
                client.stream("POST", front.url, **call("echo")) as response,
            ):
                with pytest.raises(kind.http.TransportError):
                    await response.aread()


@every
async def test_an_endless_response_fails_and_its_connection_is_closed(kind: Kind) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"a":"'
        while True:
            yield b"x" * 65_536

    with Front(lambda _: Reply(200, JSON, endless())) as front:
        async with AuthSession.open(front.url) as session, kind.client(session) as send:
            await session.set_auth_state(credential(front.url))
            for given in (call("echo"), listing()):
                front.left.clear()
                front.sent = 0
                told = (await send("POST", front.url, **given)).json()
                assert told["error"]["data"]["code"] == "http"
                assert "longer than 16777216 bytes" in told["error"]["message"]
                assert await anyio.to_thread.run_sync(front.left.wait, PATIENCE)
                assert front.sent < 2 * MOST
            with pytest.raises(ReauthError, match="longer than"):
                await send("GET", front.url)


@every
async def test_a_response_that_is_small_only_on_its_way_fails(kind: Kind) -> None:
    body = gzip.compress(b'"' + b" " * (MOST + 1) + b'"')
    assert len(body) < MOST / 100
    with Front(lambda _: Reply(200, {**JSON, "content-encoding": "gzip"}, body)) as front:
        async with AuthSession.open(front.url) as session, kind.client(session) as send:
            await session.set_auth_state(credential(front.url))
            for given in (call("echo"), listing()):
                told = (await send("POST", front.url, **given)).json()
                assert "longer than" in told["error"]["message"]
            with pytest.raises(ReauthError, match="longer than"):
                await send("GET", front.url)


@every
async def test_a_response_and_events_as_long_as_the_limit_pass(kind: Kind) -> None:
    async with AsyncExitStack() as stack:
        front = stack.enter_context(Front())
        session = await stack.enter_async_context(AuthSession.open(front.url))
        send = await stack.enter_async_context(kind.client(session))
        await session.set_auth_state(credential(front.url))
        event = b"data: " + b"x" * (MOST // 4) + b"\n\n"
        for headers, body in ((JSON, b"[" + b" " * (MOST - 2) + b"]"), (EVENTS, event * 5)):
            front.answer = in_pieces(headers, body, 1_000_000)
            for given in (call("echo"), listing()):
                assert len((await send("POST", front.url, **given)).content) == len(body)


@every
async def test_an_endless_event_becomes_an_error_after_what_came_before(kind: Kind) -> None:
    def endless() -> Iterator[bytes]:
        yield NOISE + b"data: "
        while True:
            yield b"x" * 65_536

    with Front(lambda _: Reply(200, EVENTS, endless())) as front:
        async with AuthSession.open(front.url) as session, kind.client(session) as send:
            await session.set_auth_state(credential(front.url))
            for given in (call("echo", 7), listing(7)):
                front.left.clear()
                content = (await send("POST", front.url, **given)).content
                assert content.startswith(NOISE)
                told = json.loads(content.removeprefix(NOISE + b"data: "))
                assert (told["id"], told["error"]["data"]["code"]) == (7, "http")
                assert "an event is longer than 16777216 bytes" in told["error"]["message"]
                assert await anyio.to_thread.run_sync(front.left.wait, PATIENCE)
            with pytest.raises(ReauthError, match="an event is longer"):
                await send("GET", front.url)


@asynchronous
async def test_a_stream_that_its_reader_leaves_closes_its_connection(kind: Kind) -> None:
    ended = threading.Event()

    def silent() -> Iterator[bytes]:
        yield b"data: first\n\n"
        while not ended.wait(0.01):
            # The server notices a closed connection when it writes.
            yield b": ping\n\n"

    try:
        with Front(lambda _: Reply(200, EVENTS, silent())) as front:
            async with AuthSession.open(front.url) as session:
                await session.set_auth_state(credential(front.url))
                async with kind.http.AsyncClient(timeout=20, **kind.options(session)) as client:
                    for read_first in (True, False):
                        for given in (call("echo"), listing()):
                            front.left.clear()
                            async with client.stream("POST", front.url, **given) as response:
                                if read_first:
                                    chunks = response.aiter_raw()
                                    assert b"first" in await anext(chunks)
                                    await chunks.aclose()
                            assert await anyio.to_thread.run_sync(front.left.wait, PATIENCE)
                    await anyio.to_thread.run_sync(front.until_connections, 0)
    finally:
        ended.set()


INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


async def initialized(send: Any, fixture: Fixture) -> dict[str, str]:
    """Begins a session on the older wire, and returns the header fields of its event stream."""
    given = message("initialize", INITIALIZE, 0)
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    body = json.loads(given["content"])
    body["params"].pop("_meta")
    response = await send("POST", fixture.mcp_url, headers=headers, content=json.dumps(body))
    fixture.reset_counters()
    return {
        "accept": "text/event-stream",
        "mcp-protocol-version": "2025-11-25",
        "mcp-session-id": response.headers["mcp-session-id"],
    }


@asynchronous
async def test_an_idle_stream_is_renewed_silently_or_waits_for_a_call_to_sign_in(kind: Kind) -> None:
    with Fixture() as fixture:
        person = Person()
        async with AuthSession.open(fixture.mcp_url, host=person) as session, kind.client(session) as send:
            headers = await initialized(send, fixture)
            person.reset()
            options = kind.options(session)
            async with kind.http.AsyncClient(timeout=20, **options) as client:
                fixture.expire()
                async with client.stream("GET", fixture.mcp_url, headers=headers) as response:
                    assert response.status_code == 200
                counters = fixture.counters()
                assert (counters["token_refresh"], counters["mcp_get"]) == (1, 2)
                fixture.control("POST", "/revoke")
                fixture.reset_counters()
                statuses = []

                async def listen() -> None:
                    async with client.stream("GET", fixture.mcp_url, headers=headers) as response:
                        statuses.append(response.status_code)

                async with anyio.create_task_group() as group:
                    group.start_soon(listen)
                    await anyio.to_thread.run_sync(
                        fixture.until, lambda counters: counters["mcp_401"] >= 1 and counters["token_refresh"] >= 1
                    )
                    assert person.prompts == (0, 0)
                    assert (await send("POST", fixture.mcp_url, **call("echo"))).status_code == 200
                assert statuses == [200]
                assert person.prompts == (0, 1), "the call signs in"


@asynccontextmanager
async def pondered() -> AsyncIterator[tuple[Fixture, Pondering, AuthSession]]:
    with Fixture() as fixture:
        person = Pondering()
        async with AuthSession.open(fixture.mcp_url, host=person) as session:
            assert (await session.sign_in()).kind == "satisfied"
            fixture.reset_counters()
            person.pages.clear()
            yield fixture, person, session


@asynchronous
async def test_a_call_that_its_client_cancels_by_notification_ends_and_is_not_sent_again(kind: Kind) -> None:
    async with pondered() as (fixture, person, session), kind.client(session) as send:
        responses = {}

        async def post(id: str) -> None:
            responses[id] = (await send("POST", fixture.mcp_url, **call("write_note", id))).status_code

        async with anyio.create_task_group() as group:
            group.start_soon(post, "a")
            group.start_soon(post, "b")
            await person.asked.wait()
            await send("POST", fixture.mcp_url, **cancelled("a"))
            with anyio.fail_after(PATIENCE):
                while "a" not in responses:
                    await anyio.lowlevel.checkpoint()
            person.answer.set()
        assert responses == {"a": 403, "b": 200}
        assert len(person.questions) == 1
        assert fixture.counters()["mcp_post"] == 4, "two calls, a notification, one repetition"


@asynchronous
async def test_a_call_that_was_cancelled_before_it_was_rejected_asks_nobody(kind: Kind) -> None:
    refuse = threading.Event()

    async with stage() as at, kind.client(at.session) as send:

        def hold(seen: Seen) -> None:
            if b"write_note" in seen.body:
                refuse.wait(PATIENCE)

        at.front.answer = hold
        statuses = []

        async def post() -> None:
            statuses.append((await send("POST", at.front.url, **call("write_note", 7))).status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(post)
            with anyio.fail_after(PATIENCE):
                while not at.front.seen:
                    await anyio.lowlevel.checkpoint()
            await send("POST", at.front.url, **cancelled(7))
            refuse.set()
        assert statuses == [403]
        assert at.person.prompts == (0, 0)


@asynchronous
async def test_a_scope_that_is_cancelled_ends_its_call_and_the_consent_goes_on(kind: Kind) -> None:
    async with pondered() as (fixture, person, session), kind.client(session) as send:
        events = session.events()
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: send("POST", fixture.mcp_url, **call("write_note")))
            await person.asked.wait()
            group.cancel_scope.cancel()
        assert (await send("POST", fixture.mcp_url, **call("echo"))).status_code == 200
        with anyio.move_on_after(0) as scope:
            await send("POST", fixture.mcp_url, **call("write_note"))
        assert scope.cancelled_caught
        person.answer.set()
        with anyio.fail_after(PATIENCE):
            async for event in events:
                if event.kind == "authorized":
                    break
        assert fixture.counters()["mcp_403"] == 1
        assert (await send("POST", fixture.mcp_url, **call("write_note"))).status_code == 200
        assert len(person.questions) == 1
        await events.aclose()


@asynchronous
async def test_a_scope_that_is_cancelled_within_a_stream_asks_nobody_any_more(kind: Kind) -> None:
    async with stage() as at:
        asked = anyio.Event()

        async def never(request: StepUpRequest) -> bool:
            asked.set()
            await anyio.sleep_forever()
            return True

        at.person.confirm_step_up = never  # type: ignore[method-assign]
        at.front.answer = lambda _: Reply(200, EVENTS, b"data: " + refusal(at.metadata) + b"\n\n")
        async with kind.client(at.session) as send:
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: send("POST", at.front.url, **call("write_note")))
                await asked.wait()
                group.cancel_scope.cancel()
            assert len(at.front.seen) == 1
        await anyio.to_thread.run_sync(at.front.until_connections, 0)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_request_of_the_sdk_that_is_cancelled_is_not_sent_again(wire: str) -> None:
    async with (
        pondered() as (fixture, person, session),
        connected(fixture.mcp_url, transport(session), wire) as client,
    ):
        before = fixture.counters()["mcp_403"]
        async with anyio.create_task_group() as group:
            group.start_soon(client.call, "write_note")
            await person.asked.wait()
            group.cancel_scope.cancel()
        await client.succeeds()
        person.answer.set()
        await parallel(client, 3)
        await client.succeeds("write_note")
        assert fixture.counters()["mcp_403"] == before + 1
        assert len(person.questions) == 1
