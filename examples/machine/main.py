"""A program without a user: it authenticates as a client, with a secret.

CLIENT_ID=nightly CLIENT_SECRET=... ISSUER=https://login.example.com python main.py https://mcp.example.com/mcp
"""

import asyncio
import os
import sys

import httpx2
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from mcp_reauth import AuthSession, Client, ClientCredentials


async def main(server_url: str) -> None:
    # The secret is sent only to this issuer, whatever the MCP server says.
    client = Client(os.environ["CLIENT_ID"], secret=os.environ["CLIENT_SECRET"], issuer=os.environ["ISSUER"])
    async with AuthSession.open(server_url, credentials=ClientCredentials(client)) as session:
        http = httpx2.AsyncClient(transport=session.transport(), timeout=httpx2.Timeout(30, read=300))
        async with http, McpClient(streamable_http_client(server_url, http_client=http)) as mcp:
            for tool in (await mcp.list_tools()).tools:
                print(tool.name)


asyncio.run(main(sys.argv[1]))
