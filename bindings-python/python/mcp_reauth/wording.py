"""Sentences that a program may show, so that web, terminal and mobile say the same."""

from __future__ import annotations

from typing import Any

from . import _native
from ._bridge import unwrap
from ._check import json_text, refusal
from ._describe import words_of
from ._errors import ReauthError
from ._forms import AuthChallenge, Operation, json_of
from ._options import Scopes
from ._scopes import scope_list

__all__ = [
    "cancelled",
    "displayable",
    "failure",
    "failure_detail",
    "in_progress",
    "in_progress_elsewhere",
    "issuer_mismatch",
    "lost_authorization_state",
    "not_granted",
    "organization_step_up_body",
    "reauthentication_banner",
    "retry_hint",
    "session_expired",
    "step_up_body",
    "step_up_title",
    "success",
]


_PARTS: dict[str, tuple[type, str]] = {
    "server": (str, "a string"),
    "text": (str, "a string"),
    "detail": (str, "a string"),
    "challenge": (AuthChallenge, "an AuthChallenge"),
    "operation": (Operation, "an Operation"),
    "new_scopes": (list, "a list"),
}


def _say(sentence: str, **parts: Any) -> str:
    for name, part in parts.items():
        cls, what = _PARTS[name]
        if not isinstance(part, cls):
            raise refusal(name, what, part)
    said: str = unwrap(_native.sentence(json_text({"sentence": sentence, **json_of(parts)}, "a part of the sentence")))
    return said


def step_up_title(challenge: AuthChallenge) -> str:
    """The title of a step-up question."""
    return _say("step_up_title", challenge=challenge)


def step_up_body(server: str, challenge: AuthChallenge, new_scopes: Scopes) -> str:
    """The body of a step-up question. ``new_scopes`` are those not granted yet."""
    return _say("step_up_body", server=server, challenge=challenge, new_scopes=scope_list(new_scopes))


def organization_step_up_body(server: str, challenge: AuthChallenge, new_scopes: Scopes) -> str:
    """The body of a step-up question where an organization manages access and the user visits no page."""
    return _say("organization_step_up_body", server=server, challenge=challenge, new_scopes=scope_list(new_scopes))


def in_progress(server: str) -> str:
    """While the user is at the authorization server."""
    return _say("in_progress", server=server)


def in_progress_elsewhere(server: str) -> str:
    """While the user is at the authorization server for another session or program."""
    return _say("in_progress_elsewhere", server=server)


def success(server: str, new_scopes: Scopes = ()) -> str:
    """After an authorization. ``new_scopes`` are those that a step-up added."""
    return _say("success", server=server, new_scopes=scope_list(new_scopes))


def retry_hint(operation: Operation) -> str:
    """What happens to the interrupted operation."""
    return _say("retry_hint", operation=operation)


def cancelled(server: str) -> str:
    """After the user declined, or closed the page."""
    return _say("cancelled", server=server)


def not_granted(server: str, missing: Scopes) -> str:
    """After an authorization that granted fewer scopes than needed. ``missing`` are the lacking ones."""
    return _say("not_granted", server=server, new_scopes=scope_list(missing))


def session_expired(server: str) -> str:
    """When the credential is gone and cannot be renewed."""
    return _say("session_expired", server=server)


def reauthentication_banner(server: str, challenge: AuthChallenge) -> str:
    """A banner for later: the user is needed, but no caller was waiting."""
    return _say("reauthentication_banner", server=server, challenge=challenge)


def lost_authorization_state() -> str:
    """A callback that belongs to no pending authorization."""
    return _say("lost_authorization_state")


def issuer_mismatch() -> str:
    """A callback from an issuer that the user was not sent to."""
    return _say("issuer_mismatch")


def failure(error: BaseException) -> str:
    """Explains a failure to the user, in one sentence."""
    found = ReauthError.find(error)
    return found.sentence if found is not None else failure_detail(words_of(error))


def failure_detail(detail: str) -> str:
    """The detail of a failure for the user: of a JSON document only its message."""
    return _say("failure_detail", detail=detail)


def displayable(text: str) -> str:
    """Prepares text from a server for display: without terminal control characters, and bounded."""
    return _say("displayable", text=text)
