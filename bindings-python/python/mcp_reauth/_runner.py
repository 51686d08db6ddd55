"""Where the application's own code runs when the native part calls it: in the event loop and the context that the
session was opened in."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from ._waiting import running_trio

Work = Callable[[], Coroutine[Any, Any, None]]


class Running(Protocol):
    """One call."""

    def start(self) -> None:
        """Starts it, from any thread. Raises a ``RuntimeError`` if the event loop has ended."""
        ...

    def cancel(self) -> None:
        """Cancels it, from any thread, as its event loop cancels tasks."""
        ...


class Runner(Protocol):
    """Runs calls, from any thread."""

    def call(self, work: Work) -> Running:
        """Prepares a call."""
        ...


def current_runner(blocking: bool) -> Runner:
    """The runner for what is called from the current task, or from a program without an event loop."""
    if blocking:
        return _Threads()
    trio = running_trio()
    return _Trio(trio) if trio else _Asyncio()


class _Asyncio:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.context = contextvars.copy_context()

    def call(self, work: Work) -> Running:
        return _AsyncioCall(self, work)


#: The loop refers to its tasks weakly.
_tasks: set[asyncio.Task[None]] = set()


class _AsyncioCall:
    def __init__(self, runner: _Asyncio, work: Work) -> None:
        self._runner = runner
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    def start(self) -> None:
        self._runner.loop.call_soon_threadsafe(self._begin, context=self._runner.context)

    def _begin(self) -> None:
        if self._cancelled:
            return
        task = self._runner.loop.create_task(self._work())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
        self._task = task

    def cancel(self) -> None:
        try:
            self._runner.loop.call_soon_threadsafe(self._stop)
        except RuntimeError:
            # The loop is closed, and has cancelled its tasks.
            pass

    def _stop(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()


class _Trio:
    def __init__(self, trio: Any) -> None:
        self.trio = trio
        self.token = trio.lowlevel.current_trio_token()
        self.context = contextvars.copy_context()

    def call(self, work: Work) -> Running:
        return _TrioCall(self, work)


class _TrioCall:
    def __init__(self, runner: _Trio, work: Work) -> None:
        self._runner = runner
        self._work = work
        self._scope = runner.trio.CancelScope()

    def start(self) -> None:
        self._soon(self._begin)

    def _begin(self) -> None:
        context = self._runner.context.copy()
        self._runner.trio.lowlevel.spawn_system_task(self._run, context=context)

    async def _run(self) -> None:
        with self._scope:
            try:
                await self._work()
            except self._runner.trio.Cancelled:
                raise
            except BaseException:
                # The caller has heard of it. Out of a system task it would end the program with an error of trio.
                pass

    def cancel(self) -> None:
        try:
            self._soon(self._scope.cancel)
        except RuntimeError:
            pass

    def _soon(self, what: Callable[[], None]) -> None:
        try:
            self._runner.token.run_sync_soon(what)
        except self._runner.trio.RunFinishedError as over:
            raise RuntimeError("the trio run has ended") from over


class _Threads:
    """A thread for each call, of a program without an event loop."""

    def __init__(self) -> None:
        self.context = contextvars.copy_context()

    def call(self, work: Work) -> Running:
        return _ThreadCall(self, work)


class _ThreadCall:
    def __init__(self, runner: _Threads, work: Work) -> None:
        self._context = runner.context.copy()
        self._work = work
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    def start(self) -> None:
        # It must not keep the program from ending.
        threading.Thread(target=self._context.run, args=(self._run,), name="mcp-reauth-call", daemon=True).start()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException:
            # The caller has heard of it.
            pass

    async def _main(self) -> None:
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            if self._cancelled:
                return
        await self._work()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._loop is None or self._task is None:
                return
            try:
                self._loop.call_soon_threadsafe(self._task.cancel)
            except RuntimeError:
                pass
