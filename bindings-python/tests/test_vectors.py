"""All shared vectors: through the package's own API where it covers them, otherwise through the native part."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import mcp_reauth
import pytest
from mcp_reauth import AuthChallenge, Operation, _native, wording
from support.fixture import ROOT

FOLDER = ROOT / "tests" / "vectors"


def vectors(file: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads((FOLDER / f"{file}.json").read_text("utf-8"))["vectors"]
    return read


def check(file: str, at_least: int, answer: Callable[[Any], object]) -> None:
    """Runs every vector of a file, and reports all failures together."""
    all_of_it = vectors(file)
    assert len(all_of_it) >= at_least
    wrong = []
    for one in all_of_it:
        found, wanted = answer(one["input"]), one["expect"]
        if found != wanted or type(found) is not type(wanted):
            wrong.append(f"{one['name']}: found {found!r}, wanted {wanted!r}")
    assert not wrong, "\n".join(wrong)


def comparable(challenge: AuthChallenge | None) -> dict[str, Any] | None:
    """What vectors compare: everything except ``raw``."""
    if challenge is None:
        return None
    form = challenge.to_json()
    form.pop("raw")
    return form


def test_challenges() -> None:
    def answer(input: Any) -> object:
        if "toolResult" in input:
            return comparable(mcp_reauth.auth_challenge_from_tool_result(input["toolResult"]))
        lines = [("WWW-Authenticate", line) for line in input.get("wwwAuthenticate", ())]
        challenge = mcp_reauth.parse_auth_challenge(input["status"], lines)
        if challenge is not None:
            assert challenge.raw is not None
            assert challenge.raw.http_status == input["status"]
        return comparable(challenge)

    check("challenges", 300, answer)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_challenges_in_a_response_of_httpx(library: str) -> None:
    http = pytest.importorskip(library, reason=f"{library} is not installed")

    def answer(input: Any) -> object:
        if "toolResult" in input:
            return comparable(mcp_reauth.auth_challenge_from_tool_result(input["toolResult"]))
        headers = [(b"www-authenticate", line.encode()) for line in input.get("wwwAuthenticate", ())]
        response = http.Response(input["status"], headers=headers)
        return comparable(mcp_reauth.parse_auth_challenge(response.status_code, response.headers))

    check("challenges", 300, answer)


def test_scopes() -> None:
    def answer(input: Any) -> object:
        match input:
            case {"op": "parse", "value": value}:
                return mcp_reauth.compute_scope_union(value)
            case {"op": "union", "sets": sets}:
                return mcp_reauth.compute_scope_union(*sets)
            case {"op": "covers", "granted": granted, "required": required}:
                return mcp_reauth.scopes_cover(granted, required)
            case {"op": "strictSuperset", "a": a, "b": b}:
                return mcp_reauth.is_strict_scope_superset(a, b)
            case {"op": "difference", "a": a, "b": b}:
                return mcp_reauth.scope_difference(a, b)
        raise AssertionError(f"unknown {input}")

    check("scopes", 60, answer)


def test_wording() -> None:
    def answer(input: Any) -> object:
        given = dict(input)
        say = getattr(wording, given.pop("sentence"))
        if "challenge" in given:
            given["challenge"] = AuthChallenge.from_json(given["challenge"])
        if "operation" in given:
            form = given["operation"]
            given["operation"] = Operation(
                form.get("method"), form.get("toolName"), form.get("resourceUri"), form.get("promptName")
            )
        if "newScopes" in given:
            given["missing" if say is wording.not_granted else "new_scopes"] = given.pop("newScopes")
        return say(**given)

    check("wording", 41, answer)


INNER = ("issuer", "satisfied", "decisions", "id_tokens", "dpop", "assertions")


@pytest.mark.testing
@pytest.mark.parametrize("file", INNER)
def test_inner(file: str) -> None:
    def answer(input: Any) -> object:
        answered = vars(_native)["vector"](file, json.dumps(input))
        assert answered is not None
        return json.loads(answered)

    check(file, 50, answer)


def test_every_file_of_vectors_is_run() -> None:
    files = {path.stem for path in FOLDER.glob("*.json")}
    # test_forms.py covers forms.json and its schema.
    assert files == {"challenges", "scopes", "wording", *INNER, "forms", "forms.schema"}
