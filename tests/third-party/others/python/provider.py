"""An in-memory provider of an authorization server, on the public interface of the official SDK."""

import secrets
import time
from html import escape
from typing import Any
from urllib.parse import parse_qs

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

LIFE = 3600

PAGE = """<!doctype html>
<html><head><title>Sign-in</title></head><body>
<h1>Sign-in</h1>
<form action="/sign-in" method="post">
<input type="hidden" name="request" value="{request}">
<input type="text" name="user">
<input type="password" name="password">
<button type="submit">Sign in</button>
</form></body></html>"""


class Provider:
    """Signs users in on its own page. Rotates refresh tokens, if it issues any, at every use."""

    def __init__(self, issuer: str, *, refreshes: bool) -> None:
        self.issuer = issuer.rstrip("/")
        self.refreshes = refreshes
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.requests: dict[str, tuple[str, AuthorizationParams]] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        # The resources of refresh tokens, which some versions of the SDK do not record in them.
        self.resources: dict[str, str | None] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        assert client.client_id
        request = secrets.token_urlsafe(16)
        self.requests[request] = (client.client_id, params)
        return f"{self.issuer}/sign-in?request={request}"

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        code = self.codes.pop(authorization_code.code)
        return self._issue(code.client_id, code.scopes, code.resource)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        used = self.refresh.pop(refresh_token.token)
        return self._issue(used.client_id, scopes, self.resources[used.token])

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        for kept in (self.access, self.refresh):
            for held in [held for held in kept.values() if held.client_id == token.client_id]:
                del kept[held.token]

    def _issue(self, client_id: str, scopes: list[str], resource: str | None) -> OAuthToken:
        token, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.access[token] = AccessToken(
            token=token, client_id=client_id, scopes=scopes, expires_at=int(time.time()) + LIFE, resource=resource
        )
        if self.refreshes:
            self.refresh[refresh] = RefreshToken(token=refresh, client_id=client_id, scopes=scopes)
            self.resources[refresh] = resource
        return OAuthToken(
            access_token=token,
            token_type="Bearer",
            expires_in=LIFE,
            scope=" ".join(scopes),
            refresh_token=refresh if self.refreshes else None,
        )

    async def sign_in(self, request: Request) -> Response:
        """Shows the sign-in page, and handles its form."""
        if request.method == "GET":
            return HTMLResponse(PAGE.format(request=escape(request.query_params["request"])))
        form = parse_qs((await request.body()).decode())
        if not form.get("user") or not form.get("password"):
            return Response("Who are you?", status_code=400)
        client_id, params = self.requests.pop(form["request"][0])
        code = AuthorizationCode(
            code=secrets.token_urlsafe(24),
            client_id=client_id,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return RedirectResponse(construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state), 302)

    async def introspect(self, request: Request) -> Response:
        """Token introspection (RFC 7662)."""
        form = parse_qs((await request.body()).decode())
        token = self.access.get(form["token"][0])
        if token is None:
            return JSONResponse({"active": False})
        claims: dict[str, Any] = {"active": True, "client_id": token.client_id, "scope": " ".join(token.scopes)}
        return JSONResponse({**claims, "exp": token.expires_at, "aud": token.resource})

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in", self.sign_in, methods=["GET", "POST"]),
            Route("/introspect", self.introspect, methods=["POST"]),
        ]

    def reject(self) -> None:
        self.access.clear()

    def revoke(self) -> None:
        self.access.clear()
        self.refresh.clear()

    def forget(self) -> None:
        self.revoke()
        self.clients.clear()
