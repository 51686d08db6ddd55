"""Nine situations with servers by others: sign-in, renewal, step-up and more, with the official SDK on the session's
transport. Checks docs/servers.md against the results."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("httpx2", reason="the SDK here is mcp 1.x")

from support.situations import situations
from support.third_party import Other, check_table

SERVERS = [
    "oidc-provider",
    "python-sdk-2",
    "python-sdk-2-separate",
    "python-sdk-1",
    "python-sdk-1-separate",
    "fastmcp-in-memory",
    "fastmcp-proxy",
    "typescript-sdk",
    "better-auth",
    "workers-oauth-provider",
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", SERVERS)
def test_all_situations(name: str) -> None:
    with Other(name) as other:
        outcomes = asyncio.run(situations(other))
        check_table(name, other.about["version"], outcomes)
