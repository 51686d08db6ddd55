"""The results of handling a challenge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

from ._bridge import caught
from ._errors import ReauthError
from ._forms import AuthChallenge, with_challenge


@dataclass(frozen=True)
class Satisfied:
    """A credential satisfies the challenge: send the request again."""

    kind: Literal["satisfied"] = "satisfied"


@dataclass(frozen=True)
class StepUpConfirm:
    """Show the user what would be requested, then call again with ``confirmed_step_up``."""

    challenge: AuthChallenge
    kind: Literal["step_up_confirm"] = "step_up_confirm"


@dataclass(frozen=True)
class Interactive:
    """The user is needed. With ``authorization_url``: the user was sent there; pass the callback to
    ``complete_authorization``. Without: nothing was started; handle the challenge again when a caller waits."""

    challenge: AuthChallenge
    authorization_url: str | None = None
    state: str | None = None
    kind: Literal["interactive"] = "interactive"


@dataclass(frozen=True)
class Failed:
    """The challenge could not be satisfied."""

    error: ReauthError
    kind: Literal["failed"] = "failed"


Outcome = Union[Satisfied, StepUpConfirm, Interactive, Failed]
"""The result of handling a challenge, by ``kind``."""


def outcome_of(form: Mapping[str, Any]) -> Outcome:
    """The outcome with this JSON form."""
    kind = form["kind"]
    if kind == "satisfied":
        return Satisfied()
    if kind == "step_up_confirm":
        return with_challenge(StepUpConfirm, form)
    if kind == "interactive":
        return with_challenge(Interactive, form)
    error = ReauthError.from_json(form["error"])
    error.__cause__ = caught(form["error"].get("thrown"))
    return Failed(error)
