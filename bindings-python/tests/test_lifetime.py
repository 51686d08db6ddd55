"""What sessions leave when they are closed, or dropped without closing: nothing."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from mcp_reauth import AuthSession, StoredRecord, StoreKey, _bridge, blocking
from support.clients import TRANSPORTS, Kind
from support.fixture import Fixture
from support.front import EVENTS, JSON, Front, Reply
from support.messages import call, credential, result
from support.person import Person
from support.programs import run

pytestmark = pytest.mark.anyio


class MapStore:
    """A store of the application."""

    def __init__(self) -> None:
        self._records: dict[StoreKey, StoredRecord] = {}

    def load(self, key: StoreKey) -> StoredRecord | None:
        return self._records.get(key)

    async def save(self, key: StoreKey, data: bytes, expected: int | None) -> int:
        self._records[key] = StoredRecord((expected or 0) + 1, data)
        return self._records[key].version

    def delete(self, key: StoreKey, expected: int) -> bool:
        return self._records.pop(key, None) is not None


@contextmanager
def no_collector() -> Iterator[None]:
    """Without the collector of cycles, an object lives exactly until its last reference is gone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def gone(refs: dict[str, weakref.ref[Any]]) -> None:
    """Waits until the objects are gone: a thread may still return from a call."""
    with anyio.move_on_after(2):
        while any(ref() is not None for ref in refs.values()):
            await anyio.sleep(0.001)
    left = {name: [type(by) for by in gc.get_referrers(ref())] for name, ref in refs.items() if ref() is not None}
    assert left == {}


def refs_of(session: AuthSession, **others: object) -> dict[str, weakref.ref[Any]]:
    known = {"session": session, "parts": session._session.parts, "open": session._session, **others}
    return {name: weakref.ref(value) for name, value in known.items()}


async def does_nothing(session: AuthSession, fixture: Fixture) -> None:
    pass


async def signs_in(session: AuthSession, fixture: Fixture) -> None:
    assert (await session.sign_in()).kind == "satisfied"


async def reads_events(session: AuthSession, fixture: Fixture) -> None:
    events = session.events()
    await session.sign_in()
    async for event in events:
        assert event.kind
        break


async def cancels(session: AuthSession, fixture: Fixture) -> None:
    with anyio.move_on_after(0):
        await session.sign_in()


async def fails(session: AuthSession, fixture: Fixture) -> None:
    fixture.control("POST", "/authorization-server", {"up": False})
    outcome = await session.sign_in()
    assert outcome.kind == "failed"
    fixture.control("POST", "/authorization-server", {"up": True})


async def fails_by_its_host(session: AuthSession, fixture: Fixture) -> None:
    def declines(_: object) -> str:
        raise RuntimeError("no")

    session._session.parts._options.host.authorize = declines
    outcome = await session.sign_in()
    assert outcome.kind == "failed"
    assert isinstance(outcome.error.__cause__, RuntimeError)


async def is_cancelled_while_its_host_fails(session: AuthSession, fixture: Fixture) -> None:
    asked = anyio.Event()
    failed = anyio.Event()

    async def declines(_: object) -> str:
        asked.set()
        try:
            await anyio.sleep(0)
            raise RuntimeError("no")
        finally:
            failed.set()

    session._session.parts._options.host.authorize = declines
    async with anyio.create_task_group() as group:
        group.start_soon(session.sign_in)
        await asked.wait()
        group.cancel_scope.cancel()
    await failed.wait()


Work = Callable[[AuthSession, Fixture], Awaitable[None]]
WORKS = [does_nothing, signs_in, reads_events, cancels, fails, fails_by_its_host, is_cancelled_while_its_host_fails]


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "dropped"])
async def test_a_session_is_freed_with_its_last_reference(work: Work, is_closed: bool) -> None:
    with Fixture() as fixture, no_collector():

        async def use() -> dict[str, weakref.ref[Any]]:
            host, store = Person(), MapStore()
            session = await AuthSession.open(fixture.mcp_url, host=host, store=store)
            await work(session, fixture)
            if is_closed:
                await session.close()
            return refs_of(session, host=host, store=store)

        refs = await use()
        # Another call, so that no thread holds the last one.
        async with AuthSession.open(fixture.mcp_url):
            pass
        if work is is_cancelled_while_its_host_fails:
            # What anyio and asyncio keep of a cancelled task in cycles of their own is not the matter here.
            gc.collect()
        await gone(refs)


@pytest.mark.parametrize("kind", TRANSPORTS, ids=str)
async def test_a_transport_and_its_session_are_freed_with_the_client(kind: Kind) -> None:
    replies = {b"echo": Reply(200, JSON, result()), b"stream": Reply(200, EVENTS, [b"data: 1\n\n", b"data: 2\n\n"])}
    with Front(lambda seen: next(reply for name, reply in replies.items() if name in seen.body)) as front:

        async def use() -> dict[str, weakref.ref[Any]]:
            session = await AuthSession.open(front.url)
            await session.set_auth_state(credential(front.url))
            options = kind.options(session)
            transport = options["transport"]
            if kind.is_async:
                async with kind.http.AsyncClient(**options) as client:
                    for tool in ("echo", "stream"):
                        await client.post(front.url, **call(tool))
                    assert not transport._seam._in_flight
            else:
                with kind.http.Client(**options) as client:
                    for tool in ("echo", "stream"):
                        client.post(front.url, **call(tool))
                    assert not transport._seam._in_flight
            # What httpx keeps of a client in cycles of its own is not the matter here.
            return refs_of(session, seam=transport._seam)

        with no_collector():
            refs = await use()
            await gone({"session": refs["session"]})
            # A class is freed by the collector only.
            classes = len(kind.stream.__subclasses__())
            await use()
            assert len(kind.stream.__subclasses__()) == classes
        gc.collect()
        await gone(refs)


async def test_the_table_of_calls_is_empty_after_the_sessions() -> None:
    gc.collect()
    before = set(_bridge._places)
    with Fixture() as fixture:
        for _ in range(10):
            async with AuthSession.open(fixture.mcp_url, host=Person(), store=MapStore()) as session:
                await session.sign_in()
            kept = await AuthSession.open(fixture.mcp_url, host=Person(), store=MapStore())
            await kept.sign_in()
        del session, kept
        gc.collect()
        assert set(_bridge._places) <= before
        assert not _bridge._running


async def test_a_session_of_which_only_the_transport_is_kept_goes_on() -> None:
    kind = next(kind for kind in TRANSPORTS if kind.is_async)
    with Fixture() as fixture:
        person = Person()

        async def options() -> dict[str, Any]:
            return kind.options(await AuthSession.open(fixture.mcp_url, host=person, store=MapStore()))

        async with kind.http.AsyncClient(**await options()) as client:
            gc.collect()
            for tool in ("echo", "write_note"):
                assert (await client.post(fixture.mcp_url, **call(tool))).status_code == 200
            assert person.prompts == (1, 2)


def test_a_session_of_which_only_a_request_or_the_events_are_kept_goes_on() -> None:
    with Fixture() as fixture:
        person = Person()
        session = blocking.AuthSession.open(fixture.mcp_url, host=person)
        request, events = session.request(), session.events()
        del session
        gc.collect()

        class Rejection:
            status_code = 401
            headers: dict[str, str] = {}  # noqa: RUF012

        assert request.recover(Rejection()) is True
        assert request.authorize()["authorization"].startswith("Bearer ")
        del events


#: Opens many sessions, and prints by how much the process grew.
MANY = """
import gc, json, os, sys, threading
import anyio
from mcp_reauth import AuthSession, MemoryStore, _bridge, _runner
from support.person import Person
from test_lifetime import MapStore

COUNT = 10_000
way = sys.argv[1]

async def some(count):
    for number in range(count):
        store = MapStore() if number % 2 else MemoryStore()
        session = await AuthSession.open("http://127.0.0.1:9/mcp", host=Person(), store=store)
        events = session.events()
        if way == "closed":
            await session.close()

def used():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

async def main():
    await some(COUNT // 5)
    before, threads = used(), len(os.listdir("/proc/self/task"))
    await some(COUNT)
    grown = used() - before
    left = len(_bridge._places) + len(_bridge._running) + len(_runner._tasks)
    print(json.dumps({"grown": grown, "left": left, "threads": len(os.listdir("/proc/self/task")) - threads}))

anyio.run(main)
"""

#: The allowed growth for ten thousand sessions, in bytes: that of the allocator.
SLACK = 4 * 1024 * 1024


@pytest.mark.parametrize("way", ["closed", "dropped"])
def test_ten_thousand_sessions_leave_no_memory_and_no_thread(way: str) -> None:
    status, output, errors = run(MANY, way, limit=50)
    assert status == 0, errors
    told = json.loads(output)
    assert told["grown"] < SLACK, told
    assert told["left"] <= 1, told
    assert told["threads"] <= 0, told
