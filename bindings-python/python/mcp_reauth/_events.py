"""The events of a session, for one reader."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator

from ._forms import SessionEvent
from ._waiting import Waiter, waiter

#: How many events are kept for a slow reader. Beyond that, the oldest are dropped.
_MAX_WAITING = 1000


class EventStream:
    """The events from the creation of this object on, in order: an asynchronous iterator.

    It ends when the session is closed. ``aclose`` ends it earlier.
    """

    def __init__(self, left: Callable[[EventStream], None]) -> None:
        self._left = left
        self._events: deque[SessionEvent] = deque(maxlen=_MAX_WAITING)
        self._readers: list[Waiter] = []
        self._ended = False
        self._lock = threading.Lock()

    def _push(self, event: SessionEvent) -> None:
        with self._lock:
            self._events.append(event)
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.wake(None)

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.wake(None)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> SessionEvent:
        while True:
            with self._lock:
                if self._events:
                    return self._events.popleft()
                if self._ended:
                    raise StopAsyncIteration
                reader = waiter()
                self._readers.append(reader)
            try:
                await reader.wait()
            except BaseException:
                with self._lock:
                    if reader in self._readers:
                        self._readers.remove(reader)
                raise

    def blocking(self) -> Iterator[SessionEvent]:
        """The same events, for a thread without an event loop."""
        woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        try:
            while True:
                with self._lock:
                    event = self._events.popleft() if self._events else None
                    if event is None and self._ended:
                        return
                    if event is None:
                        self._readers.append(_Blocked(woken))
                if event is not None:
                    yield event
                else:
                    woken.get()
        finally:
            self._left(self)

    async def aclose(self) -> None:
        """Ends the stream."""
        self._left(self)
        self._end()


class _Blocked:
    """A thread that waits for an event."""

    def __init__(self, woken: queue.SimpleQueue[None]) -> None:
        self._woken = woken

    def wake(self, value: object) -> None:
        self._woken.put(None)

    async def wait(self) -> None:
        self._woken.get()
