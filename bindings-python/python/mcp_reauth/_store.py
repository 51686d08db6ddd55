"""Token stores: built-in ones, and those that an application writes."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from inspect import iscoroutine
from typing import Any, Protocol

from . import _native
from ._bridge import Place, WithBody
from ._check import TEXT, is_broken, member, read_one, refusal
from ._describe import describe
from ._errors import misconfigured
from ._runner import Runner
from ._waiting import Waiter, awaited, waiter


@dataclass(frozen=True)
class StoreKey:
    """The key of a record: profile and server together."""

    #: The user or tenant. Users of one backend never share records.
    profile: str
    #: The MCP server's address, or ``idp:`` and the issuer of an identity provider.
    server: str


@dataclass(frozen=True)
class StoredRecord:
    """A stored record. Stores do not interpret its data."""

    #: A whole number that increases with every write of this key, also after a deletion.
    version: int
    #: The record: a string, or its UTF-8 bytes. It holds secrets.
    data: str | bytes | bytearray = field(repr=False)


class TokenStore(Protocol):
    """Stores records. Methods may be coroutine functions, or plain functions, which run in the event loop's thread.

    Sessions of one or more processes can share a store: every write names the version it replaces, so that no session
    overwrites newer tokens, and a renewal holds a lease, so that a refresh token is used once. Test your store with
    :func:`mcp_reauth.testing.check_store`.

    Besides these methods a store may have

    - ``place``: a string that describes its location in error messages
    - ``try_lease(key, ttl)``: takes the lease of a record for ``ttl`` seconds unless another holder has it, and returns
      a string that identifies it among all leases of this key; ``None`` if another has it. It is renewed every 3 s
      while it is needed; if its holder crashes, others wait for at most ``ttl``
    - ``renew_lease(key, lease, ttl)``: extends a lease to ``ttl`` seconds from now, atomically with the check that this
      holder still has it, and returns whether it does
    - ``release_lease(key, lease)``: releases a lease if this holder still has it

    Without these three, leases work within this process only: leave them out only if no other process uses the store.
    """

    def load(self, key: StoreKey) -> StoredRecord | Awaitable[StoredRecord | None] | None:
        """Reads a record; ``None`` when there is none."""
        ...

    def save(self, key: StoreKey, data: bytes, expected: int | None) -> int | Awaitable[int | None] | None:
        """Writes a record if its version is still ``expected`` (``None``: if there is none), and returns its new
        version; ``None`` if another write came first, and nothing was changed. ``data`` is UTF-8 text."""
        ...

    def delete(self, key: StoreKey, expected: int) -> bool | Awaitable[bool]:
        """Deletes a record if its version is still ``expected``, and returns whether it did. Later writes of this key
        must still have higher versions."""
        ...


class MemoryStore:
    """Stores records in memory, for all sessions that use this object."""

    place = "in memory"

    def __init__(self) -> None:
        self._native = _native.Store.memory()


class FileStore:
    """Stores records in one file with mode 0600. Several processes can share it, also of other languages.

    ::

        store = FileStore(pathlib.Path.home() / ".my-client" / "credentials.json")
    """

    #: The path of the file.
    place: str

    def __init__(self, path: str | os.PathLike[str]) -> None:
        place = path if isinstance(path, str) else path.__fspath__() if isinstance(path, os.PathLike) else None
        if not isinstance(place, str) or not place or is_broken(place):
            raise refusal("the path of a FileStore", "a string or a path", path)
        self.place = place
        self._native = _native.Store.file(place)


def native_store(store: object) -> _native.Store | None:
    """The native object of a built-in store."""
    return store._native if isinstance(store, (MemoryStore, FileStore)) else None


_LEASES = ("try_lease", "renew_lease", "release_lease")


def place_of(store: object) -> str | None:
    """Checks the members of a store, and returns its ``place``."""
    if native_store(store) is not None:
        return None
    if iscoroutine(store):
        raise refusal("store", "a TokenStore", store)
    for name in ("load", "save", "delete"):
        _require_function(store, name)
    leases = [name for name in _LEASES if member(store, name, "store") is not None]
    for name in leases:
        _require_function(store, name)
    if leases and len(leases) < len(_LEASES):
        missing = " and ".join(name for name in _LEASES if name not in leases)
        has = " and ".join(leases)
        raise misconfigured(f"store has {has}, and lacks {missing}: a store has all three, or none")
    place = member(store, "place", "store")
    return None if place is None else str(read_one(place, TEXT, "store.place"))


def _require_function(store: object, name: str) -> None:
    function = member(store, name, "store")
    if not callable(function):
        raise refusal(f"store.{name}", "a function", function)


class Releases:
    """The releases of leases that are under way. A lease is asked for when they are over: trio and threads do not begin
    calls in order."""

    def __init__(self) -> None:
        self._keys: list[StoreKey] = []
        self._waiting: list[Waiter] = []
        self._lock = threading.Lock()

    def begin(self, key: StoreKey) -> None:
        """A release begins."""
        with self._lock:
            self._keys.append(key)

    def end(self, key: StoreKey) -> None:
        """A release is over."""
        with self._lock:
            self._keys.remove(key)
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.wake(None)

    async def over(self, key: StoreKey) -> None:
        """Waits until all releases of this lease are over."""
        while True:
            with self._lock:
                if key not in self._keys:
                    return
                one = waiter()
                self._waiting.append(one)
            await one.wait()


class CalledStore:
    """Calls a store in Python for the native part."""

    def __init__(self, store: Any, place: Place, runner: Runner, releases: Releases | None = None) -> None:
        self._store = store
        #: Held while a lease is held, so that the lease can be released.
        self._place = place
        self._runner = runner
        self._releases = releases or Releases()

    async def call(self, method: str, input: Mapping[str, Any], body: bytearray | None) -> object:
        store, key = self._store, StoreKey(**input["key"])
        if method == "store.load":
            record = await awaited(store.load(key))
            return _loaded(record)
        if method == "store.save":
            data = bytes(body or b"")
            _wipe(body)
            version = await awaited(store.save(key, data, input.get("expected")))
            return _checked("save", version, _is_version(version), "the new version, a whole number")
        if method == "store.delete":
            return _whether("delete", await awaited(store.delete(key, input["expected"])))
        seconds = input["ttl"] / 1000
        if method == "store.renewLease":
            return _whether("renew_lease", await awaited(store.renew_lease(key, input["lease"], seconds)))
        await self._releases.over(key)
        lease = await awaited(store.try_lease(key, seconds))
        granted = isinstance(lease, str) and lease != "" and not is_broken(lease)
        _checked("try_lease", lease, granted, "a string that identifies the lease")
        if granted:
            self._place.hold()
        return lease

    def unheard(self, method: str, input: Mapping[str, Any], value: object) -> None:
        """Releases a lease that was granted after the native part stopped waiting."""
        if method == "store.tryLease" and isinstance(value, str):
            self._release(StoreKey(**input["key"]), value)

    def tell(self, method: str, input: Mapping[str, Any] | None) -> None:
        """Handles notifications."""
        if method == "store.leaseOut":
            self._place.hold()
        elif method == "store.leaseBack":
            self._place.let_go()
        elif input is not None:
            self._release(StoreKey(**input["key"]), input["lease"])

    def _release(self, key: StoreKey, lease: str) -> None:
        async def release() -> None:
            try:
                await awaited(self._store.release_lease(key, lease))
            except Exception:
                # The lease lapses by itself.
                pass
            finally:
                self._released(key)

        self._releases.begin(key)
        try:
            self._runner.call(release).start()
        except RuntimeError:
            # The event loop has ended.
            self._released(key)

    def _released(self, key: StoreKey) -> None:
        self._releases.end(key)
        self._place.let_go()


def _wipe(body: bytearray | None) -> None:
    if body is not None:
        body[:] = bytes(len(body))


def _loaded(record: object) -> object:
    if record is None:
        return None
    version, data = getattr(record, "version", None), getattr(record, "data", None)
    _checked("load", record, _is_version(version), "a StoredRecord, with a whole number as version")
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"store.load must return a record whose data is text, and it is {describe(data)}")
    return WithBody({"version": version}, bytearray(data))


def _is_version(version: object) -> bool:
    return isinstance(version, int) and not isinstance(version, bool) and 0 <= version < 2**63


def _checked(method: str, value: object, right: bool, what: str) -> object:
    if value is None or right:
        return value
    raise TypeError(f"store.{method} must return {what}, or None, and returned {describe(value)}")


def _whether(method: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(f"store.{method} must return True or False, and returned {describe(value)}")


#: The in-process leases of each application's store without leases, shared by all its sessions.
_within: weakref.WeakKeyDictionary[Any, _native.Leases] = weakref.WeakKeyDictionary()


def leases_within(store: object) -> _native.Leases | None:
    """The in-process leases of a store that has none."""
    if native_store(store) is not None or getattr(store, "try_lease", None) is not None:
        return None
    try:
        return _within.setdefault(store, _native.Leases())
    except TypeError as error:
        what = "must be hashable and weakly referable, unless it has leases of its own"
        raise misconfigured(f"store {what}; {describe(store)} is not") from error
