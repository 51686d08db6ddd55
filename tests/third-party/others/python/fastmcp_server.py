"""FastMCP: its in-memory provider, or its OAuthProxy in front of another authorization server (the one of `provider.py`).

For a step-up, the server is set up a second time with the same tokens and clients; its own guard answers 403.
"""

import asyncio
import secrets
from importlib.metadata import version
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.auth.auth import AccessToken, OAuthProvider, TokenVerifier
from fastmcp.server.auth.oauth_proxy import OAuthProxy
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from key_value.aio.stores.memory import MemoryStore
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette

from provider import Provider
from running import BOTH, READ, Switch, control, listen, run, settings


def application(auth: OAuthProvider) -> Starlette:
    """An MCP server with a tool."""
    server = FastMCP("fastmcp", auth=auth)

    @server.tool
    def echo(text: str) -> str:
        """Answers with its text"""
        return text

    return server.http_app(path="/mcp")


class InMemory(InMemoryOAuthProvider):
    """The in-memory provider, with a method that makes it forget its state."""

    def __init__(self, mcp: str, scopes: list[str]) -> None:
        super().__init__(
            base_url=mcp,
            required_scopes=scopes,
            client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=BOTH),
            revocation_options=RevocationOptions(enabled=True),
        )

    def share(self, other: "InMemory") -> None:
        self.clients, self.auth_codes = other.clients, other.auth_codes
        self.access_tokens, self.refresh_tokens = other.access_tokens, other.refresh_tokens
        self._access_to_refresh_map = other._access_to_refresh_map
        self._refresh_to_access_map = other._refresh_to_access_map

    def reject(self) -> None:
        self.access_tokens.clear()

    def revoke(self) -> None:
        self.access_tokens.clear()
        self.refresh_tokens.clear()

    def forget(self) -> None:
        self.revoke()
        self.clients.clear()


class Upstream(TokenVerifier):
    """Verifies the tokens of the authorization server behind the proxy."""

    def __init__(self, provider: Provider, scopes: list[str]) -> None:
        super().__init__(required_scopes=scopes)
        self.provider = provider

    async def verify_token(self, token: str) -> AccessToken | None:
        found = await self.provider.load_access_token(token)
        return found and AccessToken(**found.model_dump(exclude_none=True))


class Memory:
    """The state of a proxy, with the tokens it issued and must reject."""

    def __init__(self) -> None:
        self.store, self.key = MemoryStore(), secrets.token_hex(32)
        self.issued: list[str | None] = []
        self.refused: set[str | None] = set()
        self.clients: set[str] = set()
        self.forgotten: set[str] = set()


class Proxy(OAuthProxy):
    """OAuthProxy with revocation, which it lacks: its tokens are valid until they expire."""

    def __init__(self, mcp: str, issuer: str, provider: Provider, scopes: list[str], memory: Memory) -> None:
        super().__init__(
            upstream_authorization_endpoint=f"{issuer}/authorize",
            upstream_token_endpoint=f"{issuer}/token",
            upstream_revocation_endpoint=f"{issuer}/revoke",
            upstream_client_id="the-proxy",
            upstream_client_secret="a-secret-of-the-proxy",
            token_endpoint_auth_method="client_secret_post",
            token_verifier=Upstream(provider, scopes),
            base_url=mcp,
            valid_scopes=BOTH,
            client_storage=memory.store,
            jwt_signing_key=memory.key,
        )
        self.memory = memory

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return None if client_id in self.memory.forgotten else await super().get_client(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.memory.clients.add(client_info.client_id)
        await super().register_client(client_info)

    async def exchange_authorization_code(self, *args: Any) -> OAuthToken:
        return self._note(await super().exchange_authorization_code(*args))

    async def exchange_refresh_token(self, *args: Any) -> OAuthToken:
        return self._note(await super().exchange_refresh_token(*args))

    def _note(self, tokens: OAuthToken) -> OAuthToken:
        self.memory.issued += [tokens.access_token, tokens.refresh_token]
        return tokens

    async def load_access_token(self, token: str) -> AccessToken | None:
        return None if token in self.memory.refused else await super().load_access_token(token)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> Any:
        if refresh_token in self.memory.refused:
            return None
        return await super().load_refresh_token(client, refresh_token)

    def reject(self) -> None:
        self.memory.refused.update(self.memory.issued[::2])

    def revoke(self) -> None:
        self.memory.refused.update(self.memory.issued)

    def forget(self) -> None:
        self.revoke()
        self.memory.forgotten |= self.memory.clients


def behind_the_proxy(mcp: str) -> tuple[Provider, Starlette, Any, str]:
    """The authorization server that users sign in at; the proxy is its only client."""
    listener, issuer = listen()
    provider = Provider(issuer, refreshes=True)
    provider.clients["the-proxy"] = OAuthClientInformationFull.model_validate(
        {
            "client_id": "the-proxy",
            "client_secret": "a-secret-of-the-proxy",
            "redirect_uris": [f"{mcp}/auth/callback"],
            "token_endpoint_auth_method": "client_secret_post",
            "scope": " ".join(BOTH),
        }
    )
    revocation = RevocationOptions(enabled=True)
    routes = create_auth_routes(provider, AnyHttpUrl(issuer), revocation_options=revocation)
    return provider, Starlette(routes=[*routes, *provider.routes()]), listener, issuer


async def main() -> None:
    chosen = settings()
    mcp = chosen["mcp"]
    listener, origin = listen()
    control_listener, control_origin = listen()
    served: list[Any] = []
    auths: list[Any]
    if chosen["proxy"]:
        provider, app, behind, issuer = behind_the_proxy(mcp)
        served.append((app, behind))
        memory = Memory()
        auths = [Proxy(mcp, issuer, provider, scopes, memory) for scopes in ([READ], BOTH)]
    else:
        auths = [InMemory(mcp, scopes) for scopes in ([READ], BOTH)]
        auths[1].share(auths[0])
    apps = [application(auth) for auth in auths]
    switch = Switch(*apps)
    told = {name: getattr(auths[0], name) for name in ("reject", "revoke", "forget")}
    told |= {"widen": switch.turn, "narrow": switch.turn_back}
    report = {"mcp": origin, "issuer": origin, "control": control_origin}
    report |= {"version": f"fastmcp {version('fastmcp')}", "wire": "2026-07-28"}
    await run(*served, (switch, listener), (control(**told), control_listener), started=apps, report=report)


asyncio.run(main())
