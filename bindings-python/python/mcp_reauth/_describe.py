"""Describes values of the application without their content, and without running code of theirs that may fail."""

from __future__ import annotations

import re


def describe(value: object) -> str:
    """The type of a value, for an error message."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"a value of type {name}" if re.fullmatch(r"\w{1,40}", name) else "a value of another type"


def words_of(error: BaseException) -> str:
    """What an exception says, with its type where that says more."""
    try:
        text = str(error)
    except Exception:
        # Its `__str__` fails.
        text = ""
    name = type(error).__name__
    if not text:
        return name
    # The text of these is only a key or a value.
    return f"{name}: {text}" if isinstance(error, (KeyError, LookupError)) else text
