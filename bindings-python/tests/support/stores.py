"""Stores in Python, as an application writes them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from mcp_reauth import StoredRecord, StoreKey


class PlainStore:
    """Keeps records in memory, by plain functions, without leases of its own."""

    place = "the store of the test"

    def __init__(self) -> None:
        self.records: dict[StoreKey, StoredRecord] = {}
        self.calls: list[str] = []
        self._version = 0

    def load(self, key: StoreKey) -> StoredRecord | None:
        self.calls.append("load")
        return self.records.get(key)

    def save(self, key: StoreKey, data: bytes, expected: int | None) -> int | None:
        self.calls.append("save")
        if self._version_of(key) != expected:
            return None
        self._version += 1
        self.records[key] = StoredRecord(self._version, data)
        return self._version

    def delete(self, key: StoreKey, expected: int) -> bool:
        self.calls.append("delete")
        if self._version_of(key) != expected:
            return False
        del self.records[key]
        return True

    def _version_of(self, key: StoreKey) -> int | None:
        record = self.records.get(key)
        return None if record is None else record.version


class LeasingStore(PlainStore):
    """The same with leases."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[StoreKey, tuple[str, float]] = {}
        self.ttls: set[float] = set()

    def try_lease(self, key: StoreKey, ttl: float) -> str | None:
        self.calls.append("try_lease")
        self.ttls.add(ttl)
        if key in self.held and self.held[key][1] > time.monotonic():
            return None
        lease = str(uuid.uuid4())
        self.held[key] = lease, time.monotonic() + ttl
        return lease

    def renew_lease(self, key: StoreKey, lease: str, ttl: float) -> bool:
        self.calls.append("renew_lease")
        if self.held.get(key, ("", 0))[0] != lease:
            return False
        self.held[key] = lease, time.monotonic() + ttl
        return True

    def release_lease(self, key: StoreKey, lease: str) -> None:
        self.calls.append("release_lease")
        if self.held.get(key, ("", 0))[0] == lease:
            del self.held[key]


def awaitable(cls: type[PlainStore]) -> Any:
    """A store of this class whose functions are coroutine functions."""
    plain = cls()
    members: dict[str, Any] = {"plain": plain, "place": plain.place}
    for name in ("load", "save", "delete", "try_lease", "renew_lease", "release_lease"):
        function = getattr(plain, name, None)
        if function is not None:
            members[name] = _coroutine_function(function)
    return type("AwaitableStore", (), members)()


def _coroutine_function(function: Callable[..., Any]) -> Any:
    async def coroutine(self: object, *given: object) -> Any:
        return function(*given)

    return coroutine


def changed(store: PlainStore, **functions: Any) -> Any:
    """The store, with these functions instead of its own."""
    for name, function in functions.items():
        setattr(store, name, function)
    return store
