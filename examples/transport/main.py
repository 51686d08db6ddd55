"""A custom transport: it sends and receives, and a request of the session says what to do. `session.transport()` does
more: it follows redirects, and inspects tool results and event streams.

python main.py https://mcp.example.com/mcp
"""

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp_reauth import AuthSession, TerminalHost

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "Transport example", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


async def send(session: AuthSession, http: httpx2.AsyncClient, message: dict[str, Any]) -> Any:
    """Sends a message until there is a response for the caller."""
    body = json.dumps(message)
    request = session.request(body)
    while True:
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": message["method"],
            **await request.authorize(),
        }
        response = await http.post(session.server_url, content=body, headers=headers, follow_redirects=False)
        if not await request.recover(response):
            break
    response.raise_for_status()
    # The response is a message, or an event stream whose last event is the answer.
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return json.loads(data[-1] if data else response.text)


async def main(server_url: str) -> None:
    opening = AuthSession.open(server_url, client_name="Transport example", host=TerminalHost())
    async with opening as session, httpx2.AsyncClient(timeout=30) as http:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
        for tool in (await send(session, http, message))["result"]["tools"]:
            print(tool["name"])


asyncio.run(main(sys.argv[1]))
