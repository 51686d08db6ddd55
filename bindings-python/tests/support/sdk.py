"""The official SDK, ``mcp`` 2.x or 1.x, whichever is installed, under one interface."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import anyio
import anyio.to_thread
import pytest
import sniffio
from mcp_reauth import AuthSession, ReauthError

from .fixture import Fixture

#: The major version.
MAJOR = int(version("mcp").partition(".")[0])

#: The versions of the protocol that it speaks.
WIRES = ("2026-07-28", "2025-11-25") if MAJOR > 1 else ("2025-11-25",)

#: The requests of connecting beyond one: a list of the tools, which the SDK wants before their results; and on the
#: older wire a notification and an event stream.
MORE = {"2026-07-28": 1, "2025-11-25": 3}

#: The module of its HTTP client.
http: Any = importlib.import_module("httpx2" if MAJOR > 1 else "httpx")

#: What it raises for a JSON-RPC error.
RpcError: type[Exception] = getattr(importlib.import_module("mcp"), "MCPError" if MAJOR > 1 else "McpError")


class Connection:
    """A client that is connected."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def call(self, tool: str, timeout: float | None = None) -> Any:
        """Calls a tool, and returns what it returns."""
        if MAJOR > 1:
            return await self._client.call_tool(tool, {"text": "hello"}, read_timeout_seconds=timeout)
        limit = None if timeout is None else timedelta(seconds=timeout)
        return await self._client.call_tool(tool, {"text": "hello"}, read_timeout_seconds=limit)

    async def succeeds(self, tool: str = "echo") -> None:
        """Calls a tool that must succeed."""
        result = await self.call(tool)
        assert not getattr(result, "is_error" if MAJOR > 1 else "isError"), result

    async def fails(self, tool: str, code: str) -> ReauthError:
        """Calls a tool that must fail with that code."""
        try:
            result = await self.call(tool)
        except RpcError as error:
            found = ReauthError.find(error)
            assert found is not None, repr(error)
            assert found.code == code, repr(found)
            return found
        raise AssertionError(f"{tool} succeeded: {result}")

    async def notify(self) -> None:
        """Sends a notification."""
        session = self._client.session if MAJOR > 1 else self._client
        with warnings.catch_warnings():
            # On the newest wire, such notifications come from servers only.
            warnings.simplefilter("ignore")
            await session.send_progress_notification("token", 0.5)


async def parallel(client: Connection, count: int, tool: str = "echo") -> None:
    """Calls a tool several times at once."""
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(client.succeeds, tool)
            if MAJOR == 1 and sniffio.current_async_library() == "trio":
                # There, `mcp` 1.x may send one of two messages that begin at once twice, and the other never.
                await anyio.wait_all_tasks_blocked()


def transport(session: AuthSession, inner: Any = None) -> Any:
    """The session's transport for the SDK's HTTP client."""
    module: Any = importlib.import_module(f"mcp_reauth.{http.__name__}")
    return module.AsyncTransport(session, inner)


@contextlib.asynccontextmanager
async def connected(url: str, through: Any, wire: str = WIRES[0]) -> AsyncIterator[Connection]:
    """Connects through a transport."""
    streamable: Any = importlib.import_module("mcp.client.streamable_http")
    async with http.AsyncClient(transport=through, timeout=30) as client:
        streams = streamable.streamable_http_client(url, http_client=client)
        if MAJOR > 1:
            mode = "auto" if wire == WIRES[0] else "legacy"
            async with importlib.import_module("mcp").Client(streams, mode=mode) as connection:
                await connection.list_tools()
                yield Connection(connection)
        else:
            async with streams as (read, write, _), importlib.import_module("mcp").ClientSession(read, write) as one:
                await one.initialize()
                await one.list_tools()
                yield Connection(one)


@contextlib.asynccontextmanager
async def connected_to(fixture: Fixture, session: AuthSession, wire: str = WIRES[0]) -> AsyncIterator[Connection]:
    """Connects, and waits until the server has received every request: the older wire opens its stream later."""
    before = fixture.counters()["mcp_get"]
    async with connected(fixture.mcp_url, transport(session), wire) as client:
        if wire == "2025-11-25":
            await anyio.to_thread.run_sync(fixture.until, lambda counters: counters["mcp_get"] > before)
        yield client


#: httpx, httpcore and the SDK leave generators that are not exhausted, which trio warns of; a mark for tests of them.
LEAVES_GENERATORS = pytest.mark.filterwarnings("ignore:Async generator 'http(x|core):ResourceWarning")
