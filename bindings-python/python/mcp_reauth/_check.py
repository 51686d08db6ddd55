"""Validates options, so that errors name the invalid one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from . import _native
from ._describe import describe
from ._errors import ReauthError, misconfigured
from ._forms import camel


@dataclass(frozen=True)
class Kind:
    """A type of option: its description, and a function that converts a value, or returns ``None`` for a wrong type."""

    what: str
    read: Callable[[Any], Any]


def _when(what: str, right: Callable[[Any], bool]) -> Kind:
    return Kind(what, lambda value: value if right(value) else None)


def is_broken(value: object) -> bool:
    """Whether a string has surrogates without their other halves, which cannot be encoded."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and not is_broken(value)


def _seconds(value: object) -> int | None:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return round(value * 1000) if 0 <= value < 2**40 else None


def read_address(value: object) -> str | None:
    """A string is kept unchanged; of a URL object of any library, its text."""
    if not isinstance(value, str) and type(value).__name__.endswith(("URL", "Url")):
        value = str(value)
    return value if isinstance(value, str) and _is_text(value) else None


def _addresses(value: object) -> list[str] | None:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return None
    addresses = [read_address(one) for one in value]
    return [one for one in addresses if one is not None] if None not in addresses else None


def read_scopes(value: object) -> list[str] | None:
    """Scopes in order, without empty and repeated ones; ``None`` for a wrong type."""
    if isinstance(value, str):
        return _native.parse_scopes(value) if _is_text(value) or not value else None
    if isinstance(value, (bytes, Mapping)) or not isinstance(value, Iterable):
        return None
    scopes = list(value)
    if not all(isinstance(scope, str) and (_is_text(scope) or not scope) for scope in scopes):
        return None
    return _native.scope_union([scopes])


TEXT = _when("a string", _is_text)
FLAG = _when("True or False", lambda value: isinstance(value, bool))
COUNT = _when(
    "a whole number from 0 to 255",
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255,
)
SECONDS = Kind("a number of seconds or a timedelta", _seconds)
ADDRESS = Kind("an address: a string or a URL", read_address)
ADDRESSES = Kind("a list of addresses", _addresses)
SCOPES = Kind("a string or a list of strings", read_scopes)


def one_of(*words: str) -> Kind:
    """One of these words."""
    return _when(" or ".join(repr(word) for word in words), lambda value: isinstance(value, str) and value in words)


def check(given: Mapping[str, Any], kinds: Mapping[str, Kind], where: str = "") -> dict[str, Any]:
    """Converts the given options, and leaves out those that are ``None``. Names are in camel case afterwards, as the
    native part has them. ``where`` is a prefix for the names in errors, such as ``policy.``."""
    checked: dict[str, Any] = {}
    for name, kind in kinds.items():
        value = given.get(name)
        if value is None:
            continue
        read = read_one(value, kind, f"{where}{name}")
        checked[camel(name)] = read
    return checked


def read_one(value: object, kind: Kind, name: str) -> Any:
    """Converts one option, or raises an error that names it."""
    if inspect.iscoroutine(value):
        raise refusal(name, kind.what, value)
    try:
        read = kind.read(value)
    except Exception as error:
        raise misconfigured(f"{name} cannot be read") from error
    if read is None:
        raise refusal(name, kind.what, value)
    return read


def refusal(name: str, what: str, value: object) -> ReauthError:
    """The error for an option or argument of a wrong type."""
    if inspect.iscoroutine(value):
        # Python would warn besides that it was never awaited.
        value.close()
        return misconfigured(f"{name} must be {what}, and is a coroutine that was not awaited")
    if isinstance(value, str) and not value:
        shown = "empty"
    else:
        shown = "text that is not Unicode" if is_broken(value) else describe(value)
    return misconfigured(f"{name} must be {what}, and is {shown}")


def json_text(value: object, what: str) -> str:
    """A value of the application as JSON. ``what`` names it in errors."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except Exception as error:
        raise misconfigured(f"{what} cannot be written as JSON") from error
    # Surrogates without their other halves are no text elsewhere.
    return text.encode("utf-8", "replace").decode("utf-8")


def member(owner: object, name: str, where: str) -> Any:
    """A member of an application's object, ``None`` if it has none."""
    try:
        return getattr(owner, name, None)
    except Exception as error:
        raise misconfigured(f"{where}.{name} cannot be read") from error
