"""Challenges of responses, tool results and exceptions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any, Union

from . import _native
from ._check import refusal
from ._describe import describe
from ._errors import ReauthError, _member, behind, misconfigured
from ._forms import AuthChallenge, Operation, json_of, read

HeaderFields = Union[Mapping[str, Any], Iterable[tuple[Any, Any]]]
"""Header fields: a mapping, or pairs of names and values; ``httpx.Headers`` is read line by line."""

#: The largest number of header fields of a response.
_MAX_FIELDS = 10_000


def text_of(value: object) -> str:
    """Text, with replacements for what cannot be encoded."""
    if isinstance(value, (bytes, bytearray)):
        # What servers write is UTF-8, if it is not ASCII.
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    raise TypeError("names and values must be text")


def flat_headers(headers: object) -> list[str]:
    """Header fields as alternating names and values."""
    # Of httpx: each line by itself, as it came.
    raw = getattr(headers, "raw", None)
    pairs: Any = raw if isinstance(raw, list) else headers.items() if isinstance(headers, Mapping) else headers
    flat: list[str] = []
    for name, value in pairs:
        lines = value if isinstance(value, (list, tuple)) else (value,)
        for line in lines:
            flat += (text_of(name), text_of(line))
        if len(flat) > 2 * _MAX_FIELDS:
            raise TypeError(f"there are more than {_MAX_FIELDS} header fields")
    return flat


def is_http_status(status: object) -> bool:
    """Whether a value is an HTTP status. Excludes the codes of JSON-RPC errors, which are numbers too."""
    return isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 999


def _parse(status: object, lines: list[str]) -> AuthChallenge | None:
    if not isinstance(status, int) or not is_http_status(status):
        return None
    challenge = _native.parse_challenge(status, lines)
    return None if challenge is None else AuthChallenge.from_json(json.loads(challenge))


def _lines(headers: list[str]) -> list[str]:
    return [value for name, value in zip(headers[::2], headers[1::2]) if name.lower() == "www-authenticate"]


def operation_of(operation: str | bytes | Operation | None) -> Operation:
    """The operation of a JSON-RPC message, or itself."""
    if operation is None:
        return Operation()
    if isinstance(operation, Operation):
        return operation
    if isinstance(operation, (str, bytes)):
        return read(Operation, json.loads(_native.operation_of_message(text_of(operation))))
    raise refusal("operation", "a JSON-RPC message or an Operation", operation)


def _during(challenge: AuthChallenge | None, operation: str | bytes | Operation | None) -> AuthChallenge | None:
    context = operation_of(operation)
    if challenge is None or context == Operation():
        return challenge
    known = json_of(challenge.context) if challenge.context else {}
    return dataclasses.replace(challenge, context=read(Operation, {**known, **json_of(context)}))


def parse_auth_challenge(
    status: int, headers: HeaderFields, operation: str | bytes | Operation | None = None
) -> AuthChallenge | None:
    """Parses the challenge of a rejected response; ``None`` unless its status is 401 or 403.

    ``operation`` is what the request was doing: the JSON-RPC message, or an :class:`Operation`.

    >>> headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="a b"'}
    >>> parse_auth_challenge(403, headers).required_scopes
    ('a', 'b')
    """
    if not is_http_status(status):
        raise refusal("status", "an HTTP status", status)
    try:
        flat = flat_headers(headers)
    except Exception as error:
        raise misconfigured(
            f"headers must be a mapping or pairs of names and values, and are {describe(headers)}"
        ) from error
    return _during(_parse(status, _lines(flat)), operation)


def auth_challenge_from_tool_result(result: object) -> AuthChallenge | None:
    """Reads the challenge in a tool result (``_meta["mcp/www_authenticate"]``), which servers send when the tool, not
    the server, rejects the call. ``result`` is its JSON as a mapping, or a model of pydantic."""
    try:
        dump = getattr(result, "model_dump", None)
        plain = dump(mode="json", by_alias=True) if callable(dump) else result
        challenge = _native.challenge_of_tool_result(json.dumps(plain))
    except Exception as error:
        raise misconfigured(f"the result must be JSON, and is {describe(result)}") from error
    return None if challenge is None else AuthChallenge.from_json(json.loads(challenge))


def auth_challenge_from_error(
    error: BaseException, operation: str | bytes | Operation | None = None
) -> AuthChallenge | None:
    """Finds the challenge behind an exception: of this package; of ``httpx`` (``HTTPStatusError``) and others with the
    rejected response; in exception groups and causes; in the ``data`` of a JSON-RPC error. Never raises.

    ``operation`` is what the request was doing: the JSON-RPC message, or an :class:`Operation`.
    """
    found = ReauthError.find(error)
    if found is not None and found.challenge is not None:
        return _during(found.challenge, operation)
    for one in behind(error):
        challenge = _of_one(one)
        if challenge is not None:
            return _during(challenge, operation)
    return None


def _of_one(error: BaseException) -> AuthChallenge | None:
    response = _member(error, "response")
    # `status_code` in httpx and requests, `status` in aiohttp, whose exception has both itself.
    for holder in (response, error):
        for name in ("status_code", "status"):
            status = _member(holder, name)
            if not is_http_status(status):
                continue
            try:
                challenge = _parse(status, _lines(flat_headers(_member(holder, "headers") or ())))
            except Exception:
                # They are no header fields.
                challenge = None
            if challenge is not None:
                return challenge
    return None
