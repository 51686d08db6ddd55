"""FastMCP's client on the session's transport, by its client factory, against FastMCP's server with its own OAuth
provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastmcp", reason="FastMCP is not installed here")

import httpx2
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp import MCPError
from mcp_reauth import AuthSession, ConsentDeniedError, FileStore, ReauthError
from mcp_types import TextContent
from support.reader import Reader
from support.third_party import Other


@pytest.fixture(scope="module", params=["fastmcp-in-memory", "fastmcp-proxy"])
def other(request: pytest.FixtureRequest) -> Iterator[Other]:
    with Other(request.param) as other:
        yield other


@asynccontextmanager
async def connected(other: Other, store: Path, person: Reader) -> AsyncIterator[tuple[AuthSession, Client[Any]]]:
    """A user's client, and its session."""
    async with AuthSession.open(other.mcp, host=person, store=FileStore(store)) as session:

        def http_client(*_: Any, **options: Any) -> httpx2.AsyncClient:
            options.setdefault("timeout", httpx2.Timeout(30, read=300))
            return httpx2.AsyncClient(transport=session.transport(), **options)

        async with Client(StreamableHttpTransport(other.mcp, httpx_client_factory=http_client)) as client:
            yield session, client


async def answers(client: Client[Any]) -> None:
    result = await client.call_tool("echo", {"text": "hello"})
    assert [part.text for part in result.content if isinstance(part, TextContent)] == ["hello"]


def test_signs_in_once(other: Other, tmp_path: Path) -> None:
    async def main() -> None:
        person = Reader()
        for _ in range(2):
            async with connected(other, tmp_path / "credentials.json", person) as (session, client):
                await answers(client)
                state = await session.connection_state()
                assert state.authorized
                assert state.renewable
        assert person.prompts == (0, 1)

    asyncio.run(main())


def test_renews_a_rejected_token_silently(other: Other, tmp_path: Path) -> None:
    async def main() -> None:
        person = Reader()
        async with connected(other, tmp_path / "credentials.json", person) as (_, client):
            await answers(client)
            person.reset()
            for _ in range(2):
                other.tell("reject")
                mark = other.mark()
                await answers(client)
                assert [noted.get("grant") for noted in other.since(mark)] == [None, "refresh_token", None]
            assert person.prompts == (0, 0)

    asyncio.run(main())


def test_parallel_calls_share_one_renewal(other: Other, tmp_path: Path) -> None:
    async def main() -> None:
        person = Reader()
        async with connected(other, tmp_path / "credentials.json", person) as (_, client):
            await answers(client)
            person.reset()
            mark = other.mark()
            other.tell("reject")
            other.tell("hold")

            async def release() -> None:
                await asyncio.to_thread(other.has_rejected, 20, mark)
                other.tell("release")

            await asyncio.gather(*(answers(client) for _ in range(20)), release())
            grants = [noted["grant"] for noted in other.since(mark) if noted.get("grant")]
            assert grants == ["refresh_token"]
            assert person.prompts == (0, 0)

    asyncio.run(main())


def test_step_up_asks_once(other: Other, tmp_path: Path) -> None:
    async def main() -> None:
        person = Reader()
        async with connected(other, tmp_path / "credentials.json", person) as (session, client):
            await answers(client)
            person.reset()
            other.tell("widen")
            try:
                person.agrees = False
                with pytest.raises(MCPError) as raised:
                    await answers(client)
                assert isinstance(ReauthError.find(raised.value), ConsentDeniedError)
                assert person.prompts == (1, 0)

                # The connection lives on.
                person.agrees = True
                await answers(client)
                assert person.prompts == (2, 1)
                assert set((await session.connection_state()).granted_scopes) >= {"mcp:read", "mcp:write"}
            finally:
                other.tell("narrow")

    asyncio.run(main())


def test_a_revoked_grant_takes_one_page(other: Other, tmp_path: Path) -> None:
    async def main() -> None:
        person = Reader()
        async with connected(other, tmp_path / "credentials.json", person) as (_, client):
            await answers(client)
            person.reset()
            other.tell("revoke")
            await answers(client)
            assert person.prompts == (0, 1)

    asyncio.run(main())
