"""Errors: one class for each code."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal, NoReturn, get_args

from . import _native
from ._forms import AuthChallenge, Reason, fields_of, json_of

ErrorCode = Literal[
    "insufficient_scope",
    "consent_denied",
    "scope_not_granted",
    "step_up_limit",
    "interaction_required",
    "unauthorized",
    "refresh_unavailable",
    "refresh_rejected",
    "issuer_mismatch",
    "state_mismatch",
    "authorization_denied",
    "resource_mismatch",
    "metadata_invalid",
    "pkce_unsupported",
    "registration_rejected",
    "insecure_endpoint",
    "blocked_endpoint",
    "policy_denied",
    "id_token_invalid",
    "enterprise_not_configured",
    "enterprise_disabled",
    "cancelled",
    "timeout",
    "store",
    "http",
    "host",
    "config",
    "internal",
]
"""Error codes, the same in every language. ``internal`` is a defect of this package."""

ERROR_CODES: tuple[str, ...] = get_args(ErrorCode)


class ReauthError(Exception):
    """Why authorization could not be recovered, or an operation failed.

    ``code`` is stable; the message (``str(error)``) says what happened, at which server, and what to do next, for a
    log; ``sentence`` says it to the user. None of them holds a secret. Each code has a class of its own, such as
    :class:`ConsentDeniedError`.

    The exception that the application's own code raised is the ``__cause__``.
    """

    code: ErrorCode = "internal"
    #: The message for the user.
    sentence: str
    #: The server's challenge, if there was one: it says which scopes the server requires, and why.
    challenge: AuthChallenge | None
    #: The MCP server concerned.
    server: str | None
    #: The authorization server or identity provider concerned.
    issuer: str | None
    #: The address concerned.
    url: str | None
    #: The missing scopes.
    scopes: tuple[str, ...] | None
    #: What happened, without the rest of the message.
    detail: str | None
    #: The page that the user must visit (``interaction_required``). Pass its callback to ``complete_authorization``.
    authorization_url: str | None
    #: The server's ``Retry-After``, in seconds (``refresh_unavailable``).
    retry_after: int | None

    _classes: ClassVar[dict[str, type[ReauthError]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # An application's subclass of such a class has no code of its own.
        if "code" in cls.__dict__:
            ReauthError._classes.setdefault(cls.code, cls)

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self._facts = facts
        self.sentence = facts.get("sentence") or message
        self.challenge = facts.get("challenge")
        self.server = facts.get("server")
        self.issuer = facts.get("issuer")
        self.url = facts.get("url")
        scopes = facts.get("scopes")
        self.scopes = None if scopes is None else tuple(scopes)
        self.detail = facts.get("detail")
        self.authorization_url = facts.get("authorization_url")
        self.retry_after = facts.get("retry_after")

    def __reduce__(self) -> Any:
        # So that it survives `pickle`, as between processes.
        return (_rebuilt, (type(self), str(self), self._facts))

    def to_json(self) -> dict[str, Any]:
        """The JSON form, the same in every language: everything except the cause."""
        facts: dict[str, Any] = json_of(self._facts)
        return {"code": self.code, "message": str(self), **facts, "sentence": self.sentence}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> ReauthError:
        """The error with this JSON form."""
        given = fields_of(form)
        code, message = str(given.get("code", "internal")), str(given.get("message", ""))
        # A server may have written it: what has another type is left out.
        facts = {name: fact for name, read in _FACTS.items() if (fact := read(given.get(name))) is not None}
        return cls._classes.get(code, InternalError)(message, **facts)

    @staticmethod
    def find(error: BaseException | None) -> ReauthError | None:
        """Finds the error behind an exception of an SDK: itself, in an exception group, among the causes, or in the
        ``data`` of a JSON-RPC error (``McpError``). Never raises.

        Of an error that is not of this process, such as a server's, there is no ``authorization_url``."""
        for one in behind(error):
            if isinstance(one, ReauthError):
                return one
            # `McpError.error.data` in 1.x, `MCPError.data` in 2.x.
            for holder in (one, _member(one, "error")):
                found = _of_data(_member(holder, "data"))
                if found is not None:
                    return found
        return None


#: The errors that transports have answered requests with, by the reference in their JSON-RPC form.
_answered: OrderedDict[str, ReauthError] = OrderedDict()
_MAX_ANSWERED = 256
_REFERENCE = "errorReference"


def with_reference(answer: str, error: ReauthError) -> str:
    """A JSON-RPC error response, with a reference by which :meth:`ReauthError.find` finds the error itself."""
    reference = secrets.token_hex(16)
    # A traceback keeps alive the session and all that its frames refer to.
    _answered[reference] = error.with_traceback(None)
    if len(_answered) > _MAX_ANSWERED:
        _answered.popitem(last=False)
    message = json.loads(answer)
    message["error"]["data"][_REFERENCE] = reference
    return json.dumps(message)


def _of_data(data: object) -> ReauthError | None:
    try:
        if not isinstance(data, Mapping) or data.get("code") not in ERROR_CODES or "sentence" not in data:
            return None
        ours = _answered.get(str(data.get(_REFERENCE)))
        # What a server has written must not send the user to a page.
        return ours or ReauthError.from_json({**data, "authorizationUrl": None})
    except Exception:
        # Another program's.
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...] | None:
    return value if isinstance(value, tuple) and all(isinstance(one, str) for one in value) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _challenge(value: object) -> AuthChallenge | None:
    if not isinstance(value, Mapping) or value.get("reason") not in get_args(Reason):
        return None
    challenge = AuthChallenge.from_json(value)
    lists = (challenge.required_scopes, challenge.authorization_scopes, challenge.acr_values)
    is_sound = all(one is None or _texts(one) is not None for one in lists)
    return challenge if is_sound else None


#: What an error holds besides its code and message.
_FACTS: dict[str, Callable[[object], object]] = {
    "sentence": _text,
    "challenge": _challenge,
    "server": _text,
    "issuer": _text,
    "url": _text,
    "scopes": _texts,
    "detail": _text,
    "authorization_url": _text,
    "retry_after": _number,
}


def _rebuilt(cls: type[ReauthError], message: str, facts: dict[str, Any]) -> ReauthError:
    return cls(message, **facts)


def _member(value: object, name: str) -> object:
    try:
        return getattr(value, name, None)
    except Exception:
        return None


#: How many exceptions are looked at behind one.
_MOST = 1024


def behind(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, those in its group, and its causes, nearest first."""
    level: list[object] = [error]
    seen: set[int] = set()
    while level:
        following: list[object] = []
        for one in level:
            if not isinstance(one, BaseException) or id(one) in seen or len(seen) >= _MOST:
                continue
            seen.add(id(one))
            yield one
            members = _member(one, "exceptions")
            following.extend(members if isinstance(members, (list, tuple)) else ())
            following.extend((one.__cause__, one.__context__))
        level = following


class InsufficientScopeError(ReauthError):
    """The server requires more scope, and the policy forbids to ask for it."""

    code: ErrorCode = "insufficient_scope"


class ConsentDeniedError(ReauthError):
    """The user declined to extend access."""

    code: ErrorCode = "consent_denied"


class ScopeNotGrantedError(ReauthError):
    """The authorization server granted fewer scopes than required."""

    code: ErrorCode = "scope_not_granted"


class StepUpLimitError(ReauthError):
    """The server still refuses after as many step-ups as the policy allows."""

    code: ErrorCode = "step_up_limit"


class InteractionRequiredError(ReauthError):
    """The user is needed, and cannot be involved now."""

    code: ErrorCode = "interaction_required"


class UnauthorizedError(ReauthError):
    """The server rejects a new credential too, or refuses this to the user."""

    code: ErrorCode = "unauthorized"


class RefreshUnavailableError(ReauthError):
    """The authorization server is unavailable. Nothing was discarded; try again later."""

    code: ErrorCode = "refresh_unavailable"


class RefreshRejectedError(ReauthError):
    """The authorization server no longer renews this access."""

    code: ErrorCode = "refresh_rejected"


class IssuerMismatchError(ReauthError):
    """A callback is not from the issuer that the user was sent to (RFC 9207)."""

    code: ErrorCode = "issuer_mismatch"


class StateMismatchError(ReauthError):
    """A callback belongs to no pending authorization."""

    code: ErrorCode = "state_mismatch"


class AuthorizationDeniedError(ReauthError):
    """The authorization server or the user denied access."""

    code: ErrorCode = "authorization_denied"


class ResourceMismatchError(ReauthError):
    """The resource metadata is for another resource (RFC 9728 section 3.3)."""

    code: ErrorCode = "resource_mismatch"


class MetadataInvalidError(ReauthError):
    """Metadata of a server is missing or invalid."""

    code: ErrorCode = "metadata_invalid"


class PkceUnsupportedError(ReauthError):
    """The authorization server does not support PKCE with S256 (RFC 7636)."""

    code: ErrorCode = "pkce_unsupported"


class RegistrationRejectedError(ReauthError):
    """The authorization server does not register this client (RFC 7591)."""

    code: ErrorCode = "registration_rejected"


class InsecureEndpointError(ReauthError):
    """An address is neither https nor loopback."""

    code: ErrorCode = "insecure_endpoint"


class BlockedEndpointError(ReauthError):
    """The server leads to an address that it may not lead to."""

    code: ErrorCode = "blocked_endpoint"


class PolicyDeniedError(ReauthError):
    """The organization does not allow this."""

    code: ErrorCode = "policy_denied"


class IdTokenInvalidError(ReauthError):
    """An ID token is invalid (OpenID Connect Core section 3.1.3.7)."""

    code: ErrorCode = "id_token_invalid"


class EnterpriseNotConfiguredError(ReauthError):
    """Access is enterprise-managed, and no identity provider is configured."""

    code: ErrorCode = "enterprise_not_configured"


class EnterpriseDisabledError(ReauthError):
    """The identity provider is disabled in the options."""

    code: ErrorCode = "enterprise_disabled"


class OperationCancelledError(ReauthError):
    """The user or the application cancelled it, or the session is closed."""

    code: ErrorCode = "cancelled"


class TimedOutError(ReauthError):
    """It took longer than its limit."""

    code: ErrorCode = "timeout"


class StoreError(ReauthError):
    """The token store failed."""

    code: ErrorCode = "store"


class HttpError(ReauthError):
    """A server cannot be reached, or broke HTTP."""

    code: ErrorCode = "http"


class HostError(ReauthError):
    """The application's host failed."""

    code: ErrorCode = "host"


class ConfigError(ReauthError):
    """An option or argument is invalid. The message names it."""

    code: ErrorCode = "config"


class InternalError(ReauthError):
    """A defect of this package; please report it."""

    code: ErrorCode = "internal"


def raise_failure(failure: Mapping[str, Any], cause: BaseException | None = None) -> NoReturn:
    """Raises the error of an answer of the native part."""
    raise ReauthError.from_json(failure) from cause


def misconfigured(detail: str) -> ReauthError:
    """The error for an invalid option, in core's words."""
    return ReauthError.from_json(json.loads(_native.misconfigured(detail))["error"])


def closed() -> ReauthError:
    """The error of every operation on a closed session except ``close``."""
    return OperationCancelledError("The session is closed. Open another to continue.")
