"""Sessions, and requests that make them call their host, store or HTTP client."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from mcp_reauth import AuthSession, Operation, ReauthError
from mcp_reauth._session import Opening

from support.person import Person

#: What a host, a store or an HTTP client in Python raises or returns.
Function = Callable[..., Any]


class Response:
    """A response of the server to a request of the application's own transport."""

    def __init__(self, status: int, **headers: str) -> None:
        self.status_code = status
        self.headers: Mapping[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}


EXPIRED = Response(401)
STEP_UP = Response(403, www_authenticate='Bearer error="insufficient_scope", scope="mcp:write"')
WRITE = Operation("tools/call", tool_name="write_note")


def host(**functions: Any) -> Any:
    """A user who agrees to everything, except for these functions."""
    person = Person()
    good = {
        "redirect_uri": person.redirect_uri,
        "confirm_step_up": person.confirm_step_up,
        "authorize": person.authorize,
    }
    return SimpleNamespace(**{**good, **functions})


def open_at(url: str, **options: Any) -> Opening:
    """Opens a session whose user agrees to everything, except for these options."""
    return AuthSession.open(url, **{"host": host(), **options})


async def first_request(session: AuthSession) -> bool:
    """Sends a request that makes the user sign in. It is the server's address only that counts here, and its answer
    is taken for granted."""
    request = session.request()
    await request.authorize()
    return await request.recover(EXPIRED)


async def write(session: AuthSession) -> bool:
    """Sends a request that needs more scope than was granted."""
    if session.authorization() is None:
        assert await first_request(session)
    request = session.request(WRITE)
    await request.authorize()
    return await request.recover(STEP_UP)


#: The functions of a host, each with a request that calls it.
CALLS: dict[str, Callable[[AuthSession], Awaitable[bool]]] = {
    "redirect_uri": first_request,
    "authorize": first_request,
    "confirm_step_up": write,
}


async def failure(work: Awaitable[object]) -> ReauthError:
    """The error that ``work`` fails with. Anything else fails the test."""
    with pytest.raises(ReauthError) as caught:
        await work
    return caught.value


def in_both_ways(act: Callable[[], Any]) -> dict[str, Function]:
    """A plain function that acts so, and a coroutine function."""

    def plain(*_: object) -> Any:
        return act()

    async def coroutine(*_: object) -> Any:
        return act()

    assert inspect.iscoroutinefunction(coroutine)
    return {"plain": plain, "coroutine": coroutine}
