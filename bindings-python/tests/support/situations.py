"""The nine situations with servers by others, on the official SDK."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_reauth import AuthSession, FileStore

from .reader import Reader
from .third_party import Other

#: The number of concurrent calls.
_PARALLEL = 20

_MODERN = "2026-07-28"

#: The number of event streams that clients of a server have opened.
_streams: dict[str, int] = {}


def client_of(session: AuthSession, wire: str) -> tuple[httpx2.AsyncClient, Client]:
    """The SDK's client on a session's transport, and its HTTP client."""
    http = httpx2.AsyncClient(transport=session.transport(), timeout=httpx2.Timeout(30, read=300))
    transport = streamable_http_client(session.server_url, http_client=http)
    return http, Client(transport, mode="auto" if wire == _MODERN else "legacy")


async def answers(client: Client, tool: str) -> None:
    """Calls a tool, which must succeed."""
    result = await client.call_tool(tool, {"text": "hello"})
    assert not result.is_error, result
    assert [getattr(part, "text", None) for part in result.content] == ["hello"]


class User:
    """A user who has signed in and connected for the first time, with their own folder and browser."""

    def __init__(self, other: Other) -> None:
        self.person = Reader()
        self._other = other
        self._ends = AsyncExitStack()
        self._folder = self._ends.enter_context(tempfile.TemporaryDirectory())
        self.session: AuthSession
        self.client: Client

    @property
    def store(self) -> str:
        return str(Path(self._folder) / "credentials.json")

    async def __aenter__(self) -> User:
        try:
            opening = AuthSession.open(self._other.mcp, host=self.person, store=FileStore(self.store))
            self.session = await self._ends.enter_async_context(opening)
            await self._connect()
            self.expect_pages(1)
        except BaseException:
            await self._ends.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._ends.aclose()

    async def _connect(self) -> None:
        wire = self._other.about["wire"]
        http, client = client_of(self.session, wire)
        await self._ends.enter_async_context(http)
        sessions: set[str] = set()

        async def note(response: httpx2.Response) -> None:
            sessions.update(response.headers.get_list("mcp-session-id"))

        http.event_hooks = {"response": [note]}
        self.client = await self._ends.enter_async_context(client)
        # The SDK lists the tools before the first call of one.
        await self.client.list_tools()
        if sessions:
            # The event stream, which the SDK opens in a session, must not interfere with what follows.
            _streams[self._other.mcp] = _streams.get(self._other.mcp, 0) + 1
            await asyncio.to_thread(self._other.has_streams, _streams[self._other.mcp])

    async def calls(self, tool: str) -> None:
        """Calls a tool that must succeed; in a new MCP session if the server ended the old one with its client."""
        try:
            await answers(self.client, tool)
        except Exception as error:
            if not self._other.about.get("sessionsEnd") or "Session not found" not in str(error):
                raise
            await self._connect()
            await answers(self.client, tool)

    def expect_pages(self, expected: int) -> None:
        """Asserts the number of pages since the last call."""
        shown = len(self.person.pages)
        self.person.reset()
        assert shown == expected, f"{shown} pages, not {expected}"


def _pages(other: Other) -> int:
    """The number of pages that a rejected token causes."""
    return 0 if other.about["refreshes"] else 1


async def _first_sign_in(other: Other) -> int:
    mark = other.mark()
    async with User(other) as user:
        state = await user.session.connection_state()
        assert state.signed_in
        assert state.authorized
        return len(other.since(mark))


async def _call(other: Other) -> int:
    async with User(other) as user:
        mark = other.mark()
        await answers(user.client, "echo")
        user.expect_pages(0)
        return len(other.since(mark))


async def _token_rejected(other: Other) -> int:
    async with User(other) as user:
        mark = other.mark()
        other.tell("reject")
        await answers(user.client, "echo")
        user.expect_pages(_pages(other))
        return len(other.since(mark))


async def _parallel(other: Other) -> int:
    async with User(other) as user:
        mark = other.mark()
        other.tell("reject")
        other.tell("hold")

        async def release() -> None:
            # All calls are rejected before the recovering one continues.
            await asyncio.to_thread(other.has_rejected, _PARALLEL, mark)
            other.tell("release")

        await asyncio.gather(*(answers(user.client, "echo") for _ in range(_PARALLEL)), release())
        user.expect_pages(_pages(other))
        tokens = [noted for noted in other.since(mark) if noted.get("grant") is not None]
        assert len(tokens) == 1, tokens
        return len(other.since(mark))


async def _grant_revoked(other: Other) -> int:
    async with User(other) as user:
        mark = other.mark()
        other.tell("revoke")
        await answers(user.client, "echo")
        user.expect_pages(1)
        return len(other.since(mark))


async def _step_up(other: Other) -> int | None:
    if not other.about.get("stepUp"):
        return None
    is_for_all = other.about["stepUp"] == "server"
    async with User(other) as user:
        mark = other.mark()
        if is_for_all:
            other.tell("widen")
        try:
            await user.calls("echo" if is_for_all else "write")
            assert len(user.person.questions) == 1
            user.expect_pages(1)
            return len(other.since(mark))
        finally:
            if is_for_all:
                other.tell("narrow")


#: Connects and calls a tool with the stored credential, without a user.
_CALLING = """
import asyncio, sys
from mcp_reauth import AuthSession, FileStore
from support.situations import answers, client_of

async def main(server, wire, store):
    async with AuthSession.open(server, store=FileStore(store)) as session:
        http, client = client_of(session, wire)
        async with http, client:
            await answers(client, "echo")
    print("answered")

asyncio.run(main(*sys.argv[1:]))
"""


async def _restart(other: Other) -> int:
    """Another process connects and calls, with only the store."""
    async with User(other) as user, AsyncExitStack() as ends:
        # The folder stays until the end.
        folder = ends.enter_context(tempfile.TemporaryDirectory())
        store = Path(folder) / "credentials.json"
        store.write_bytes(Path(user.store).read_bytes())
        store.chmod(0o600)
        await user.close()
        mark = other.mark()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((*sys.path, str(Path(__file__).parents[1])))}
        arguments = [sys.executable, "-c", _CALLING, other.mcp, other.about["wire"], str(store)]
        child = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE, env=environment)
        said, _ = await child.communicate()
        assert (child.returncode, said) == (0, b"answered\n")
        return len(other.since(mark))


async def _clients_forgotten(other: Other) -> int:
    async with User(other) as user:
        mark = other.mark()
        other.tell("forget")
        try:
            await user.calls("echo")
        except Exception:
            if not user.person.gave_up:
                raise
            # The page said that the client is unknown, and the user gave up. The next attempt registers another client.
            user.person.reset()
            await user.calls("echo")
        user.expect_pages(1)
        return len(other.since(mark))


async def _sign_out(other: Other) -> int:
    async with User(other) as user:
        authorization = user.session.authorization()
        assert authorization is not None
        mark = other.mark()
        await user.session.sign_out()
        requests = len(other.since(mark))
        assert not (await user.session.connection_state()).signed_in
        assert other.accepts(authorization.header_value.removeprefix("Bearer ")) != other.about["revokes"]
        return requests


_ALL: dict[str, Callable[[Other], Awaitable[int | None]]] = {
    "first sign-in": _first_sign_in,
    "call": _call,
    "token rejected": _token_rejected,
    "20 parallel": _parallel,
    "grant revoked": _grant_revoked,
    "step-up": _step_up,
    "restart": _restart,
    "clients forgotten": _clients_forgotten,
    "sign-out": _sign_out,
}


async def situations(other: Other) -> dict[str, int | None]:
    """Tries all situations in order. Returns the number of requests of each; ``None`` if the server does not have
    it."""
    outcomes: dict[str, int | None] = {}
    for name, attempt in _ALL.items():
        try:
            outcomes[name] = await attempt(other)
        except Exception as error:
            raise AssertionError(f"{other.about['version']}, {name}: {error!r}") from error
    return outcomes
