"""The client under test of the official conformance suite: the official Python SDK on `session.transport()`, in an
ordinary host on the public API. From its environment it reads the protocol version, and what an operator would
configure: its credentials, and whether it acts for a user or for itself."""

import asyncio
import json
import os
import sys
from typing import Any

import httpx2
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from mcp_reauth import (
    AuthorizationRequest,
    AuthSession,
    Client,
    ClientCredentials,
    Credentials,
    Enterprise,
    IdentityProvider,
    Person,
    StepUpRequest,
    TerminalHost,
    Workload,
)

#: The suite allows a client 30 s.
DEADLINE = 25


class Host(TerminalHost):
    """Agrees to everything, and visits pages as a browser does, following redirects to the callback."""

    async def confirm_step_up(self, request: StepUpRequest) -> bool:
        return True

    async def authorize(self, request: AuthorizationRequest) -> str:
        async with httpx2.AsyncClient(follow_redirects=True) as browser:
            visit = asyncio.create_task(browser.get(request.url))
            callback = await super().authorize(request)
            await visit
            return callback


def credentials(scenario: str, context: dict[str, Any]) -> Credentials:
    """The credentials an operator would configure, from the suite's context."""
    client = None
    if "client_id" in context:
        issuer = context.get("issuer")
        client = Client(
            context["client_id"],
            secret=context.get("client_secret"),
            key=context.get("private_key_pem"),
            issuer=issuer,
            # The suite does not say at which issuer its clients are registered.
            at_any_issuer=issuer is None,
        )
    if client and "client-credentials" in scenario:
        return ClientCredentials(client)
    if client and "valid_jwt" in context:
        return Workload(client, assertion=lambda issuer: str(context["valid_jwt"]))
    if "idp_issuer" in context and "idp_client_id" in context:
        return Enterprise(IdentityProvider(context["idp_issuer"], context["idp_client_id"]), client)
    return Person(client)


async def run(url: str) -> None:
    context: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "")
    opening = AuthSession.open(
        url,
        client_name="mcp-reauth conformance client",
        client_metadata_url="https://conformance-test.local/client-metadata.json",
        host=Host(redirect_uri="http://127.0.0.1:0/callback", open_browser=False),
        credentials=credentials(os.environ.get("MCP_CONFORMANCE_SCENARIO", ""), context),
    )
    async with opening as session, httpx2.AsyncClient(transport=session.transport()) as http:
        # The user has already signed in at the identity provider.
        if session.identity_provider and "idp_id_token" in context:
            await session.identity_provider.adopt(context["idp_id_token"])
        mode = version if version >= "2026-07-28" else "legacy"
        async with McpClient(streamable_http_client(url, http_client=http), mode=mode) as client:
            for tool in (await client.list_tools()).tools:
                await client.call_tool(tool.name, {})


asyncio.run(asyncio.wait_for(run(sys.argv[-1]), DEADLINE))
