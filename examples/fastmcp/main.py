"""FastMCP's client on the session's transport.

python main.py https://mcp.example.com/mcp
"""

import asyncio
import sys
from typing import Any

import httpx2
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp_reauth import AuthSession, FileStore, TerminalHost


async def main(server_url: str) -> None:
    opening = AuthSession.open(
        server_url, client_name="FastMCP example", store=FileStore("credentials.json"), host=TerminalHost()
    )
    async with opening as session:

        def http_client(*_: Any, **options: Any) -> httpx2.AsyncClient:
            # FastMCP sets a timeout only if its client has one.
            options.setdefault("timeout", httpx2.Timeout(30, read=300))
            return httpx2.AsyncClient(transport=session.transport(), **options)

        # It has no `auth`.
        async with Client(StreamableHttpTransport(server_url, httpx_client_factory=http_client)) as client:
            for tool in await client.list_tools():
                print(tool.name)


asyncio.run(main(sys.argv[1]))
