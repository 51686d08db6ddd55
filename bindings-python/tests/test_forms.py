"""Every JSON form of core is read as the package's own type, and written as it was."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest
from mcp_reauth import (
    AuthChallenge,
    AuthorizationRequest,
    AuthSession,
    ConnectionState,
    ErrorCode,
    IdentityProviderState,
    Operation,
    Policy,
    RawChallenge,
    Reason,
    ReauthError,
    Revocation,
    SessionEvent,
    StepUpRequest,
)
from mcp_reauth._forms import json_of, read, with_challenge
from mcp_reauth._options import SETTINGS, check_options
from mcp_reauth._outcome import Failed, Outcome, outcome_of
from support.fixture import ROOT

FOLDER = ROOT / "tests" / "vectors"
FORMS: dict[str, list[Any]] = json.loads((FOLDER / "forms.json").read_text("utf-8"))["forms"]
SCHEMA: dict[str, Any] = json.loads((FOLDER / "forms.schema.json").read_text("utf-8"))["$defs"]


def outcome_json(form: Any) -> object:
    outcome = outcome_of(form)
    if isinstance(outcome, Failed):
        return {"kind": outcome.kind, "error": outcome.error.to_json()}
    return json_of(outcome)


def settings_json(form: Any) -> object:
    """The settings that the options with these values come to."""
    policy = {snake_case(name): value for name, value in form["policy"].items()}
    for name in ("refresh_ahead", "interaction_timeout"):
        policy[name] = timedelta(milliseconds=policy.pop(f"{name}_ms"))
    options = {snake_case(name): value for name, value in form.items()}
    checked = check_options("https://mcp.example/mcp", {**options, "policy": Policy(**policy)})
    settings = json.loads(checked.json)["settings"]
    assert isinstance(settings, dict)
    return settings


def snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


ROUND_TRIPS: dict[str, Callable[[Any], object]] = {
    "authorizationRequest": lambda form: json_of(with_challenge(AuthorizationRequest, form)),
    "challenge": lambda form: AuthChallenge.from_json(form).to_json(),
    "connectionState": lambda form: json_of(read(ConnectionState, form)),
    "error": lambda form: ReauthError.from_json(form).to_json(),
    "errorCode": lambda code: ReauthError.from_json({"code": code, "message": ""}).code,
    "event": lambda form: json_of(with_challenge(SessionEvent, form)),
    "identityProviderState": lambda form: json_of(read(IdentityProviderState, form)),
    "outcome": outcome_json,
    "revocation": lambda word: word if word in get_args(Revocation) else None,
    "settings": settings_json,
    "stepUpRequest": lambda form: json_of(with_challenge(StepUpRequest, form)),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_written_as_it_was_read(name: str) -> None:
    for form in FORMS[name]:
        assert ROUND_TRIPS[name](json.loads(json.dumps(form))) == form


def test_every_form_has_a_type() -> None:
    assert FORMS.keys() == ROUND_TRIPS.keys()


#: The dataclasses by their names in the schema.
CLASSES: dict[str, type] = {
    "AuthChallenge": AuthChallenge,
    "AuthorizationRequest": AuthorizationRequest,
    "ConnectionState": ConnectionState,
    "IdpState": IdentityProviderState,
    "Operation": Operation,
    "RawResponse": RawChallenge,
    "StepUpRequest": StepUpRequest,
}


def words(schema: dict[str, Any]) -> set[str]:
    return {one["const"] for one in schema["oneOf"]}


def members(schema: dict[str, Any]) -> set[str]:
    return {snake_case(name) for name in schema["properties"]}


@pytest.mark.parametrize("name", CLASSES)
def test_a_dataclass_has_the_members_of_the_schema(name: str) -> None:
    assert {field.name for field in dataclasses.fields(CLASSES[name])} == members(SCHEMA[name])


def test_the_error_codes_are_those_of_the_schema() -> None:
    assert set(get_args(ErrorCode)) == words(SCHEMA["ErrorCode"]) == set(FORMS["errorCode"])


def test_the_reasons_are_those_of_the_schema() -> None:
    assert set(get_args(Reason)) == words(SCHEMA["Reason"])


def test_the_results_of_a_revocation_are_those_of_the_schema() -> None:
    assert set(get_args(Revocation)) == words(SCHEMA["Revocation"]) == set(FORMS["revocation"])


def test_the_kinds_of_outcomes_are_those_of_the_schema() -> None:
    kinds = {dataclasses.fields(cls)[-1].default for cls in get_args(Outcome)}
    assert kinds == {form["kind"] for form in FORMS["outcome"]}


def test_the_kinds_of_events_are_those_of_the_documentation() -> None:
    documented = {line.split("``")[1] for line in (SessionEvent.__doc__ or "").splitlines() if "- ``" in line}
    assert documented == {form["kind"] for form in FORMS["event"]}


def test_an_event_has_the_members_of_the_schema() -> None:
    known = {field.name for field in dataclasses.fields(SessionEvent)}
    assert {snake_case(name) for form in FORMS["event"] for name in form} == known


def test_the_options_are_the_settings_of_the_schema() -> None:
    own = {"policy", "redirect_uri"}
    assert set(SETTINGS) | own == members(SCHEMA["Settings"])
    parameters = AuthSession.open.__annotations__
    assert members(SCHEMA["Settings"]) <= parameters.keys()


def test_the_policy_is_that_of_the_schema() -> None:
    names = {name.removesuffix("_ms") for name in members(SCHEMA["Policy"])}
    assert {field.name for field in dataclasses.fields(Policy)} == names


def test_members_that_are_not_known_are_ignored() -> None:
    form = {"reason": "token_expired", "later": 1, "raw": {"httpStatus": 401, "later": 2}}
    assert AuthChallenge.from_json(form) == AuthChallenge("token_expired", raw=RawChallenge(401))


def test_a_dataclass_cannot_be_changed_and_can_be_a_key() -> None:
    for form in FORMS["challenge"]:
        challenge = AuthChallenge.from_json(form)
        assert {challenge: 1}[AuthChallenge.from_json(form)] == 1
        with pytest.raises(dataclasses.FrozenInstanceError):
            challenge.reason = "unauthorized"  # type: ignore[misc]
