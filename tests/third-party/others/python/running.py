"""Runs servers on loopback, prints their addresses, and exits when standard input ends."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READ, WRITE = "mcp:read", "mcp:write"
BOTH = [READ, WRITE]


def settings() -> dict[str, Any]:
    return json.loads(sys.argv[1])


def listen() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


async def run(*apps: tuple[ASGIApp, socket.socket], started: list[Starlette], report: dict[str, Any]) -> None:
    """Serves each application, after the lifespans of those in `started` have begun."""
    async with AsyncExitStack() as stack:
        for app in started:
            await stack.enter_async_context(app.router.lifespan_context(app))
        serving = []
        for app, listener in apps:
            # The client could reuse an idle connection just when it is closed.
            times = {"timeout_graceful_shutdown": 0, "timeout_keep_alive": 3600}
            config = uvicorn.Config(app, lifespan="off", log_level="warning", **times)
            serving.append(asyncio.create_task(uvicorn.Server(config).serve([listener])))
        print(json.dumps(report), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        # Does not wait for open connections.
        os._exit(0)


def control(**actions: Callable[[], None]) -> Starlette:
    """An application that runs one of these actions for each request."""

    def route(name: str, action: Callable[[], None]) -> Route:
        async def handle(_: Request) -> Response:
            action()
            return Response(status_code=204)

        return Route(f"/{name}", handle, methods=["POST"])

    return Starlette(routes=[route(name, action) for name, action in actions.items()])


class Switch:
    """Switches between two applications."""

    def __init__(self, first: ASGIApp, second: ASGIApp) -> None:
        self._first, self._second = first, second
        self.app = first

    def turn(self) -> None:
        self.app = self._second

    def turn_back(self) -> None:
        self.app = self._first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class ScopePerTool:
    """Answers 403 if the tool `write` is called with a token that lacks its scope."""

    def __init__(self, app: ASGIApp, verify: Callable[[str], Any], metadata: str) -> None:
        self.app, self.verify, self.metadata = app, verify, metadata

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/mcp":
            return await self.app(scope, receive, send)
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if await self._lacks_scope(scope, body):
            parameters = f'error="insufficient_scope", scope="{WRITE}", resource_metadata="{self.metadata}"'
            refusal = Response(status_code=403, headers={"WWW-Authenticate": f"Bearer {parameters}"})
            return await refusal(scope, receive, send)
        again: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return again.pop() if again else await receive()

        await self.app(scope, replay, send)

    async def _lacks_scope(self, scope: Scope, body: bytes) -> bool:
        try:
            message = json.loads(body)
        except ValueError:
            return False
        if not isinstance(message, dict) or message.get("method") != "tools/call":
            return False
        if message.get("params", {}).get("name") != "write":
            return False
        kind, _, token = Request(scope).headers.get("authorization", "").partition(" ")
        found = await self.verify(token) if kind.lower() == "bearer" else None
        return found is not None and WRITE not in found.scopes
