"""The sentences of ``mcp_reauth.wording`` take what they should, and refuse the rest by name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from mcp_reauth import AuthChallenge, ConfigError, ConsentDeniedError, Operation, wording
from support.values import RAISED, SECRET, VALUES, exception_group, released

CHALLENGE = AuthChallenge("insufficient_scope", required_scopes=("mcp:write",))
GOOD: dict[str, Any] = {
    "challenge": CHALLENGE,
    "server": "https://mcp.example/mcp",
    "new_scopes": ["mcp:write"],
    "missing": "mcp:write",
    "operation": Operation("tools/call", tool_name="x"),
    "error": ValueError("x"),
    "detail": "x",
    "text": "x",
}
SENTENCES = wording.__all__


@pytest.mark.parametrize("name", SENTENCES)
def test_every_sentence_is_one(name: str) -> None:
    function = getattr(wording, name)
    said = function(**{part: GOOD[part] for part in inspect.signature(function).parameters})
    assert isinstance(said, str)
    assert said
    assert function.__doc__


@pytest.mark.parametrize("name", [name for name in SENTENCES if name != "failure"])
def test_a_part_of_a_wrong_type_is_refused_or_said(name: str) -> None:
    function = getattr(wording, name)
    parts = list(inspect.signature(function).parameters)
    for part in parts:
        for kind, make in VALUES.items():
            value = make()
            try:
                said = function(**{**{one: GOOD[one] for one in parts}, part: value})
                assert isinstance(said, str), kind
                assert "text" in kind or part in ("new_scopes", "missing"), (part, kind)
            except ConfigError as error:
                assert SECRET not in f"{error}{error.sentence}", kind
                assert "line 1" not in str(error), kind
                named = "scopes" if part in ("new_scopes", "missing") else part
                assert f"{named} must be " in str(error) or kind == "a hostile object", (part, kind)
            released(value)


def test_a_failure_is_explained_by_the_error_behind_it() -> None:
    error = ConsentDeniedError("for the log", sentence="For the user.")
    for given in (error, exception_group("many", [ValueError("x"), error])):
        assert wording.failure(given) == "For the user."
    for make, words in RAISED.values():
        assert words[:20] in wording.failure(make())
    assert wording.failure(ValueError('{"message": "inner"}')) == wording.failure_detail('{"message": "inner"}')


def test_text_of_a_server_is_made_displayable() -> None:
    shown = wording.displayable("a\x1b[31mb\x07c\u202ed")
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert len(wording.displayable("x" * 100_000)) < 10_000
