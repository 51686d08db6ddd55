"""Waits for what other threads finish: in asyncio, in trio, or by blocking the thread."""

from __future__ import annotations

import asyncio
import queue
import sys
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import Any, Protocol, TypeVar

from . import _native
from ._errors import OperationCancelledError
from ._native import Operation

_T = TypeVar("_T")


class Waiter(Protocol):
    """Waits for one value."""

    def wake(self, value: Any) -> None:
        """Gives the value, from any thread. Nothing happens if the one who waited is gone."""
        ...

    async def wait(self) -> Any:
        """Returns the value."""
        ...


class _AsyncioWaiter:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Any] = self._loop.create_future()

    def wake(self, value: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(self._set, value)
        except RuntimeError:
            # The loop is closed.
            pass

    def _set(self, value: Any) -> None:
        if not self._future.done():
            self._future.set_result(value)

    async def wait(self) -> Any:
        return await self._future


class _TrioWaiter:
    def __init__(self, trio: Any) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._over: type[BaseException] = trio.RunFinishedError
        self._event = trio.Event()
        self._value: Any = None

    def wake(self, value: Any) -> None:
        self._value = value
        try:
            self._token.run_sync_soon(self._event.set)
        except self._over:
            pass

    async def wait(self) -> Any:
        await self._event.wait()
        return self._value


def running_trio() -> Any:
    """The module ``trio``, if it runs the current task."""
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return None
    return trio


def waiter() -> Waiter:
    """A waiter for the current task."""
    trio = running_trio()
    return _TrioWaiter(trio) if trio else _AsyncioWaiter()


_has_ended = False


def shut_down() -> None:
    """Ends the native part's calls of Python. Functions that the program runs after this one must not wait for them."""
    global _has_ended
    _has_ended = True
    _native.shut_down()


def _start(operation: Operation, wake: Callable[[Any], None]) -> None:
    if _has_ended:
        raise OperationCancelledError("The program ends, so nothing can be waited for.")
    operation.start(wake)


#: How to wait for an operation of the native part.
Wait = Callable[[Operation], Awaitable[Any]]


async def by_loop(operation: Operation) -> Any:
    """Waits in the current task. If the task is cancelled, the operation goes on without it."""
    waits = waiter()
    _start(operation, waits.wake)
    try:
        return await waits.wait()
    except BaseException:
        operation.cancel()
        raise


async def to_the_end(operation: Operation, wait: Wait) -> None:
    """Waits for an operation that must not be cancelled with its caller."""
    if _has_ended:
        return
    if wait is by_blocking:
        await by_blocking(operation)
        return
    waits = waiter()
    operation.start(waits.wake)
    await waits.wait()


async def by_blocking(operation: Operation) -> Any:
    """Waits by blocking the thread, so that a coroutine that waits only so never suspends: see :func:`run`."""
    settled: queue.SimpleQueue[Any] = queue.SimpleQueue()
    _start(operation, settled.put)
    try:
        return settled.get()
    except BaseException:
        # Ctrl-C
        operation.cancel()
        raise


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        value: _T = ended.value
        return value
    coroutine.close()
    raise RuntimeError("a coroutine that must not suspend did")


async def awaited(value: Any) -> Any:
    """What a function of the application returned: a value, or an awaitable of it."""
    return await value if isawaitable(value) else value
