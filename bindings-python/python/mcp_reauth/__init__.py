"""Keeps an MCP client's session alive when the server stops accepting its credentials.

A server may answer any request with 401 (token missing, expired or revoked) or 403 ``insufficient_scope``. A session
recovers from both: silently where it can, with the user where it must, and never twice for the same reason.
"""

from __future__ import annotations

import atexit
import os

from . import _interpreter  # isort: skip # noqa: F401 # before the native part
from . import _native
from ._bridge import after_fork
from ._challenge import auth_challenge_from_error, auth_challenge_from_tool_result, parse_auth_challenge
from ._credentials import (
    Client,
    ClientCredentials,
    Credentials,
    Enterprise,
    IdentityProvider,
    Person,
    Workload,
)
from ._errors import (
    AuthorizationDeniedError,
    BlockedEndpointError,
    ConfigError,
    ConsentDeniedError,
    EnterpriseDisabledError,
    EnterpriseNotConfiguredError,
    ErrorCode,
    HostError,
    HttpError,
    IdTokenInvalidError,
    InsecureEndpointError,
    InsufficientScopeError,
    InteractionRequiredError,
    InternalError,
    IssuerMismatchError,
    MetadataInvalidError,
    OperationCancelledError,
    PkceUnsupportedError,
    PolicyDeniedError,
    ReauthError,
    RefreshRejectedError,
    RefreshUnavailableError,
    RegistrationRejectedError,
    ResourceMismatchError,
    ScopeNotGrantedError,
    StateMismatchError,
    StepUpLimitError,
    StoreError,
    TimedOutError,
    UnauthorizedError,
)
from ._events import EventStream
from ._forms import (
    AuthChallenge,
    AuthorizationRequest,
    ConnectionState,
    IdentityProviderState,
    Operation,
    RawChallenge,
    Reason,
    Revocation,
    SessionEvent,
    StepUpRequest,
)
from ._host import AuthHost, Callback
from ._http_client import HttpClient, HttpRequest, HttpResponse, UnreachableError
from ._options import Policy, Scopes
from ._outcome import Failed, Interactive, Outcome, Satisfied, StepUpConfirm
from ._parts import end_sessions
from ._request import ResourceRequest, Trigger
from ._scopes import compute_scope_union, is_strict_scope_superset, scope_difference, scopes_cover
from ._session import Authorization, AuthSession, IdentityProviderSession
from ._store import FileStore, MemoryStore, StoredRecord, StoreKey, TokenStore
from ._terminal import TerminalHost

__version__: str = _native.VERSION

__all__ = [
    "AuthChallenge",
    "AuthHost",
    "AuthSession",
    "Authorization",
    "AuthorizationDeniedError",
    "AuthorizationRequest",
    "BlockedEndpointError",
    "Callback",
    "Client",
    "ClientCredentials",
    "ConfigError",
    "ConnectionState",
    "ConsentDeniedError",
    "Credentials",
    "Enterprise",
    "EnterpriseDisabledError",
    "EnterpriseNotConfiguredError",
    "ErrorCode",
    "EventStream",
    "Failed",
    "FileStore",
    "HostError",
    "HttpClient",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "IdTokenInvalidError",
    "IdentityProvider",
    "IdentityProviderSession",
    "IdentityProviderState",
    "InsecureEndpointError",
    "InsufficientScopeError",
    "InteractionRequiredError",
    "Interactive",
    "InternalError",
    "IssuerMismatchError",
    "MemoryStore",
    "MetadataInvalidError",
    "Operation",
    "OperationCancelledError",
    "Outcome",
    "Person",
    "PkceUnsupportedError",
    "Policy",
    "PolicyDeniedError",
    "RawChallenge",
    "Reason",
    "ReauthError",
    "RefreshRejectedError",
    "RefreshUnavailableError",
    "RegistrationRejectedError",
    "ResourceMismatchError",
    "ResourceRequest",
    "Revocation",
    "Satisfied",
    "ScopeNotGrantedError",
    "Scopes",
    "SessionEvent",
    "StateMismatchError",
    "StepUpConfirm",
    "StepUpLimitError",
    "StepUpRequest",
    "StoreError",
    "StoreKey",
    "StoredRecord",
    "TerminalHost",
    "TimedOutError",
    "TokenStore",
    "Trigger",
    "UnauthorizedError",
    "UnreachableError",
    "Workload",
    "auth_challenge_from_error",
    "auth_challenge_from_tool_result",
    "compute_scope_union",
    "is_strict_scope_superset",
    "parse_auth_challenge",
    "scope_difference",
    "scopes_cover",
]

# Threads of the native part call Python; none may when the interpreter is gone.
atexit.register(end_sessions)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)
