"""The parts of a session that the application implements."""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Mapping
from inspect import isawaitable
from typing import Any

from . import _native
from ._bridge import Place
from ._check import is_broken
from ._describe import describe
from ._errors import closed, misconfigured
from ._events import EventStream
from ._forms import SessionEvent, with_challenge
from ._host import call_host
from ._http_client import call_http
from ._options import CheckedOptions
from ._runner import Runner
from ._store import CalledStore, native_store
from ._waiting import shut_down


class Parts:
    """What the native part calls. It lives as long as code can use the session."""

    def __init__(self, options: CheckedOptions, runner: Runner) -> None:
        self.runner = runner
        self.place: Place = Place(self)
        #: An event stream without references is not read any more.
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()
        self._lock = threading.Lock()
        #: The session accepts no more operations.
        self.is_closed = False
        self._options = options
        self._process = os.getpid()
        store = options.store
        is_ours = store is None or native_store(store) is not None
        self._store = None if is_ours else CalledStore(store, self.place, runner)

    def is_here(self) -> bool:
        """Whether the session was opened in this process, and not before a fork."""
        return os.getpid() == self._process

    def is_usable(self) -> bool:
        """Whether the session can be used."""
        return not self.is_closed and self.is_here()

    def check_open(self) -> None:
        """Raises if the session cannot be used."""
        if self.is_closed:
            raise closed()
        if not self.is_here():
            raise misconfigured(
                "the session was opened in another process, before a fork; open another one in this one"
            )

    def call(self, method: str, input: Any, body: bytearray | None) -> Any:
        options = self._options
        if method.startswith("store."):
            return self._store.call(method, input, body) if self._store else None
        if method == "fetch":
            return call_http(options.http_client, input, body)
        if method == "network":
            # Core finds the system's certificate authorities, also by SSL_CERT_FILE.
            return {"authorities": [], "envProxies": True}
        if method == "assertion":
            return _assertion(options.assertion, input)
        return call_host(options.host, method, input)

    def unheard(self, method: str, input: Any, value: Any) -> None:
        if self._store and method.startswith("store."):
            self._store.unheard(method, input, value)

    def tell(self, method: str, input: Any) -> None:
        if method.startswith("store."):
            if self._store:
                self._store.tell(method, input)
            return
        event = with_challenge(SessionEvent, input)
        for stream in self.streams():
            stream._push(event)

    def streams(self) -> list[EventStream]:
        """The event streams that are read."""
        with self._lock:
            return list(self._streams)

    def add_stream(self, stream: EventStream) -> None:
        """Begins to give it events."""
        with self._lock:
            self._streams.add(stream)
        if self.is_closed:
            stream._end()

    def remove_stream(self, stream: EventStream) -> None:
        """Gives it no more events."""
        with self._lock:
            self._streams.discard(stream)


async def _assertion(assertion: Any, input: Mapping[str, Any]) -> str:
    given = assertion(input["audience"])
    if isawaitable(given):
        given = await given
    if isinstance(given, str) and not is_broken(given):
        return given
    raise TypeError(f"credentials.assertion must return a string, and returned {describe(given)}")


class OpenSession:
    """An open session: the native object, and the parts that it calls."""

    def __init__(self, native: _native.Session, parts: Parts) -> None:
        self.native = native
        self.parts = parts
        _open.add(self)


_open: weakref.WeakSet[OpenSession] = weakref.WeakSet()

#: How long the exit of the interpreter waits for tokens on their way to a store, in seconds: longer than a call to a
#: server may take.
_EXIT_LIMIT = 25


def end_sessions() -> None:
    """Called when the interpreter exits: stores tokens that were sent for, and then ends the threads."""
    settled: queue.SimpleQueue[None] = queue.SimpleQueue()
    ending = [session.native.close() for session in tuple(_open) if session.parts.is_usable()]
    end = time.monotonic() + _EXIT_LIMIT
    for operation in ending:
        operation.start(settled.put)
    for _ in ending:
        try:
            settled.get(timeout=max(end - time.monotonic(), 0))
        except queue.Empty:
            break
    shut_down()
