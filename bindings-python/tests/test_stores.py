"""Stores: those of the package, and those in Python, well-behaved and not."""

from __future__ import annotations

import array
import gc
import json
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp_reauth import (
    AuthChallenge,
    AuthorizationRequest,
    AuthSession,
    ConfigError,
    FileStore,
    MemoryStore,
    StoredRecord,
    StoreError,
    StoreKey,
    blocking,
)
from mcp_reauth.testing import check_store
from support.fixture import Fixture
from support.person import Person, visit
from support.sessions import failure, first_request, host, in_both_ways, open_at
from support.stores import LeasingStore, PlainStore, awaitable, changed
from support.values import PATIENCE, RAISED, SECRET, VALUES, Hostile, nothing, quotes_nothing, released

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:9/mcp"
#: Where it does not matter how the event loop works.
ONCE = pytest.mark.parametrize("anyio_backend", ["asyncio"])
TWICE = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])

STORES: dict[str, Callable[[], Any]] = {
    "in memory": MemoryStore,
    "without leases": PlainStore,
    "without leases, of coroutines": lambda: awaitable(PlainStore),
    "with leases": LeasingStore,
    "with leases, of coroutines": lambda: awaitable(LeasingStore),
}


def overwrites(store: PlainStore) -> Any:
    def save(key: StoreKey, data: bytes, expected: int | None) -> int | None:
        return PlainStore.save(store, key, data, store._version_of(key))

    return changed(store, save=save)


def has_one_lease_for_all(store: LeasingStore) -> Any:
    def try_lease(key: StoreKey, ttl: float) -> str | None:
        return LeasingStore.try_lease(store, StoreKey("", ""), ttl)

    return changed(store, try_lease=try_lease)


def begins_again(store: PlainStore) -> Any:
    def delete(key: StoreKey, expected: int) -> bool:
        deleted = PlainStore.delete(store, key, expected)
        store._version = 0
        return deleted

    return changed(store, delete=delete)


def fails(*_: object) -> Any:
    raise RuntimeError("the table is locked")


DEFECTS: dict[str, tuple[Callable[[], Any], str]] = {
    "overwrites anything": (lambda: overwrites(PlainStore()), "save over another version is made"),
    "returns versions as text": (
        lambda: changed(PlainStore(), save=lambda *_: "1"),
        "store.save must return the new version, a whole number",
    ),
    "deletes by halves": (
        lambda: changed(PlainStore(), delete=lambda *_: "done"),
        "store.delete must return True or False",
    ),
    "has one lease for all records": (lambda: has_one_lease_for_all(LeasingStore()), "lease that is free is refused"),
    "raises": (lambda: changed(PlainStore(), load=fails), "the table is locked"),
    "begins versions again": (lambda: begins_again(PlainStore()), "version"),
}


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The failures of all stores. They are checked at once, because leases must lapse in each check."""
    path = tmp_path_factory.mktemp("store") / "credentials.json"
    stores: dict[str, tuple[Any, ...]] = {kind: (make(),) for kind, make in STORES.items()}
    stores["in a file"] = (FileStore(path), FileStore(str(path)))
    stores |= {defect: (make(),) for defect, (make, _) in DEFECTS.items()}
    of_trio = {f"{kind}, in trio": (make(),) for kind, make in STORES.items()}
    failures: dict[str, list[str]] = {}

    async def check(kind: str, given: tuple[Any, ...]) -> None:
        results = await check_store(*given)
        assert len(results) > 10
        failures[kind] = [f"{result.name}: {result.failure}" for result in results if result.failure is not None]

    async def check_all(stores: dict[str, tuple[Any, ...]]) -> None:
        async with anyio.create_task_group() as tasks:
            for kind, given in stores.items():
                tasks.start_soon(check, kind, given)

    in_trio = threading.Thread(target=lambda: anyio.run(check_all, of_trio, backend="trio"))
    in_trio.start()
    anyio.run(check_all, stores)
    in_trio.join()
    assert path.stat().st_mode & 0o777 == 0o600
    return failures


@pytest.mark.parametrize("kind", [*STORES, "in a file", *(f"{kind}, in trio" for kind in STORES)])
def test_a_store_keeps_to_the_contract(checks: dict[str, list[str]], kind: str) -> None:
    assert checks[kind] == []


@pytest.mark.parametrize("defect", DEFECTS)
def test_check_store_finds_a_store_that(checks: dict[str, list[str]], defect: str) -> None:
    assert any(DEFECTS[defect][1] in failure for failure in checks[defect]), checks[defect]


@ONCE
async def test_what_is_no_store_is_refused_by_name() -> None:
    for kind, make in {**VALUES, "None": nothing}.items():
        value = make()
        error = await failure(check_store(value))
        assert error.code == "config", kind
        assert "store" in str(error)
        quotes_nothing(error)
        released(value)
    for missing in ("load", "save", "delete"):
        error = await failure(check_store(changed(PlainStore(), **{missing: None})))
        assert f"store.{missing} must be a function, and is None" in str(error)


def test_a_store_with_some_of_the_leases_is_refused() -> None:
    store = changed(LeasingStore(), renew_lease=None)
    with pytest.raises(ConfigError, match="store has try_lease and release_lease, and lacks renew_lease"):
        blocking.AuthSession.open(URL, store=store)


def test_a_store_that_raises_when_it_is_looked_at_is_refused_with_the_cause() -> None:
    with pytest.raises(ConfigError, match=r"store\.load cannot be read") as caught:
        blocking.AuthSession.open(URL, store=Hostile())
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_store_without_leases_must_be_weakly_referable() -> None:
    class Slots(PlainStore):
        __slots__ = ()
        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(ConfigError, match="store must be hashable and weakly referable"):
        blocking.AuthSession.open(URL, store=Slots())


@pytest.mark.parametrize("kind", STORES)
async def test_a_session_finds_the_tokens_of_an_earlier_one_in(servers: Fixture, kind: str) -> None:
    store = STORES[kind]()
    async with open_at(servers.mcp_url, store=store) as session:
        assert await first_request(session)
        granted = session.authorization()
    async with open_at(servers.mcp_url, store=store, host=None) as session:
        assert session.authorization() == granted
        assert await session.sign_out() == "done"
    async with open_at(servers.mcp_url, store=store, host=None) as session:
        assert session.authorization() is None


@TWICE
async def test_the_data_may_be_text_or_bytes_of_any_type(servers: Fixture) -> None:
    store = PlainStore()
    async with open_at(servers.mcp_url, store=store) as session:
        assert await first_request(session)
    ((key, record),) = store.records.items()
    assert isinstance(record.data, bytes)
    assert key == StoreKey("default", servers.mcp_url)
    kinds: dict[str, Callable[[bytes], Any]] = {
        "str": bytes.decode,
        "bytes": bytes,
        "bytearray": bytearray,
        "memoryview": memoryview,
        "part of a memoryview": lambda data: memoryview(b"xx" + data)[2:],
        "every second byte": lambda data: memoryview(bytes(byte for one in data for byte in (one, 0)))[::2],
        "an array": lambda data: memoryview(array.array("B", data)),
    }
    for kind, convert in kinds.items():
        given = convert(record.data)
        store.records[key] = StoredRecord(record.version, given)
        async with AuthSession.open(servers.mcp_url, store=store) as session:
            assert session.authorization() is not None, kind
        # What the application gave is its own, and is left as it was.
        assert (given if isinstance(given, str) else bytes(given).decode()) == record.data.decode()


@pytest.mark.parametrize("method", ["load", "save", "delete", "try_lease"])
@TWICE
async def test_what_a_store_raises_is_the_cause_of_a_store_error(own_servers: Fixture, method: str) -> None:
    for make, words in RAISED.values():
        thrown = make()

        def act(thrown: BaseException = thrown) -> Any:
            raise thrown

        for function in in_both_ways(act).values():
            store = LeasingStore()
            async with open_at(own_servers.mcp_url, store=store) as session:
                assert await first_request(session)
                if method == "try_lease":
                    own_servers.expire()
                changed(store, **{method: function})
                with anyio.fail_after(PATIENCE):
                    if method == "load":
                        error = await failure(session.connection_state())
                    elif method == "delete":
                        error = await failure(session.sign_out())
                    elif method == "save":
                        error = await failure(session.set_auth_state(await session.auth_state() or {}))
                    else:
                        error = await failure(first_request(session))
            assert isinstance(error, StoreError)
            assert words in str(error)
            assert "the store of the test" in str(error)
            assert error.__cause__ is thrown


@TWICE
async def test_a_store_that_fails_keeps_a_session_from_being_opened() -> None:
    thrown = ValueError("the keychain is locked")

    def load(key: StoreKey) -> Any:
        raise thrown

    error = await failure(_opened(changed(PlainStore(), load=load)))
    assert error.code == "store"
    assert error.__cause__ is thrown
    assert "the store of the test: the keychain is locked" in str(error)
    nameless = await failure(_opened(changed(PlainStore(), load=load, place=None)))
    assert "the keychain is locked" in str(nameless)
    assert "None" not in str(nameless)


async def _opened(store: Any) -> AuthSession:
    return await AuthSession.open(URL, store=store)


class Record:
    """A record as another library may have it."""

    def __init__(self, **members: Any) -> None:
        vars(self).update(members)


NO_RECORDS: dict[str, Callable[[], Any]] = {
    "no version": lambda: Record(data="{}"),
    "no data": lambda: Record(version=1),
    "None as data": lambda: Record(version=1, data=None),
    "a number as data": lambda: Record(version=1, data=5),
    "a dict as data": lambda: Record(version=1, data={SECRET: SECRET}),
    "a list as data": lambda: Record(version=1, data=[1, 2]),
    "text as version": lambda: Record(version="1", data=SECRET),
    "a fraction as version": lambda: Record(version=1.5, data=SECRET),
    "a negative version": lambda: Record(version=-1, data=SECRET),
    "True as version": lambda: Record(version=True, data=SECRET),
    "a version that is too large": lambda: Record(version=2**63, data=SECRET),
}


@ONCE
async def test_what_load_returns_must_be_a_record() -> None:
    # One that raises is not one of another type.
    others = {kind: make for kind, make in VALUES.items() if kind not in ("a coroutine", "a hostile object")}
    for kind, make in {**others, **NO_RECORDS}.items():
        for function in in_both_ways(make).values():
            error = await failure(_opened(changed(PlainStore(), load=function)))
            assert error.code == "store", kind
            assert "the store of the test: store.load must return a" in str(error), kind
            quotes_nothing(error)


#: Of another program, or damaged.
DATA: dict[str, Any] = {
    "nothing": "",
    "words": SECRET,
    "other JSON": json.dumps({"token": SECRET}),
    "a newer format": json.dumps({"format": 99, "grant": SECRET}),
    "a damaged record": json.dumps({"format": 1, "grant": {"access_token": SECRET}}),
    "half a record": f'{{"format":1,"clients":{{"{SECRET}',
    "a lone surrogate": f"\ud800{SECRET}",
    "no bytes": b"",
    "bytes that are not UTF-8": b"\xff" + SECRET.encode(),
}


@ONCE
async def test_data_that_are_no_record_of_a_session_are_refused_and_not_quoted() -> None:
    for kind, data in DATA.items():
        store = changed(PlainStore(), load=lambda key, data=data: StoredRecord(1, data))
        error = await failure(_opened(store))
        assert error.code == "store", kind
        assert "the store of the test" in str(error)
        assert SECRET not in f"{error}{error.sentence}"


@ONCE
async def test_a_version_may_be_any_whole_number(servers: Fixture) -> None:
    for first in (0, 1, 2**53, 2**63 - 20):
        store = PlainStore()
        store._version = first - 1
        async with open_at(servers.mcp_url, store=store) as session:
            assert await first_request(session)
        async with open_at(servers.mcp_url, store=store, host=None) as session:
            assert session.authorization() is not None


@ONCE
async def test_what_save_delete_and_the_leases_return_is_checked(own_servers: Fixture) -> None:
    wrong: dict[str, tuple[set[str], str]] = {
        "save": ({"a number"}, "store.save must return the new version, a whole number, or None"),
        "delete": ({"True"}, "store.delete must return True or False"),
        "try_lease": ({"text"}, "store.try_lease must return a string that identifies the lease, or None"),
    }
    for method, (right, message) in wrong.items():
        for kind, make in VALUES.items():
            if kind in right or kind == "a coroutine":
                continue
            store = LeasingStore()
            async with open_at(own_servers.mcp_url, store=store) as session:
                assert await first_request(session)
                changed(store, **{method: in_both_ways(make)["plain"]})
                if method == "save":
                    error = await failure(session.set_auth_state(await session.auth_state() or {}))
                elif method == "delete":
                    error = await failure(session.sign_out())
                else:
                    own_servers.expire()
                    error = await failure(first_request(session))
            assert error.code == "store", (method, kind, str(error))
            assert f"the store of the test: {message}" in str(error), (method, kind)
            quotes_nothing(error)


@ONCE
async def test_a_store_that_always_reports_another_write_is_given_up(servers: Fixture) -> None:
    saves: list[None] = []
    store = changed(PlainStore(), save=lambda *_: saves.append(None))
    async with open_at(servers.mcp_url, store=store) as session:
        with anyio.fail_after(PATIENCE):
            error = await failure(first_request(session))
    assert error.code == "store"
    assert "the store of the test" in str(error)
    assert 1 < len(saves) < 1000


@TWICE
async def test_many_failures_at_once_have_each_its_own_cause() -> None:
    store = PlainStore()
    thrown: list[ValueError] = []
    errors: list[Any] = []

    def load(key: StoreKey) -> Any:
        thrown.append(ValueError(f"failure {len(thrown)}"))
        raise thrown[-1]

    async with AuthSession.open(URL, store=store) as session:
        changed(store, load=load)

        async def ask() -> None:
            errors.append(await failure(session.connection_state()))

        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(ask)
    assert {id(error.__cause__) for error in errors} == {id(one) for one in thrown}
    assert len(thrown) == 200
    assert all(str(error.__cause__) in str(error) for error in errors)


class Waiting:
    """A function that waits until it is let go."""

    def __init__(self, then: Callable[..., Any]) -> None:
        self.called, self.go_on, self.ended = anyio.Event(), anyio.Event(), anyio.Event()
        self._then = then

    async def __call__(self, *given: Any) -> Any:
        self.called.set()
        try:
            await self.go_on.wait()
            return self._then(*given)
        finally:
            self.ended.set()


@pytest.mark.parametrize("method", ["load", "save", "try_lease"])
@TWICE
async def test_closing_ends_a_request_whose_store_hangs(own_servers: Fixture, method: str) -> None:
    store = LeasingStore()
    session = await open_at(own_servers.mcp_url, store=store)
    assert await first_request(session)
    own_servers.expire()
    waiting = Waiting(getattr(store, method))
    changed(store, **{method: waiting})
    failed = anyio.Event()

    async def request() -> None:
        assert (await failure(first_request(session))).code == "cancelled"
        failed.set()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(request)
            await waiting.called.wait()
            # It waits for tokens that may be under way.
            tasks.start_soon(session.close)
            await failed.wait()
            assert not waiting.ended.is_set()
            waiting.go_on.set()
        await until(lambda: not store.held)


@TWICE
async def test_closing_ends_every_operation_that_waits_for_the_store() -> None:
    store = PlainStore()
    session = await AuthSession.open(URL, store=store)
    waiting = Waiting(store.load)
    changed(store, load=waiting)
    codes: list[str] = []

    async def fails(work: Callable[[], Any]) -> None:
        codes.append((await failure(work())).code)

    works = (session.connection_state, session.sign_out, lambda: session.complete_authorization("state=x"))
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for work in works:
                tasks.start_soon(fails, work)
            await waiting.called.wait()
            await session.close()
    assert codes == ["cancelled"] * len(works)


@TWICE
async def test_a_lease_is_taken_for_a_renewal_and_given_back(own_servers: Fixture) -> None:
    for store in (LeasingStore(), awaitable(LeasingStore)):
        plain = getattr(store, "plain", store)
        async with open_at(own_servers.mcp_url, store=store) as session:
            assert await first_request(session)
            await until(lambda plain=plain: not plain.held)  # type: ignore[misc]
            plain.calls.clear()
            own_servers.expire()
            assert await first_request(session)
            await until(lambda plain=plain: not plain.held)  # type: ignore[misc]
        assert plain.calls.count("try_lease") == plain.calls.count("release_lease") == 1
        assert plain.ttls == {10.0}


@TWICE
async def test_a_lease_that_is_granted_while_its_session_closes_is_released(own_servers: Fixture) -> None:
    store = LeasingStore()
    session = await open_at(own_servers.mcp_url, store=store)
    assert await first_request(session)
    own_servers.expire()
    called, answer = anyio.Event(), anyio.Event()

    async def try_lease(key: StoreKey, ttl: float) -> str | None:
        lease = LeasingStore.try_lease(store, key, ttl)
        called.set()
        with anyio.CancelScope(shield=True):
            try:
                await answer.wait()
            except BaseException:
                # Asyncio's own cancellation ignores the shield.
                pass
        return lease

    changed(store, try_lease=try_lease)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_swallow, session)
            await called.wait()
            await session.close()
            answer.set()
        await until(lambda: not store.held)


async def _swallow(session: AuthSession) -> None:
    await failure(first_request(session))


async def until(wanted: Callable[[], bool]) -> None:
    """Waits for a condition, with a limit."""
    with anyio.fail_after(PATIENCE):
        while not wanted():
            await anyio.sleep(0.001)


@TWICE
async def test_two_sessions_with_one_store_renew_once(own_servers: Fixture) -> None:
    for make in STORES.values():
        store = make()
        async with open_at(own_servers.mcp_url, store=store) as one, open_at(own_servers.mcp_url, store=store) as other:
            assert await first_request(one)
            assert await other.connection_state()
            old = one.authorization()
            own_servers.expire()
            own_servers.reset_counters()
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(_rejected, (one, other)[number % 2], old)
            counters = own_servers.counters()
            assert (counters["token_refresh"], counters["reuse_detected"]) == (1, 0)
            assert one.authorization() == other.authorization()
            assert one.authorization() != old


async def _rejected(session: AuthSession, failed: Any) -> None:
    outcome = await session.handle_auth_challenge(AuthChallenge("token_expired"), failed=failed)
    assert outcome.kind == "satisfied", outcome


@TWICE
async def test_tokens_that_arrive_while_closing_is_cancelled_are_stored(own_servers: Fixture) -> None:
    for make in (PlainStore, LeasingStore):
        store = make()
        session = await open_at(own_servers.mcp_url, store=store)
        assert await first_request(session)
        own_servers.expire()
        own_servers.reset_counters()
        own_servers.control("PATCH", "/faults", {"token_hold": True})
        before = dict(store.records)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_swallow, session)
                await until(lambda: own_servers.counters()["token_requests"] > 0)
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await session.close()
            own_servers.control("PATCH", "/faults", {"token_hold": False})
            await until(lambda store=store, before=before: store.records != before)  # type: ignore[misc]
        async with open_at(own_servers.mcp_url, store=store, host=None) as session:
            own_servers.reset_counters()
            assert (await session.connection_state()).authorized


@ONCE
async def test_a_session_that_is_not_closed_is_collected_with_its_store(servers: Fixture) -> None:
    store = LeasingStore()
    session = await open_at(servers.mcp_url, store=store)
    assert await first_request(session)
    gone = weakref.ref(store)
    del session, store
    gc.collect()
    await until(lambda: gone() is None)


@TWICE
async def test_a_sign_in_that_outlasts_its_session_does_not_leave_a_lease(servers: Fixture) -> None:
    store = LeasingStore()
    opened, answer = anyio.Event(), anyio.Event()

    async def authorize(request: AuthorizationRequest) -> str:
        opened.set()
        await answer.wait()
        return visit(request.url)

    session = await open_at(servers.mcp_url, store=store, host=host(authorize=authorize))
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_swallow, session)
            await opened.wait()
            await session.close()
        await until(lambda: not store.held)
    async with open_at(servers.mcp_url, store=store, host=Person()) as session:
        with anyio.fail_after(PATIENCE):
            assert await first_request(session)
