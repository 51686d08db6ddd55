"""A terminal program: it asks on the terminal, opens the browser, and keeps its credentials in a file.

python main.py https://mcp.example.com/mcp
"""

import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_reauth import AuthSession, FileStore, TerminalHost


async def main(server_url: str) -> None:
    opening = AuthSession.open(
        server_url, client_name="Terminal example", store=FileStore("credentials.json"), host=TerminalHost()
    )
    # At its end, the session waits until a pending token is stored.
    async with opening as session:
        # The limits of the SDK's own client.
        http = httpx2.AsyncClient(transport=session.transport(), timeout=httpx2.Timeout(30, read=300))
        async with http, Client(streamable_http_client(server_url, http_client=http)) as client:
            for tool in (await client.list_tools()).tools:
                print(tool.name)


asyncio.run(main(sys.argv[1]))
