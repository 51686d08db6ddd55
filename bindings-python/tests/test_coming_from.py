"""What README.md says about ``OAuthClientProvider`` of the official SDK, side by side with the session: the same
server, user and requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

pytest.importorskip("httpx2", reason="the SDK here is mcp 1.x")

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_reauth import AuthorizationRequest, AuthSession, MemoryStore, ReauthError, RefreshUnavailableError
from support.fixture import Fixture
from support.person import Person, visit

#: The authorization server answers refreshes so.
UNAVAILABLE = {"refresh_answer": {"status": 503, "body": "later"}}


class Storage:
    """The storage of the SDK's provider."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class User(Person):
    """A user who takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        #: Set while the user is at the page.
        self.is_there = asyncio.Event()
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.urls: list[str] = []

    async def at(self, url: str) -> str:
        self.urls.append(url)
        self.is_there.set()
        await self.may_go.wait()
        return visit(url)

    async def authorize(self, request: AuthorizationRequest) -> str:
        return await self.at(request.url)


class Theirs:
    """A client with the SDK's provider."""

    name = "OAuthClientProvider"

    def __init__(self, fixture: Fixture) -> None:
        self.user = User()
        self._fixture = fixture
        self._storage = Storage()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[httpx2.AsyncClient]:
        """The client of a new process, with what is stored."""
        metadata = OAuthClientMetadata.model_validate(
            {
                "client_name": "test",
                "redirect_uris": [Person.redirect_uri],
                "grant_types": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_method": "none",
            }
        )
        url = ""

        async def redirect(to: str) -> None:
            nonlocal url
            url = to

        async def callback() -> AuthorizationCodeResult:
            answer = dict(parse_qsl(urlsplit(await self.user.at(url)).query))
            return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

        self.auth = OAuthClientProvider(self._fixture.mcp_url, metadata, self._storage, redirect, callback)
        async with httpx2.AsyncClient(auth=self.auth) as http:
            yield http


class Ours:
    """A client with a session."""

    name = "mcp-reauth"

    def __init__(self, fixture: Fixture) -> None:
        self.user = User()
        self._fixture = fixture
        self._store = MemoryStore()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[httpx2.AsyncClient]:
        """The client of a new process, with what is stored."""
        opening = AuthSession.open(self._fixture.mcp_url, host=self.user, store=self._store)
        async with opening as session, httpx2.AsyncClient(transport=session.transport()) as http:
            yield http


async def call(http: httpx2.AsyncClient, fixture: Fixture, tool: str = "echo") -> httpx2.Response:
    version = "2026-07-28"
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {"text": "hello"}, "_meta": meta},
    }
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }
    return await http.post(fixture.mcp_url, json=message, headers=headers)


@pytest.fixture
def fixture() -> Iterator[Fixture]:
    with Fixture() as fixture:
        yield fixture


@pytest.mark.parametrize(("kind", "pages"), [(Theirs, 1), (Ours, 0)])
def test_a_rejected_token(fixture: Fixture, kind: type[Theirs] | type[Ours], pages: int) -> None:
    async def main() -> None:
        client = kind(fixture)
        async with client.process() as http:
            assert (await call(http, fixture)).status_code == 200
            client.user.urls.clear()
            fixture.expire()
            assert (await call(http, fixture)).status_code == 200
            assert len(client.user.urls) == pages

    asyncio.run(main())


@pytest.mark.parametrize(("kind", "pages"), [(Theirs, 1), (Ours, 0)])
def test_a_new_process(fixture: Fixture, kind: type[Theirs] | type[Ours], pages: int) -> None:
    async def main() -> None:
        client = kind(fixture)
        async with client.process() as http:
            assert (await call(http, fixture)).status_code == 200
        client.user.urls.clear()
        fixture.expire()
        async with client.process() as http:
            assert (await call(http, fixture)).status_code == 200
        assert len(client.user.urls) == pages

    asyncio.run(main())


@pytest.mark.parametrize("kind", [Theirs, Ours])
def test_a_person_takes_their_time(fixture: Fixture, kind: type[Theirs] | type[Ours]) -> None:
    async def main() -> None:
        client = kind(fixture)
        async with client.process() as http:
            assert (await call(http, fixture)).status_code == 200
            client.user.may_go.clear()
            client.user.is_there.clear()
            # A tool that requires more scope leads to the page; another tool does not.
            asking = asyncio.create_task(call(http, fixture, "write_note"))
            await client.user.is_there.wait()
            other = asyncio.create_task(call(http, fixture))
            if isinstance(client, Theirs):
                while not client.auth.context.lock.statistics().tasks_waiting:
                    await asyncio.sleep(0)
                assert not other.done()
            else:
                assert (await other).status_code == 200
            client.user.may_go.set()
            assert (await asking).status_code == 200
            assert (await other).status_code == 200

    asyncio.run(main())


def test_their_refresh_is_answered_with_503(fixture: Fixture) -> None:
    async def main() -> None:
        client = Theirs(fixture)
        async with client.process() as http:
            assert (await call(http, fixture)).status_code == 200
            client.user.urls.clear()
            # It refreshes only what has expired by its own clock.
            client.auth.context.token_expiry_time = 1
            fixture.control("PUT", "/faults", UNAVAILABLE)
            assert (await call(http, fixture)).status_code == 200
            assert len(client.user.urls) == 1

    asyncio.run(main())


def test_our_refresh_is_answered_with_503(fixture: Fixture) -> None:
    async def main() -> None:
        client = Ours(fixture)
        async with client.process() as http:
            assert (await call(http, fixture)).status_code == 200
            client.user.urls.clear()
            fixture.expire()
            fixture.control("PUT", "/faults", UNAVAILABLE)
            failed = ReauthError.from_json((await call(http, fixture)).json()["error"]["data"])
            assert isinstance(failed, RefreshUnavailableError)
            fixture.control("PUT", "/faults", {})
            assert (await call(http, fixture)).status_code == 200
            assert client.user.urls == []

    asyncio.run(main())


@pytest.mark.parametrize(("kind", "scope"), [(Theirs, "mcp:read"), (Ours, "mcp:read mcp:write")])
def test_a_401_after_a_step_up(fixture: Fixture, kind: type[Theirs] | type[Ours], scope: str) -> None:
    async def main() -> None:
        client = kind(fixture)
        async with client.process() as http:
            assert (await call(http, fixture, "write_note")).status_code in (200, 403)
            assert (await call(http, fixture, "write_note")).status_code == 200
            client.user.urls.clear()
            fixture.control("POST", "/revoke")
            await call(http, fixture)
            (url,) = client.user.urls
            assert dict(parse_qsl(urlsplit(url).query))["scope"] == scope

    asyncio.run(main())
