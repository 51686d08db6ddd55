"""Checks for stores that an application writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import _native
from ._bridge import Place, bridge, unwrap
from ._runner import Runner, current_runner
from ._store import CalledStore, FileStore, MemoryStore, Releases, TokenStore, leases_within, native_store, place_of
from ._waiting import by_loop

__all__ = ["StoreCheck", "check_store"]


@dataclass(frozen=True)
class StoreCheck:
    """The result of one check."""

    #: What a store must do.
    name: str
    #: What it did instead; ``None`` if it did that.
    failure: str | None


async def check_store(
    one: TokenStore | MemoryStore | FileStore, other: TokenStore | MemoryStore | FileStore | None = None
) -> list[StoreCheck]:
    """Runs the checks of the store contract. ``other`` is a second object for the same records, as in another process
    (default: ``one``). It writes records of profiles that begin with ``mcp-reauth-check``, and takes some seconds,
    because leases must lapse.

    ::

        assert all(check.failure is None for check in await check_store(MyStore(path), MyStore(path)))
    """
    releases = Releases()
    first, second = _Checked(one, releases), _Checked(one if other is None else other, releases)
    try:
        results = unwrap(await by_loop(_native.check_store(first.native, second.native)))
    finally:
        for checked in (first, second):
            checked.place.leave()
    return [StoreCheck(check["name"], check.get("failure")) for check in results]


class _Checked:
    """A store that is checked."""

    runner: Runner

    def __init__(self, store: Any, releases: Releases) -> None:
        self.runner = current_runner(blocking=False)
        self.place = Place(self)
        ours = native_store(store)
        if ours is not None:
            self.native = ours
            return
        place_of(store)
        self._store = CalledStore(store, self.place, self.runner, releases)
        self.native = _native.Store.of_application(bridge(), self.place.id, leases_within(store))

    def call(self, method: str, input: Any, body: bytearray | None) -> Any:
        return self._store.call(method, input, body)

    def unheard(self, method: str, input: Any, value: Any) -> None:
        self._store.unheard(method, input, value)

    def tell(self, method: str, input: Any) -> None:
        self._store.tell(method, input)
