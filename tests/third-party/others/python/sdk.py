"""The official Python SDK, 1.x or 2.x: its authorization server and its MCP server, together or separate.

Together, refresh tokens are issued and tokens can be revoked; for a step-up, the server is set up again, and its own
guard answers 403. Separate, as in the SDK's example: no refresh tokens, no revocation, tokens are introspected; only the
tool `write` needs more scope.
"""

import asyncio
import json
import urllib.request
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_auth_routes
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.types import ASGIApp

from provider import Provider
from running import BOTH, READ, ScopePerTool, Switch, control, listen, run, settings

MAJOR = int(version("mcp").split(".")[0])


def application(name: str, *, stateless: bool, **auth: Any) -> Starlette:
    """An MCP server with two tools."""
    if MAJOR >= 2:
        from mcp.server.mcpserver import MCPServer

        server = MCPServer(name, **auth)
    else:
        from mcp.server.fastmcp import FastMCP

        server = FastMCP(name, stateless_http=stateless, **auth)

    @server.tool()
    def echo(text: str) -> str:
        """Answers with its text"""
        return text

    @server.tool()
    def write(text: str) -> str:
        """Answers with its text, and needs more scope"""
        return text

    if MAJOR >= 2:
        return server.streamable_http_app(stateless_http=stateless)
    return server.streamable_http_app()


def auth_settings(mcp: str, issuer: str, scopes: list[str], *, revocable: bool) -> AuthSettings:
    registration = ClientRegistrationOptions(enabled=True, valid_scopes=BOTH, default_scopes=[READ])
    return AuthSettings.model_validate(
        {
            "issuer_url": issuer,
            "resource_server_url": f"{mcp}/mcp",
            "required_scopes": scopes,
            "client_registration_options": registration,
            "revocation_options": RevocationOptions(enabled=revocable),
            "validate_token_resource": True,
        }
    )


class Introspection:
    """Verifies each token by introspection at the authorization server."""

    def __init__(self, issuer: str) -> None:
        self.address = f"{issuer}/introspect"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def verify_token(self, token: str) -> AccessToken | None:
        claims = await asyncio.to_thread(self._ask, token)
        if not claims["active"]:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=claims["aud"],
        )

    def _ask(self, token: str) -> dict[str, Any]:
        with self.opener.open(self.address, urlencode({"token": token}).encode()) as answer:
            return json.load(answer)


async def main() -> None:
    chosen = settings()
    mcp, issuer, together = chosen["mcp"], chosen["issuer"], chosen["together"]
    provider = Provider(issuer, refreshes=together)
    mcp_listener, mcp_origin = listen()
    control_listener, control_origin = listen()
    report = {"mcp": mcp_origin, "issuer": mcp_origin, "control": control_origin}
    report |= {"version": f"mcp {version('mcp')}", "wire": "2026-07-28" if MAJOR >= 2 else "2025-11-25"}
    told = {"reject": provider.reject, "revoke": provider.revoke, "forget": provider.forget}
    served: list[tuple[ASGIApp, Any]] = []
    if together:
        apps = []
        for scopes in ([READ], BOTH):
            auth = auth_settings(mcp, issuer, scopes, revocable=True)
            apps.append(application("together", stateless=True, auth=auth, auth_server_provider=provider))
            apps[-1].routes.extend(provider.routes())
        switch = Switch(*apps)
        told |= {"widen": switch.turn, "narrow": switch.turn_back}
        served.append((switch, mcp_listener))
    else:
        issuer_listener, report["issuer"] = listen()
        auth = auth_settings(mcp, issuer, [READ], revocable=False)
        verifier = Introspection(report["issuer"])
        apps = [application("separate", stateless=False, auth=auth, token_verifier=verifier)]
        metadata = str(build_resource_metadata_url(AnyHttpUrl(f"{mcp}/mcp")))
        served.append((ScopePerTool(apps[0], verifier.verify_token, metadata), mcp_listener))
        routes = create_auth_routes(provider, auth.issuer_url, None, auth.client_registration_options)
        served.append((Starlette(routes=[*routes, *provider.routes()]), issuer_listener))
    await run(*served, (control(**told), control_listener), started=apps, report=report)


asyncio.run(main())
