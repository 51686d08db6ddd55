"""The events of a session, in asyncio, uvloop and trio, and for a thread that blocks."""

from __future__ import annotations

import gc
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp_reauth import AuthSession, MemoryStore, SessionEvent, blocking
from mcp_reauth._events import _MAX_WAITING
from support.fixture import Fixture
from support.person import Person
from support.sessions import EXPIRED, failure, first_request, host, open_at, write
from support.values import PATIENCE

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:9/mcp"


async def test_the_events_of_a_session_come_in_order(own_servers: Fixture) -> None:
    seen: list[SessionEvent] = []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks, open_at(own_servers.mcp_url) as session:
            stream = session.events()

            async def read() -> None:
                async for event in stream:
                    seen.append(event)

            tasks.start_soon(read)
            assert await write(session)
            own_servers.expire()
            assert await first_request(session)
            await session.sign_out()
    assert [event.kind for event in seen] == [
        "challenged",
        "authorization_started",
        "authorized",
        "challenged",
        "consent_asked",
        "authorization_started",
        "authorized",
        "challenged",
        "renewed",
        "signed_out",
    ]
    assert seen[0].challenge is not None
    assert seen[0].challenge.reason == "token_expired"
    assert seen[1].issuer == own_servers.issuer
    assert seen[2].scopes == ("mcp:read",)
    assert seen[3].challenge is not None
    assert seen[3].challenge.context is not None
    assert seen[3].challenge.context.tool_name == "write_note"
    assert seen[4].new_scopes == ("mcp:write",)


async def test_a_session_that_adopts_says_so(own_servers: Fixture) -> None:
    store = MemoryStore()
    async with open_at(own_servers.mcp_url, store=store) as one:
        assert await first_request(one)
        async with open_at(own_servers.mcp_url, store=store) as other:
            events = other.events()
            request = other.request()
            await request.authorize()
            own_servers.expire()
            assert await first_request(one)
            assert await request.recover(EXPIRED)
        assert [event.kind async for event in events] == ["challenged", "adopted"]


async def test_a_renewal_that_fails_says_why(own_servers: Fixture) -> None:
    async with open_at(own_servers.mcp_url) as session:
        assert await first_request(session)
        own_servers.expire()
        own_servers.control("POST", "/authorization-server", {"up": False})
        events = session.events()
        error = await failure(first_request(session))
    found = [event async for event in events if event.kind == "renewal_failed"]
    assert found[0].code == error.code == "refresh_unavailable"
    assert found[0].issuer == own_servers.issuer
    assert found[0].message


async def test_each_stream_has_all_events_from_its_creation_on(servers: Fixture) -> None:
    async with open_at(servers.mcp_url) as session:
        early = session.events()
        assert await first_request(session)
        await session.connection_state()
        late = session.events()
        await session.sign_out()
    assert [event.kind async for event in early][:2] == ["challenged", "authorization_started"]
    assert [event.kind async for event in late] == ["signed_out"]


async def test_events_end_when_the_session_is_closed() -> None:
    session = await AuthSession.open(URL)
    ended = anyio.Event()
    events = session.events()

    async def read() -> None:
        assert [event async for event in events] == []
        ended.set()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.lowlevel.checkpoint()
            await session.close()
            await ended.wait()
        assert [event async for event in session.events()] == []


async def test_a_stream_can_be_ended_and_a_reader_cancelled(servers: Fixture) -> None:
    async with open_at(servers.mcp_url) as session:
        ended, other = session.events(), session.events()
        with anyio.move_on_after(0.01):
            await anext(ended)
        await ended.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(ended)
        assert await first_request(session)
        with anyio.fail_after(PATIENCE):
            assert (await anext(other)).kind == "challenged"
        assert session._session.parts.streams() == [other]


async def test_several_readers_of_one_stream_share_its_events(servers: Fixture) -> None:
    seen: list[str] = []
    async with anyio.create_task_group() as tasks, open_at(servers.mcp_url) as session:
        stream = session.events()

        async def read() -> None:
            async for event in stream:
                seen.append(event.kind)

        for _ in range(3):
            tasks.start_soon(read)
        await anyio.lowlevel.checkpoint()
        assert await first_request(session)
    assert sorted(seen) == ["authorization_started", "authorized", "challenged"]


async def test_a_slow_reader_loses_the_oldest_events_only() -> None:
    async with AuthSession.open(URL) as session:
        stream = session.events()
        for number in range(_MAX_WAITING + 5):
            stream._push(SessionEvent(str(number)))
    kinds = [event.kind async for event in stream]
    assert kinds == [str(number) for number in range(5, _MAX_WAITING + 5)]


async def test_streams_that_nobody_reads_are_dropped(servers: Fixture) -> None:
    async with open_at(servers.mcp_url) as session:
        for _ in range(10):
            session.events()
        gc.collect()
        assert session._session.parts.streams() == []


def test_a_thread_can_read_events(servers: Fixture) -> None:
    seen: list[str] = []
    with blocking.AuthSession.open(servers.mcp_url, host=Person()) as session:
        events = session.events()
        thread = threading.Thread(target=lambda: seen.extend(event.kind for event in events))
        thread.start()
        assert session.request().recover(EXPIRED)
        session.sign_out()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert seen == ["challenged", "authorization_started", "authorized", "signed_out"]


async def test_an_event_may_be_read_in_another_event_loop_than_its_session(servers: Fixture) -> None:
    seen: list[str] = []
    async with open_at(servers.mcp_url, host=host()) as session:
        events = session.events()

        async def read() -> None:
            seen.extend([event.kind async for event in events])

        def run(backend: Any) -> None:
            anyio.run(read, backend=backend)

        async with anyio.create_task_group() as tasks:
            for backend in ("asyncio", "trio"):
                tasks.start_soon(anyio.to_thread.run_sync, run, backend)
            assert await first_request(session)
            await session.sign_out()
            await session.close()
    assert sorted(seen) == ["authorization_started", "authorized", "challenged", "signed_out"]


async def test_a_session_without_a_host_has_events_too(own_servers: Fixture) -> None:
    async with open_at(own_servers.mcp_url) as first:
        assert await first_request(first)
        state = await first.auth_state()
    assert state is not None
    async with AuthSession.open(own_servers.mcp_url) as session:
        stream = session.events()
        await session.set_auth_state(state)
        own_servers.expire()
        assert await first_request(session)
        with anyio.fail_after(PATIENCE):
            assert [(await anext(stream)).kind, (await anext(stream)).kind] == ["challenged", "renewed"]
