"""Hand-written messages, and sessions that never signed in."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}

#: The token of sessions that never signed in.
TOKEN = "the-token-of-this-test"


def message(method: str, params: dict[str, Any], id: int | str | None) -> dict[str, Any]:
    """A JSON-RPC request, or a notification, on the newest wire: what to pass to ``httpx.Client.post``."""
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
    }
    if "name" in params:
        headers["mcp-name"] = params["name"]
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": _META}}
    if id is not None:
        body["id"] = id
    return {"headers": headers, "content": json.dumps(body).encode()}


def call(tool: str, id: int | str = 1) -> dict[str, Any]:
    """A call of a tool."""
    return message("tools/call", {"name": tool, "arguments": {"text": "hello"}}, id)


def listing(id: int | str = 1) -> dict[str, Any]:
    """A request for the list of tools."""
    return message("tools/list", {}, id)


def cancelled(id: int | str) -> dict[str, Any]:
    """The notification that cancels a request."""
    return message("notifications/cancelled", {"requestId": id}, None)


def result(text: str = "own", id: int | str = 1) -> bytes:
    """The response to a call."""
    content = [{"type": "text", "text": text}]
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": {"content": content}}).encode()


def refusal(metadata: str, scope: str = "mcp:write", id: int | str = 1) -> bytes:
    """The response to a call whose result refuses it."""
    challenge = f'Bearer error="insufficient_scope", scope="{scope}", resource_metadata="{metadata}"'
    told = {"isError": True, "content": [], "_meta": {"mcp/www_authenticate": challenge}}
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": told}).encode()


def credential(server_url: str) -> dict[str, Any]:
    """A credential that no server granted, for ``AuthSession.set_auth_state``."""
    parts = urlsplit(server_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    by = {"issuer": origin, "token_endpoint": f"{origin}/token"}
    grant = {"id": "a", "by": by, "access_token": TOKEN, "granted": [], "obtained_at": int(time.time())}
    return {"grant": grant, "requested": []}
