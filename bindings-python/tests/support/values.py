"""Values of all types, and exceptions of all kinds, that an application may give by mistake."""

from __future__ import annotations

import builtins
import importlib
import inspect
import math
import pathlib
from collections.abc import Callable
from typing import Any

from mcp_reauth import ReauthError

#: Is in many values. No message may contain it.
SECRET = "s3cr3t-of-the-application"

#: The largest time that anything which does not wait for a person may take, in seconds.
PATIENCE = 10


class Object:
    """An object whose representations hold a secret."""

    def __repr__(self) -> str:
        return SECRET

    __str__ = __repr__


class Hostile:
    """Raises whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __iter__(self) -> Any:
        raise RuntimeError("no iter")

    def __bool__(self) -> bool:
        raise RuntimeError("no bool")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no eq")

    __hash__ = None  # type: ignore[assignment]


class URL:
    """As ``httpx.URL``, ``yarl.URL`` and others."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def nothing() -> None:
    return None


async def coroutine() -> str:
    return SECRET


#: Makes a value of each type. Keys are the names that the tests use.
VALUES: dict[str, Callable[[], Any]] = {
    "True": lambda: True,
    "a number": lambda: 5,
    "a negative number": lambda: -1,
    "a fraction": lambda: 0.5,
    "no number": lambda: math.nan,
    "infinity": lambda: math.inf,
    "a huge number": lambda: 10**400,
    "text": lambda: SECRET,
    "empty text": lambda: "",
    "text with a lone surrogate": lambda: f"{SECRET}\ud800",
    "bytes": lambda: SECRET.encode(),
    "a list": lambda: [SECRET],
    "an empty list": list,
    "a list of a number": lambda: [5],
    "a list of a lone surrogate": lambda: [f"{SECRET}\ud800"],
    "a set of text": lambda: {SECRET},
    "a dict": lambda: {SECRET: SECRET},
    "an object": Object,
    "a class": lambda: Object,
    "a function": lambda: lambda: SECRET,
    "a coroutine": coroutine,
    "a path": lambda: pathlib.Path("/tmp") / SECRET,
    "a URL": lambda: URL(f"https://a.example/{SECRET}"),
    "a hostile object": Hostile,
}


def released(value: object) -> None:
    """Ends a coroutine that was not used, so that Python does not warn of it."""
    if inspect.iscoroutine(value):
        value.close()


def is_closed(value: object) -> bool:
    """Whether a coroutine was closed; true for other values."""
    return not inspect.iscoroutine(value) or inspect.getcoroutinestate(value) == inspect.CORO_CLOSED


def quotes_nothing(error: ReauthError) -> None:
    """The error does not show the value, nor anything of the native part."""
    for shown in (str(error), error.sentence, repr(error)):
        assert SECRET not in shown
        for word in ("panic", "rust", "pyo3", "line 1", "column", "serde"):
            assert word not in shown.lower(), shown


class Unspeakable(Exception):
    """Has no words."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Grave(BaseException):
    """An exception that is none of ``Exception``, as of ``gevent`` or ``pytest``."""


#: Exceptions of all kinds, and what the error's message says of each.
RAISED: dict[str, tuple[Callable[[], BaseException], str]] = {
    "an exception": (lambda: ValueError("the window is closed"), "the window is closed"),
    "an exception without a message": (ValueError, "ValueError"),
    "a key error": (lambda: KeyError("window"), "KeyError: 'window'"),
    "an exception without words": (Unspeakable, "Unspeakable"),
    "an exception with a lone surrogate": (lambda: ValueError("a \ud800 b"), "a ? b"),
    "an exception with much to say": (lambda: ValueError("much " * 100_000), "much much"),
    "an exception that is no Exception": (lambda: Grave("it is grave"), "it is grave"),
    "a generator exit": (GeneratorExit, "GeneratorExit"),
    "a group": (lambda: exception_group("many", [ValueError("one"), KeyError("two")]), "many"),
    "an error of the package": (lambda: ReauthError.from_json({"code": "http", "message": "no way"}), "no way"),
    "a time-out": (TimeoutError, "TimeoutError"),
}


def exception_group(message: str, exceptions: list[Exception]) -> BaseException:
    # Before CPython 3.11 it is in a package, which anyio requires there.
    known = vars(builtins).get("ExceptionGroup") or importlib.import_module("exceptiongroup").ExceptionGroup
    group: BaseException = known(message, exceptions)
    return group
