"""The steps of ``mcp-reauth demo``, through the official SDK, by the same names. Each needs the same number of
requests, questions and pages as there, plus the additional requests of connecting."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from mcp_reauth import AuthSession, Client, Enterprise, FileStore, IdentityProvider, _native
from support.fixture import PROGRAM, Fixture
from support.person import Person
from support.programs import TESTS, start
from support.sdk import LEAVES_GENERATORS, MORE, WIRES, connected_to, parallel

pytestmark = [pytest.mark.anyio, LEAVES_GENERATORS, pytest.mark.parametrize("wire", WIRES)]

PARALLEL = 50
#: The other process only calls.
NO_CONNECTION = -1
CLIENT_ID = "mcp-reauth-demo"
ID_TOKEN_LIFE = 600

STANDARD = (
    "first sign-in",
    "a tool call",
    "the token expires",
    "the grant is revoked",
    "50 parallel calls, token expired",
    "a tool needs more scope",
    "consent is declined",
    "a tool needs a stronger sign-in",
    "authorization server down, then up",
    "the process restarts",
    "a server that always refuses",
)
ORGANIZATION = (
    "an organization signs in",
    "a second server is used",
    "its token expires",
    "one of its tools needs more scope",
    "the ID token expires as well",
    "the organization refuses a scope",
    "signing out of the organization",
)


@functools.cache
def demo() -> dict[str, dict[str, Any]]:
    """The demo's report of each step."""
    printed = subprocess.run([PROGRAM, "demo", "--json"], check=True, capture_output=True, text=True).stdout
    steps = [json.loads(line) for line in printed.splitlines()]
    return {step["title"]: step for step in steps if step.get("title")}


class Stage:
    """The user and the servers of some steps."""

    def __init__(self, *fixtures: Fixture) -> None:
        self.person = Person()
        self.fixtures = fixtures
        self.played: list[str] = []

    @contextlib.asynccontextmanager
    async def step(self, title: str, more: int = 0) -> AsyncIterator[None]:
        """Compares a step with the demo's."""
        self.person.reset()
        for fixture in self.fixtures:
            fixture.reset_counters()
        try:
            yield
        except BaseException as error:
            if hasattr(error, "add_note"):
                error.add_note(f"in the step: {title}")
            raise
        requests = sum(fixture.client_requests() for fixture in self.fixtures)
        expected = demo()[title]
        wanted = expected["requests"] + more
        if title.startswith(f"{PARALLEL} parallel"):
            # How many are sent before the renewal completes depends on timing.
            assert PARALLEL + 2 <= requests <= 2 * PARALLEL + 1, title
        elif title == "the process restarts":
            # The first process may notice the new token by itself, or only after a rejection.
            assert abs(requests - wanted) <= 1, title
        else:
            assert requests == wanted, title
        assert self.person.prompts == (expected["questions"], expected["pages"]), title
        self.played.append(title)


async def test_a_user_signs_in_and_keeps_working_as_in_the_demo(wire: str, tmp_path: Path) -> None:
    more = MORE[wire]
    store = str(tmp_path / "credentials.json")
    with Fixture() as fixture:
        stage = Stage(fixture)
        person, step = stage.person, stage.step
        async with contextlib.AsyncExitStack() as stack:
            opening = AuthSession.open(
                fixture.mcp_url, client_name="mcp-reauth demo", host=person, store=FileStore(store)
            )
            session = await stack.enter_async_context(opening)
            async with step("first sign-in", more):
                client = await stack.enter_async_context(connected_to(fixture, session, wire))
                assert granted(session) == ["mcp:read"]
            async with step("a tool call"):
                await client.succeeds()
            async with step("the token expires"):
                fixture.expire()
                await client.succeeds()
            async with step("the grant is revoked"):
                fixture.control("POST", "/revoke")
                await client.succeeds()
            async with step("50 parallel calls, token expired"):
                fixture.expire()
                await parallel(client, PARALLEL)
                counters = fixture.counters()
                assert (counters["token_refresh"], counters["reuse_detected"]) == (1, 0)
            async with step("a tool needs more scope"):
                await client.succeeds("write_note")
                assert granted(session) == ["mcp:read", "mcp:write"]
                context = person.questions[0].challenge.context
                assert context is not None
                assert (context.method, context.tool_name) == ("tools/call", "write_note")
            async with step("consent is declined"):
                person.agrees = False
                await client.fails("delete_note", "consent_denied")
                person.agrees = True
                await client.succeeds()
            async with step("a tool needs a stronger sign-in"):
                await client.succeeds("transfer")
                assert "mcp:write" in granted(session)
            async with step("authorization server down, then up"):
                fixture.expire()
                fixture.control("POST", "/authorization-server", {"up": False})
                await client.fails("echo", "refresh_unavailable")
                fixture.control("POST", "/authorization-server", {"up": True})
                await client.succeeds()
            async with step("the process restarts", NO_CONNECTION):
                fixture.expire()
                task = json.dumps({"url": fixture.mcp_url, "store": store, "calls": 1})
                process = start(str(TESTS / "support" / "caller.py"), task)
                output, errors = await anyio.to_thread.run_sync(lambda: process.communicate(timeout=20))
                assert json.loads(output or "null") == {"succeeded": 1, "failed": []}, errors
                await client.succeeds()
                assert fixture.counters()["token_refresh"] == 1, "the processes did not share one renewal"
            async with step("a server that always refuses"):
                fixture.control("PUT", "/faults", {"always_401": True})
                await client.fails("echo", "unauthorized")
                fixture.control("PUT", "/faults", {})
    assert tuple(stage.played) == STANDARD


def granted(session: AuthSession) -> list[str]:
    authorization = session.authorization()
    return authorization.scopes if authorization else []


def managed(identity_provider: dict[str, Any]) -> dict[str, Any]:
    """The settings of a server that trusts an identity provider."""
    grant_types = ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    clients = [{"client_id": CLIENT_ID, "grant_types": grant_types}]
    return {"identity_provider": identity_provider, "registration": {"dynamic": False, "clients": clients}}


OWN = {
    "own": {
        "clients": [{"client_id": CLIENT_ID, "redirect_uris": ["http://127.0.0.1/oauth/callback"]}],
        "id_token_ttl_seconds": ID_TOKEN_LIFE,
    }
}

#: By how many seconds the clock of all sessions was advanced.
ahead = 0


@pytest.mark.testing
async def test_an_organization_signs_in_once_as_in_the_demo(wire: str, tmp_path: Path) -> None:
    global ahead
    more = MORE[wire]
    store = FileStore(tmp_path / "organization.json")
    with Fixture(managed(OWN)) as first, Fixture(managed({"at": {"issuer": first.idp_issuer}})) as second:
        stage = Stage(first, second)
        person, step = stage.person, stage.step
        for fixture in stage.fixtures:
            fixture.control("POST", "/advance", {"seconds": ahead})
        credentials = Enterprise(IdentityProvider(first.idp_issuer, CLIENT_ID), Client(CLIENT_ID))
        async with contextlib.AsyncExitStack() as stack:
            sessions = []
            for fixture in stage.fixtures:
                opening = AuthSession.open(
                    fixture.mcp_url, client_name="mcp-reauth demo", credentials=credentials, store=store, host=person
                )
                sessions.append(await stack.enter_async_context(opening))
            async with step("an organization signs in", more):
                await stack.enter_async_context(connected_to(first, sessions[0], wire))
                assert first.counters()["authorize_visits"] == 0
            async with step("a second server is used", more):
                client = await stack.enter_async_context(connected_to(second, sessions[1], wire))
                assert second.counters()["authorize_visits"] == 0
            async with step("its token expires"):
                second.expire()
                await client.succeeds()
            async with step("one of its tools needs more scope"):
                await client.succeeds("write_note")
                assert granted(sessions[1]) == ["mcp:read", "mcp:write"]
            async with step("the ID token expires as well"):
                advance = _native.advance_clock  # type: ignore[attr-defined] # built with the feature `testing`
                advance(ID_TOKEN_LIFE)
                ahead += ID_TOKEN_LIFE
                for fixture in stage.fixtures:
                    fixture.control("POST", "/advance", {"seconds": ID_TOKEN_LIFE})
                second.expire()
                # After any operation, the session looks at the clock before its next request.
                await sessions[1].connection_state()
                await client.succeeds()
            async with step("the organization refuses a scope"):
                first.control("PUT", "/idp/policy", {"refuse_scopes": ["mcp:admin"]})
                await client.fails("delete_note", "policy_denied")
                first.control("PUT", "/idp/policy", "allow")
                await client.succeeds()
            async with step("signing out of the organization"):
                provider = sessions[0].identity_provider
                assert provider is not None
                assert await provider.sign_out() == "done"
                for session, fixture in zip(sessions, stage.fixtures, strict=True):
                    assert not (await session.connection_state()).signed_in
                    assert session.authorization() is None
                    assert fixture.control("GET", "/tokens") == []
                assert first.control("GET", "/idp/sessions") == []
    assert tuple(stage.played) == ORGANIZATION


async def test_no_step_of_the_demo_is_left_out(wire: str) -> None:
    assert tuple(demo()) == STANDARD + ORGANIZATION
