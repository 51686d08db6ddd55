"""Errors: a class for each code, and what is found behind exceptions of SDKs and HTTP clients."""

from __future__ import annotations

import copy
import dataclasses
import doctest
import importlib
import json
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import mcp_reauth
import pytest
from mcp_reauth import (
    AuthChallenge,
    ConfigError,
    ErrorCode,
    InsufficientScopeError,
    Operation,
    RawChallenge,
    ReauthError,
    auth_challenge_from_error,
    auth_challenge_from_tool_result,
    blocking,
    parse_auth_challenge,
)
from mcp_reauth._errors import with_reference
from support.fixture import ROOT
from support.values import SECRET, VALUES, Hostile, exception_group, quotes_nothing, released

CODES: tuple[ErrorCode, ...] = get_args(ErrorCode)
FORMS: list[dict[str, Any]] = json.loads((ROOT / "tests" / "vectors" / "forms.json").read_text("utf-8"))["forms"][
    "error"
]
CHALLENGE = AuthChallenge("insufficient_scope", required_scopes=("mcp:write",))
SCOPE = 'Bearer error="insufficient_scope", scope="mcp:write"'


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_a_class(code: ErrorCode) -> None:
    error = ReauthError.from_json({"code": code, "message": "It failed.", "sentence": "Sorry."})
    assert type(error) is not ReauthError
    assert error.code == type(error).code == code
    assert getattr(mcp_reauth, type(error).__name__) is type(error)
    assert type(error).__doc__
    assert (str(error), error.sentence) == ("It failed.", "Sorry.")


def test_there_are_as_many_classes_as_codes() -> None:
    classes = [one for one in vars(mcp_reauth).values() if isinstance(one, type) and issubclass(one, ReauthError)]
    assert len(CODES) == 28
    assert sorted(cls.code for cls in classes if cls is not ReauthError) == sorted(CODES)
    assert {cls.__name__ for cls in classes} <= set(mcp_reauth.__all__)


def test_a_class_of_the_application_does_not_replace_that_of_its_code() -> None:
    class Own(mcp_reauth.ConsentDeniedError):
        code = "consent_denied"

    assert type(ReauthError.from_json({"code": "consent_denied", "message": ""})) is mcp_reauth.ConsentDeniedError
    assert Own("x").code == "consent_denied"


def test_a_code_of_a_later_version_is_an_internal_error() -> None:
    assert ReauthError.from_json({"code": "later", "message": "x"}).code == "internal"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["code"])
def test_an_error_survives_json_pickle_and_copy(form: dict[str, Any]) -> None:
    error = ReauthError.from_json(form)
    for again in (
        ReauthError.from_json(json.loads(json.dumps(error.to_json()))),
        *(pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy(error),
        copy.deepcopy(error),
    ):
        assert type(again) is type(error)
        assert again.to_json() == error.to_json() == form
        for name in ReauthError.__annotations__.keys() - {"_classes"}:
            assert getattr(again, name) == getattr(error, name)


def test_the_members_of_an_error_are_those_of_the_form() -> None:
    for form in FORMS:
        error = ReauthError.from_json(form)
        if "scopes" in form:
            assert error.scopes == tuple(form["scopes"])
        if "challenge" in form:
            assert error.challenge == AuthChallenge.from_json(form["challenge"])
        assert error.authorization_url == form.get("authorizationUrl")
        assert error.retry_after == form.get("retryAfter")


#: Ways to hide an error, as SDKs and event loops do.
HIDDEN: dict[str, Callable[[BaseException], BaseException]] = {
    "itself": lambda error: error,
    "in a group": lambda error: exception_group("many", [ValueError("other"), _exception(error)]),
    "in a group in a group": lambda error: exception_group("many", [_exception(exception_group("x", [error]))]),  # type: ignore[list-item]
    "as the cause": lambda error: _raised(ValueError("x"), cause=error),
    "as the context": lambda error: _raised(ValueError("x"), context=error),
    "as the cause of a member of a group": lambda error: exception_group("x", [_raised(KeyError("x"), cause=error)]),
}


def _exception(error: BaseException) -> Exception:
    assert isinstance(error, Exception)
    return error


def _raised(error: Exception, cause: BaseException | None = None, context: BaseException | None = None) -> Exception:
    error.__cause__, error.__context__ = cause, context
    return error


@pytest.mark.parametrize("way", HIDDEN)
def test_an_error_is_found(way: str) -> None:
    error = InsufficientScopeError("x", challenge=CHALLENGE)
    assert ReauthError.find(HIDDEN[way](error)) is error
    assert auth_challenge_from_error(HIDDEN[way](error)) is CHALLENGE


def sdk_1(data: object) -> BaseException:
    """As ``mcp`` 1.x raises it."""

    class McpError(Exception):
        def __init__(self, error: Any) -> None:
            super().__init__(error.message)
            self.error = error

    return McpError(SimpleNamespace(code=-32001, message="x", data=data))


def sdk_2(data: object) -> BaseException:
    """As ``mcp`` 2.x raises it."""
    exceptions = pytest.importorskip("mcp.shared.exceptions", reason="the SDK is not installed")
    cls = vars(exceptions).get("MCPError") or _of_sdk_1
    error: BaseException = cls(-32001, "x", data)
    return error


def _of_sdk_1(code: int, message: str, data: object) -> Any:
    exceptions, types = importlib.import_module("mcp.shared.exceptions"), importlib.import_module("mcp.types")
    return exceptions.McpError(types.ErrorData(code=code, message=message, data=data))


@pytest.mark.parametrize("sdk", [sdk_1, sdk_2])
@pytest.mark.parametrize("way", HIDDEN)
def test_an_error_is_found_in_the_data_of_a_json_rpc_error(way: str, sdk: Callable[[object], BaseException]) -> None:
    for form in FORMS:
        found = ReauthError.find(HIDDEN[way](sdk(form)))
        assert found is not None
        # What a server has written must not send the user to a page.
        assert found.to_json() == {name: value for name, value in form.items() if name != "authorizationUrl"}


@pytest.mark.parametrize("sdk", [sdk_1, sdk_2])
def test_an_error_of_a_transport_is_found_as_itself(sdk: Callable[[object], BaseException]) -> None:
    for form in FORMS:
        error = ReauthError.from_json(form)
        answer = json.loads(with_reference(json.dumps({"error": {"data": form}}), error))
        assert ReauthError.find(sdk(answer["error"]["data"])) is error


#: Data of another origin, which hold no error of the package.
FOREIGN: dict[str, Callable[[], Any]] = {
    **VALUES,
    "None": lambda: None,
    "another code": lambda: {"code": "later", "sentence": "x"},
    "a code that is no text": lambda: {"code": [], "sentence": "x"},
    "no sentence": lambda: {"code": "config"},
}


@pytest.mark.parametrize("sdk", [sdk_1, sdk_2])
def test_other_data_hold_no_error(sdk: Callable[[object], BaseException]) -> None:
    for kind, make in FOREIGN.items():
        value = make()
        assert ReauthError.find(sdk(value)) is None, kind
        assert auth_challenge_from_error(sdk(value)) is None, kind
        released(value)


#: What a server may write in the place of the members of an error.
MALFORMED: dict[str, Any] = {
    "self": 1,
    "cls": 1,
    "args": 5,
    "message": 5,
    "sentence": 5,
    "code_": 1,
    "scopes": 5,
    "challenge": {},
    "challenge ": {"reason": 5},
    "retryAfter": "x",
    "facts": 1,
    "": 1,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_data_of_a_server_are_no_reason_to_raise(name: str) -> None:
    for value in (MALFORMED[name], None, "x", [5], {"a": 1}, 5):
        data = {"code": "http", "message": "x", "sentence": "y", name.strip(): value}
        found = ReauthError.find(sdk_1(data))
        assert found is None or found.code == "http"
        challenge = auth_challenge_from_error(sdk_1(data))
        assert challenge is None or isinstance(challenge, AuthChallenge)


class Trapped(Exception):
    """Raises when its members are read."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("response", "data", "error", "exceptions", "status", "status_code", "headers"):
            raise RuntimeError(name)
        return super().__getattribute__(name)


class HostileMapping(dict[str, Any]):
    def get(self, *_: object) -> Any:
        raise RuntimeError("get")


def test_members_that_raise_hide_nothing_else() -> None:
    error = InsufficientScopeError("x", challenge=CHALLENGE)
    for trap in (Trapped(), sdk_1(HostileMapping()), sdk_1(Hostile())):
        assert ReauthError.find(trap) is None
        assert auth_challenge_from_error(trap) is None
        trap.__cause__ = error
        assert ReauthError.find(trap) is error
        assert auth_challenge_from_error(trap) is CHALLENGE


def test_exceptions_without_end_have_one() -> None:
    cyclic = ValueError("x")
    cyclic.__cause__ = KeyError("y")
    cyclic.__cause__.__context__ = cyclic
    deep: BaseException = ReauthError("the innermost")
    for _ in range(10_000):
        deep = _raised(ValueError("x"), cause=deep)
    for error in (cyclic, deep, exception_group("many", [ValueError(str(number)) for number in range(100_000)]), None):
        assert ReauthError.find(error) is None
        assert auth_challenge_from_error(error) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("way", HIDDEN)
def test_the_challenge_of_a_response_of_httpx_is_found(library: str, way: str) -> None:
    http = pytest.importorskip(library, reason=f"{library} is not installed")
    request = http.Request("POST", "https://mcp.example/mcp")
    response = http.Response(403, headers=[("WWW-Authenticate", SCOPE)], request=request)
    with pytest.raises(http.HTTPStatusError) as caught:
        response.raise_for_status()
    challenge = auth_challenge_from_error(HIDDEN[way](caught.value), Operation("tools/call", tool_name="x"))
    assert challenge is not None
    assert challenge.required_scopes == ("mcp:write",)
    assert challenge.context == Operation("tools/call", tool_name="x")


class AiohttpError(Exception):
    """As ``aiohttp.ClientResponseError``, which has the status and the header fields itself."""

    def __init__(self, status: int, headers: Any) -> None:
        super().__init__("x")
        self.status = status
        self.headers = headers


def test_the_challenge_of_an_exception_of_aiohttp_is_found() -> None:
    challenge = auth_challenge_from_error(AiohttpError(403, {"WWW-Authenticate": SCOPE}))
    assert challenge is not None
    assert challenge.required_scopes == ("mcp:write",)


@pytest.mark.parametrize("status", [200, 500, -32001, 401.0, "401", True, 2**70, None])
def test_a_status_that_is_no_rejection_holds_no_challenge(status: Any) -> None:
    assert auth_challenge_from_error(AiohttpError(status, {"WWW-Authenticate": SCOPE})) is None


def test_the_challenge_of_the_outermost_exception_is_found() -> None:
    inner = InsufficientScopeError("x", challenge=AuthChallenge("token_expired"))
    outer = _raised(InsufficientScopeError("x", challenge=CHALLENGE), cause=inner)
    assert auth_challenge_from_error(outer) is CHALLENGE


HEADERS: dict[str, Callable[[], Any]] = {
    "a dict": lambda: {"www-authenticate": SCOPE},
    "a dict in other letters": lambda: {"WWW-Authenticate": SCOPE},
    "a dict of lists": lambda: {"WWW-Authenticate": ['Basic realm="x"', SCOPE]},
    "a dict of bytes": lambda: {b"WWW-Authenticate": SCOPE.encode()},
    "pairs": lambda: [("Content-Type", "x"), ("WWW-Authenticate", SCOPE)],
    "pairs of bytes": lambda: [(b"www-authenticate", bytearray(SCOPE.encode()))],
    "an iterator": lambda: iter([("www-authenticate", SCOPE)]),
    "headers of httpx": lambda: pytest.importorskip("httpx").Headers([("www-authenticate", SCOPE)]),
    "headers of httpx2": lambda: pytest.importorskip("httpx2").Headers([("www-authenticate", SCOPE)]),
    "lines of httpx": lambda: pytest.importorskip("httpx2").Headers(
        [("www-authenticate", 'Basic realm="x"'), ("www-authenticate", SCOPE)]
    ),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_header_fields_are_read_from(kind: str) -> None:
    challenge = parse_auth_challenge(403, HEADERS[kind]())
    assert challenge is not None
    assert (challenge.reason, challenge.required_scopes) == ("insufficient_scope", ("mcp:write",))


def test_a_challenge_that_is_not_utf_8_is_read() -> None:
    line = b'Bearer error="insufficient_scope", error_description="caf\xe9", scope="mcp:write"'
    utf_8 = 'Bearer error="insufficient_scope", error_description="café", scope="mcp:write"'
    for headers in ([(b"www-authenticate", line)], {"www-authenticate": utf_8}, [("www-authenticate", utf_8.encode())]):
        challenge = parse_auth_challenge(403, headers)
        assert challenge is not None
        assert (challenge.message, challenge.required_scopes) == ("caf\u00e9", ("mcp:write",))
    challenge = parse_auth_challenge(403, {"www-authenticate": utf_8 + "\ud800"})
    assert challenge is not None
    assert challenge.required_scopes == ("mcp:write",)


def test_what_is_no_status_and_no_header_fields_is_refused() -> None:
    for kind, make in VALUES.items():
        value = make()
        with pytest.raises(ConfigError) as caught:
            parse_auth_challenge(value, {})
        assert "status must be an HTTP status" in str(caught.value), kind
        quotes_nothing(caught.value)
        released(value)
        if kind in ("empty text", "an empty list", "a dict"):
            continue
        value = make()
        with pytest.raises(ConfigError) as caught:
            parse_auth_challenge(401, value)
        assert "headers must be a mapping or pairs" in str(caught.value), kind
        quotes_nothing(caught.value)
        released(value)


def test_the_operation_may_be_a_message() -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "write_note"}}
    wanted = Operation("tools/call", tool_name="write_note")
    for operation in (json.dumps(message), json.dumps(message).encode(), wanted):
        challenge = parse_auth_challenge(403, {}, operation)
        assert challenge is not None
        assert challenge.context == wanted
    for nothing in (None, "", b"", "no JSON", "[]", "\ud800", Operation()):
        challenge = parse_auth_challenge(403, {}, nothing)
        assert challenge == AuthChallenge("unauthorized", raw=RawChallenge(403))
    for kind, make in VALUES.items():
        if "text" in kind or kind == "bytes":
            continue
        value = make()
        with pytest.raises(ConfigError, match="operation must be a JSON-RPC message or an Operation"):
            parse_auth_challenge(403, {}, value)
        released(value)


def test_a_status_that_is_no_rejection_is_no_challenge() -> None:
    for status in (100, 200, 302, 404, 407, 500, 999):
        assert parse_auth_challenge(status, {"www-authenticate": SCOPE}) is None


class Model:
    """As a model of pydantic."""

    def __init__(self, **members: Any) -> None:
        self._members = members

    def model_dump(self, *, mode: str, by_alias: bool) -> Mapping[str, Any]:
        assert mode == "json"
        assert by_alias
        return self._members


def test_the_challenge_of_a_tool_result_is_found() -> None:
    result: dict[str, Any] = {"isError": True, "content": [], "_meta": {"mcp/www_authenticate": SCOPE}}
    for given in (result, Model(**result)):
        challenge = auth_challenge_from_tool_result(given)
        assert challenge is not None
        assert challenge.required_scopes == ("mcp:write",)
    types = pytest.importorskip("mcp.types", reason="the SDK is not installed")
    challenge = auth_challenge_from_tool_result(types.CallToolResult.model_validate(result))
    assert challenge is not None
    assert challenge.required_scopes == ("mcp:write",)


def test_what_is_no_tool_result_is_refused_or_holds_no_challenge() -> None:
    for kind, make in VALUES.items():
        for wrap in (lambda value: value, lambda value: {"isError": True, "_meta": value}):
            value = make()
            try:
                assert auth_challenge_from_tool_result(wrap(value)) is None, kind
            except ConfigError as error:
                assert "result" in str(error)
                quotes_nothing(error)
            released(value)
    cyclic: dict[str, Any] = {}
    cyclic["x"] = cyclic
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for given in (cyclic, {"x": deep}):
        with pytest.raises(ConfigError, match="the result must be JSON"):
            auth_challenge_from_tool_result(given)


def test_no_error_shows_a_secret_of_the_options() -> None:
    with pytest.raises(ConfigError) as caught:
        blocking.AuthSession.open("http://127.0.0.1:9/mcp", dpop_key=SECRET)
    for shown in (repr(caught.value), caught.value.to_json(), pickle.dumps(caught.value)):
        assert SECRET not in str(shown)


def test_every_function_that_is_exported_exists_and_is_described() -> None:
    for name in mcp_reauth.__all__:
        value = getattr(mcp_reauth, name)
        if isinstance(value, type) and not dataclasses.is_dataclass(value):
            assert value.__doc__, name
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", mcp_reauth.__version__)
    assert (Path(mcp_reauth.__file__).parent / "py.typed").exists()


def test_the_examples_of_the_documentation_are_right() -> None:
    for module in (sys.modules["mcp_reauth._challenge"], sys.modules["mcp_reauth._scopes"]):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 0) == (0, True)
