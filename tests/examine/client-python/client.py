"""A client for `mcp-reauth examine`: an ordinary host on the public API with the official Python SDK. It reads commands
from standard input, starts each at once, and prints one line of JSON for each result."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_reauth import AuthSession, FileStore, TerminalHost

URL = sys.argv[-1]
FOLDER = Path(os.environ["MCP_REAUTH_EXAMINE_STORE"])
VERSION = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]


def connection(http: httpx2.AsyncClient) -> Client:
    """A client of the SDK, on the session's transport."""
    mode = VERSION if VERSION >= "2026-07-28" else "legacy"
    return Client(streamable_http_client(URL, http_client=http), mode=mode)


async def connect(client: Client) -> None:
    await client.__aenter__()
    if VERSION >= "2026-07-28":
        # This version has no handshake, and the SDK sends nothing before the first request.
        await client.list_tools()


async def call(client: Client, tool: str) -> None:
    result = await client.call_tool(tool, {})
    if result.is_error:
        raise RuntimeError(str(result.content))


async def carry_out(command: dict[str, Any], work: Any) -> None:
    """Prints the result of one command."""
    try:
        await work
        print(json.dumps({"id": command["id"], "ok": True}), flush=True)
    except Exception as error:
        print(json.dumps({"id": command["id"], "ok": False, "error": str(error)}), flush=True)


async def commands() -> asyncio.Queue[dict[str, Any] | None]:
    """The commands of standard input, and `None` at its end."""
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(queue.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(queue.put_nowait, None)

    loop.run_in_executor(None, read)
    return queue


async def main() -> None:
    # Opens pages with the program in BROWSER, and agrees to every step-up.
    host, store = TerminalHost(assume_yes=True), FileStore(FOLDER / "credentials.json")
    queue, calls = await commands(), set[asyncio.Task[None]]()
    async with AuthSession.open(URL, client_name="mcp-reauth examined client", store=store, host=host) as session:
        async with httpx2.AsyncClient(transport=session.transport(), timeout=60) as http:
            client = connection(http)
            first = await queue.get()
            if first is None:
                return
            await carry_out(first, connect(client))
            while (command := await queue.get()) is not None:
                calls.add(asyncio.create_task(carry_out(command, call(client, command["tool"]))))
            await client.__aexit__(None, None, None)


asyncio.run(main())
