"""Calls from the native part to the application's Python code. See ``bindings-common/src/call.rs``.

They arrive on one thread, in order, and run where their session was opened.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import traceback
import weakref
from collections import OrderedDict
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any, Protocol

from . import _native
from ._describe import words_of
from ._errors import ReauthError
from ._runner import Runner, Running


class WithBody:
    """A JSON value and a body that a call returns. The body is our own copy: it may be secret, and is wiped."""

    def __init__(self, value: object, body: bytearray) -> None:
        self.value = value
        self.body = body


class CallFailed(Exception):
    """The failure of a call with more facts than its cause holds."""

    def __init__(self, message: str, *, unsent: bool = False) -> None:
        super().__init__(message)
        #: Certainly nothing was sent to a server.
        self.unsent = unsent


class Callee(Protocol):
    """A target of calls: a session's parts, a terminal or a store that is checked."""

    runner: Runner

    def call(self, method: str, input: Any, body: bytearray | None) -> Any | Awaitable[Any]:
        """May return anything or an awaitable, raise, or never settle."""
        ...

    def unheard(self, method: str, input: Any, value: Any) -> None:
        """Receives the result of a call that the native part no longer waits for."""
        ...

    def tell(self, method: str, input: Any) -> None:
        """Receives a notification. Must not raise, and runs on the thread of the calls."""
        ...


_places: dict[int, Place] = {}
_running: dict[int, Running] = {}
_last_id = 0
_ids = threading.Lock()


class Place:
    """Registers a callee for the native part.

    The reference is weak, so that an unreferenced session can be collected although native code could still call it.
    While ``hold`` is in effect it is strong.
    """

    def __init__(self, callee: Callee) -> None:
        global _last_id
        with _ids:
            _last_id += 1
            self.id = _last_id
        places, id = _places, self.id
        self._callee = weakref.ref(callee, lambda _: places.pop(id, None))
        self._held: Callee | None = None
        self._holds = 0
        self._left = False
        self._lock = threading.RLock()
        _places[self.id] = self

    @property
    def callee(self) -> Callee | None:
        return self._callee()

    def hold(self) -> None:
        """Keeps the callee alive, also after ``leave``."""
        with self._lock:
            self._holds += 1
            self._held = self.callee
            _places[self.id] = self

    def let_go(self) -> None:
        """Ends a ``hold``."""
        with self._lock:
            self._holds -= 1
            if self._holds > 0:
                return
            self._held = None
            if self._left:
                self.leave()

    def leave(self) -> None:
        """Unregisters the callee, once every ``hold`` has ended."""
        with self._lock:
            self._left = True
            if self._held is None:
                _places.pop(self.id, None)


#: How many exceptions are kept as causes for later errors.
_MAX_THROWN = 1024
_thrown: OrderedDict[int, BaseException] = OrderedDict()
_last_thrown = 0


_PACKAGE = os.path.dirname(__file__)


def _keep(error: BaseException) -> int:
    global _last_thrown
    # If the exception is never asked for, its traceback would keep the session alive through our own frames.
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if os.path.dirname(frame.f_code.co_filename) == _PACKAGE:
            try:
                frame.clear()
            except RuntimeError:
                # It is still executing.
                pass
    with _ids:
        _last_thrown += 1
        _thrown[_last_thrown] = error
        if len(_thrown) > _MAX_THROWN:
            _thrown.popitem(last=False)
        return _last_thrown


def caught(number: object) -> BaseException | None:
    """The exception with that number, unless newer ones have displaced it. It is forgotten: an exception keeps alive
    all that its traceback refers to."""
    return _thrown.pop(number, None) if isinstance(number, int) else None


def unwrap(answer: str) -> Any:
    """Returns the value of a native answer, or raises its error."""
    read = json.loads(answer)
    if "error" not in read:
        return read["ok"]
    failure = read["error"]
    raise ReauthError.from_json(failure) from caught(failure.get("thrown"))


def _called(session: int, call: int, method: str, input: str, body: bytearray | None) -> None:
    if method == "cancel":
        running = _running.pop(call, None)
        if running is not None:
            running.cancel()
        return
    place = _places.get(session)
    callee = place.callee if place is not None else None
    if callee is None:
        if call != 0:
            _bridge.settle(call, _refusal(RuntimeError("the session no longer exists")))
        return
    if call == 0:
        callee.tell(method, json.loads(input))
        return
    running = callee.runner.call(lambda: _answer(callee, call, method, json.loads(input), body))
    _running[call] = running
    try:
        running.start()
    except RuntimeError:
        _running.pop(call, None)
        ended = "the event loop that the session was opened in has ended; open a session in each"
        _bridge.settle(call, _refusal(RuntimeError(ended)))


async def _answer(callee: Callee, call: int, method: str, input: Any, body: bytearray | None) -> None:
    try:
        value = callee.call(method, input, body)
        if isawaitable(value):
            value = await value
        returned, bytes_ = (value.value, value.body) if isinstance(value, WithBody) else (value, None)
        heard = _bridge.settle(call, json.dumps({"ok": returned}), bytes_)
        if bytes_ is not None:
            # `settle` has copied the bytes.
            bytes_[:] = bytes(len(bytes_))
        if not heard:
            callee.unheard(method, input, returned)
    except BaseException as error:
        _bridge.settle(call, _refusal(error))
        # Of the task itself: cancelled, or the program ends. Another one would be reported as lost, and is not.
        if isinstance(error, (*_cancellations(), SystemExit)):
            raise
    finally:
        _running.pop(call, None)
        del callee


def _cancellations() -> tuple[type[BaseException], ...]:
    trio = sys.modules.get("trio")
    return (asyncio.CancelledError, KeyboardInterrupt, *((trio.Cancelled,) if trio else ()))


def _is_cancelled(error: BaseException) -> bool:
    return isinstance(error, _cancellations()) or (isinstance(error, ReauthError) and error.code == "cancelled")


def _refusal(error: BaseException) -> str:
    unsent = isinstance(error, CallFailed) and error.unsent
    # The native part adds its own prefix, which a `ReauthError` has in its message already but not in its detail.
    detail = error.detail if isinstance(error, ReauthError) else None
    cause = error.__cause__ if isinstance(error, CallFailed) and error.__cause__ else error
    failure = {
        "message": detail if detail is not None else words_of(error),
        "cancelled": _is_cancelled(error),
        "unsent": unsent,
        "thrown": _keep(cause),
    }
    # Text of the application may hold what is no valid Unicode, which JSON escapes and Rust refuses.
    text = json.dumps({"error": failure}, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")


_bridge = _native.Bridge(_called)


def bridge() -> _native.Bridge:
    """The bridge of this process."""
    return _bridge


def after_fork() -> None:
    """Begins anew in a forked child, where threads that had locked something do not exist."""
    global _bridge, _ids
    _native.after_fork()
    _ids = threading.Lock()
    _running.clear()
    _bridge = _native.Bridge(_called)
