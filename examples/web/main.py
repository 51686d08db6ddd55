"""A web application: each of its users has a session, and signs in on pages in their own browser.

python main.py https://mcp.example.com/mcp 8080

Then open http://127.0.0.1:8080/tools. It uses Starlette and uvicorn.
"""

import asyncio
import socket
import sys
import uuid

import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_reauth import AuthorizationRequest, AuthSession, MemoryStore, ReauthError, StepUpRequest, wording
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route


class Host:
    """The user's browser can only be redirected by the response to its own request."""

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri

    def confirm_step_up(self, request: StepUpRequest) -> bool:
        # The user asked for the tool, and the authorization server's page shows what it requires.
        return True

    def authorize(self, request: AuthorizationRequest) -> None:
        # The failed request's error has the address to redirect to.
        return None


class Site:
    def __init__(self, server_url: str, origin: str) -> None:
        self.server_url = server_url
        self.host = Host(f"{origin}/callback")
        self.store = MemoryStore()
        self.sessions: dict[str, AuthSession] = {}
        self.app = Starlette(routes=[Route("/tools", self.tools), Route("/callback", self.callback)])

    async def session_of(self, user: str) -> AuthSession:
        """The session of the user who is signed in to this application. Only this decides to whom a callback
        belongs."""
        if user not in self.sessions:
            opening = AuthSession.open(
                self.server_url, client_name="Web example", profile=user, store=self.store, host=self.host
            )
            self.sessions.setdefault(user, await opening)
        return self.sessions[user]

    async def tools(self, request: Request) -> Response:
        """Lists the tools, or redirects the user to sign in first."""
        # Stands for this application's own sign-in.
        user = request.cookies.get("user")
        if user is None:
            response = RedirectResponse("/tools", 303)
            response.set_cookie("user", str(uuid.uuid4()), httponly=True, samesite="lax")
            return response
        session = await self.session_of(user)
        http = httpx2.AsyncClient(transport=session.transport(), timeout=httpx2.Timeout(30, read=300))
        try:
            async with http, Client(streamable_http_client(self.server_url, http_client=http)) as client:
                names = [tool.name for tool in (await client.list_tools()).tools]
        except Exception as error:
            found = ReauthError.find(error)
            if found is not None and found.authorization_url is not None:
                return RedirectResponse(found.authorization_url, 303)
            return PlainTextResponse(wording.failure(error), 502)
        return PlainTextResponse("\n".join(names))

    async def callback(self, request: Request) -> Response:
        """Handles the redirect back from the authorization server."""
        user = request.cookies.get("user")
        if user is None:
            return PlainTextResponse("Not found.", 404)
        try:
            session = await self.session_of(user)
            await session.complete_authorization(request.url)
        except ReauthError as error:
            return PlainTextResponse(wording.failure(error), 400)
        return RedirectResponse("/tools", 303)


async def main(server_url: str, port: str) -> None:
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(f"{origin}/tools", flush=True)
        site = Site(server_url, origin)
        await uvicorn.Server(uvicorn.Config(site.app)).serve([listener])
        for session in site.sessions.values():
            await session.close()


asyncio.run(main(*sys.argv[1:]))
