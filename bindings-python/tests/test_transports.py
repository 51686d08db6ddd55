"""What the transports and ``Auth`` send, repeat, refuse and pass unchanged."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp_reauth import AuthSession, Policy, ReauthError
from support.clients import AUTHS, TRANSPORTS, Kind
from support.fixture import Fixture
from support.front import JSON, Front, Reply, Seen
from support.messages import TOKEN, call, cancelled, credential, listing, result
from support.person import Person
from support.sdk import LEAVES_GENERATORS, WIRES, connected_to

pytestmark = [pytest.mark.anyio, LEAVES_GENERATORS]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


every = pytest.mark.parametrize("kind", TRANSPORTS + AUTHS, ids=str)
transports = pytest.mark.parametrize("kind", TRANSPORTS, ids=str)
auths = pytest.mark.parametrize("kind", AUTHS, ids=str)


@asynccontextmanager
async def signed_in(fixture: Fixture, person: Person | None = None, **options: Any) -> AsyncIterator[AuthSession]:
    """A session whose user has signed in."""
    person = person or Person()
    async with AuthSession.open(fixture.mcp_url, host=person, **options) as session:
        assert (await session.sign_in()).kind == "satisfied"
        person.reset()
        fixture.reset_counters()
        yield session


@asynccontextmanager
async def session_at(front: Front, **options: Any) -> AsyncIterator[AuthSession]:
    """A session with a credential that no server granted."""
    async with AuthSession.open(front.url, **options) as session:
        await session.set_auth_state(credential(front.url))
        yield session


def answered(seen: Seen) -> Reply:
    return Reply(200, JSON, result())


@every
async def test_a_request_keeps_its_header_fields_and_carries_the_credential(kind: Kind) -> None:
    with Front(answered) as front:
        async with session_at(front) as session, kind.client(session) as send:
            given = call("echo")
            given["headers"]["x-own"] = "kept"
            response = await send("POST", front.url, **given)
            assert response.json()["id"] == 1
        (seen,) = front.seen
        assert seen.headers["x-own"] == "kept"
        assert seen.headers["authorization"] == f"Bearer {TOKEN}"
        assert seen.headers["host"] == front.origin.removeprefix("http://")
        assert seen.body == given["content"]


@transports
async def test_a_request_gets_its_own_header_fields_back(kind: Kind) -> None:
    with Front(answered) as front:
        async with session_at(front) as session, kind.client(session) as send:
            for own in ({}, {"Authorization": "Basic own"}):
                given = call("echo")
                given["headers"] |= own
                response = await send("POST", front.url, **given)
                assert response.request.headers.get("authorization") == own.get("Authorization")
                assert front.seen[-1].headers["authorization"] == f"Bearer {TOKEN}"


@every
async def test_a_rejected_request_is_sent_again_with_the_same_body(kind: Kind) -> None:
    with Fixture() as fixture:
        async with signed_in(fixture) as session, kind.client(session) as send:
            fixture.expire()
            response = await send("POST", fixture.mcp_url, **call("echo"))
            assert "hello" in response.text
            counters = fixture.counters()
            assert (counters["mcp_post"], counters["token_refresh"]) == (2, 1)


@every
async def test_a_streamed_body_is_not_sent_again_but_the_credential_is_renewed(kind: Kind) -> None:
    with Fixture() as fixture:
        person = Person()
        async with signed_in(fixture, person) as session, kind.client(session) as send:
            fixture.expire()
            given = call("echo")
            given["content"] = kind.streamed(given["content"])
            assert (await send("POST", fixture.mcp_url, **given)).status_code == 401
            assert fixture.counters()["token_refresh"] == 1
            assert (await send("POST", fixture.mcp_url, **call("echo"))).status_code == 200
            given = call("write_note")
            given["content"] = kind.streamed(given["content"])
            assert (await send("POST", fixture.mcp_url, **given)).status_code == 403
            # The user is not asked for a request that cannot be sent again.
            assert person.prompts == (0, 0)


@every
async def test_a_request_to_another_address_passes_unchanged(kind: Kind) -> None:
    challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
    with Front(lambda _: Reply(401, challenge)) as other, Front(answered) as front:
        async with session_at(front) as session, kind.client(session) as send:
            elsewhere = (
                other.url,
                f"{front.origin}/other",
                front.url.replace("127.0.0.1", "localhost"),
                f"{front.url}/../secret",
            )
            for url in elsewhere:
                await send("POST", url, **call("echo"))
        assert len(other.seen) == 1
        for seen in other.seen + front.seen:
            assert "authorization" not in seen.headers, seen.path


@transports
@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_within_the_origin_is_followed_with_body_and_credential(kind: Kind, status: int) -> None:
    def moved(seen: Seen) -> Reply:
        return Reply(status, {"location": "/v2"}) if seen.path == "/mcp" else answered(seen)

    with Front(moved) as front:
        async with session_at(front) as session, kind.client(session) as send:
            given = call("echo")
            given["headers"]["mcp-session-id"] = "session-1"
            response = await send("POST", front.url, **given)
            assert response.json()["result"]["content"]
        assert [seen.path for seen in front.seen] == ["/mcp", "/v2"]
        for seen in front.seen:
            assert seen.headers["authorization"] == f"Bearer {TOKEN}"
            assert seen.headers["mcp-session-id"] == "session-1"
            assert seen.body == given["content"]


@transports
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_is_refused(kind: Kind, status: int) -> None:
    with Front(answered) as other:
        away = Reply(status, {"location": f"{other.url}?code=secret"})
        with Front(lambda _: away) as front:
            async with session_at(front) as session, kind.client(session) as send:
                told = (await send("POST", front.url, **call("echo"))).json()
                assert told["error"]["data"]["code"] == "http"
                assert "not followed" in told["error"]["message"]
                assert "secret" not in json.dumps(told)
                for method in ("GET", "DELETE"):
                    with pytest.raises(ReauthError, match="not followed"):
                        await send(method, front.url, headers={"mcp-session-id": "session-1"})
        assert other.seen == []


@auths
async def test_auth_sends_the_credential_to_no_other_origin_that_a_client_follows(kind: Kind) -> None:
    with Front(lambda _: Reply(401, {"www-authenticate": "Bearer"})) as other:
        with Front(lambda _: Reply(307, {"location": other.url})) as front:
            async with session_at(front) as session, kind.client(session) as send:
                with pytest.raises(ReauthError) as raised:
                    await send("POST", front.url, **call("echo"), follow_redirects=True)
                assert raised.value.code == "http"
        assert [seen.headers.get("authorization") for seen in other.seen] == [None]


def nonce_of(seen: Seen) -> Any:
    """The nonce of a request's DPoP proof."""
    claims = seen.headers["dpop"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))).get("nonce")


@every
async def test_a_proof_takes_the_nonce_of_the_last_response(kind: Kind) -> None:
    with Fixture({"dpop": "required"}) as fixture, Front() as front:
        front.answer = lambda _: Reply(200, {**JSON, "dpop-nonce": f"after-{len(front.seen)}"}, result())
        async with signed_in(fixture) as first, AuthSession.open(front.url) as session:
            state = await first.auth_state()
            assert state is not None
            await session.set_auth_state(state)
            authorization = session.authorization()
            assert authorization is not None
            assert authorization.needs_proof
            async with kind.client(session) as send:
                for _ in range(3):
                    response = await send("POST", front.url, **call("echo"))
                    if kind.seam == "transport":
                        assert "dpop" not in response.request.headers
        assert [nonce_of(seen) for seen in front.seen] == [None, "after-1", "after-2"]


@every
async def test_a_nonce_that_the_server_demands_takes_one_more_request(kind: Kind) -> None:
    with Fixture({"dpop": "required", "dpop_nonce": "demanded"}) as fixture:
        async with signed_in(fixture) as session, kind.client(session) as send:
            assert "hello" in (await send("POST", fixture.mcp_url, **call("echo"))).text
            fixture.reset_counters()
            assert "hello" in (await send("POST", fixture.mcp_url, **call("echo"))).text
            assert fixture.client_requests() == 1
            fixture.control("POST", "/dpop/rotate-nonces")
            assert "hello" in (await send("POST", fixture.mcp_url, **call("echo"))).text
            assert fixture.client_requests() == 3


@transports
async def test_a_final_failure_is_a_json_rpc_error_that_holds_it(kind: Kind) -> None:
    with Fixture() as fixture:
        policy = Policy(on_insufficient_scope="throw")
        async with signed_in(fixture, policy=policy) as session, kind.client(session) as send:
            response = await send("POST", fixture.mcp_url, **call("write_note", "x"))
            # The status that each SDK reads an error from.
            assert response.status_code == (200 if kind.library == "httpx" else 403)
            told = response.json()
            assert (told["id"], told["error"]["data"]["code"]) == ("x", "insufficient_scope")
            assert told["error"]["data"]["sentence"]
            # A notification has no response, and no caller hears of it.
            fixture.control("PATCH", "/faults", {"always_403_scope": True})
            response = await send("POST", fixture.mcp_url, **cancelled(99))
            assert response.content == b""
            assert response.status_code == (202 if kind.library == "httpx" else 403)


@every
async def test_a_request_without_json_rpc_raises_a_final_failure(kind: Kind) -> None:
    with Fixture() as fixture:
        policy = Policy(interaction=False)
        async with AuthSession.open(fixture.mcp_url, policy=policy) as session, kind.client(session) as send:
            for method, content in (("DELETE", None), ("POST", b"[]"), ("POST", b"\xff no JSON")):
                with pytest.raises(ReauthError) as raised:
                    await send(method, fixture.mcp_url, content=content, headers={"mcp-session-id": "a"})
                assert raised.value.code == "interaction_required"
                assert ReauthError.find(RuntimeError("outer", raised.value)) is None
                outer = RuntimeError("outer")
                outer.__cause__ = raised.value
                assert ReauthError.find(outer) is raised.value


@auths
async def test_auth_raises_a_final_failure(kind: Kind) -> None:
    with Fixture() as fixture:
        policy = Policy(on_insufficient_scope="throw")
        async with signed_in(fixture, policy=policy) as session, kind.client(session) as send:
            with pytest.raises(ReauthError) as raised:
                await send("POST", fixture.mcp_url, **call("write_note"))
            assert raised.value.code == "insufficient_scope"


@auths
async def test_auth_sends_no_credential_that_the_session_no_longer_has(kind: Kind) -> None:
    with Fixture() as fixture, Front(behind=fixture.mcp_url) as front:
        async with signed_in(fixture) as first, session_at(front) as session:
            state = await first.auth_state()
            assert state is not None
            await session.set_auth_state(state)
            refresh_fails = {"token_error": "invalid_grant"}
            fixture.control("PATCH", "/faults", refresh_fails)
            fixture.expire()
            async with kind.client(session) as send:
                with pytest.raises(ReauthError):
                    await send("POST", front.url, **call("echo"))
        sent = [seen.headers.get("authorization") for seen in front.seen]
        assert len(set(sent)) == len(sent), "the rejected credential was sent again"


@transports
async def test_a_call_on_a_closed_session_gets_a_json_rpc_error(kind: Kind) -> None:
    with Front(answered) as front:
        async with session_at(front) as session, kind.client(session) as send:
            await session.close()
            told = (await send("POST", front.url, **listing())).json()
            assert told["error"]["data"]["code"] == "cancelled"
            with pytest.raises(ReauthError, match="closed"):
                await send("GET", front.url)
        assert front.seen == []


@every
async def test_a_connection_that_breaks_fails_as_without_the_session(kind: Kind) -> None:
    with Fixture() as fixture:
        async with signed_in(fixture) as session, kind.client(session) as send:
            fixture.control("PATCH", "/faults", {"drop_mcp_connection": True})
            with pytest.raises(kind.http.TransportError):
                await send("POST", fixture.mcp_url, **call("echo"))


@pytest.mark.parametrize("wire", WIRES)
async def test_the_sdk_goes_on_after_a_denied_step_up_and_a_failed_notification(wire: str) -> None:
    with Fixture() as fixture:
        person = Person()
        async with signed_in(fixture, person) as session, connected_to(fixture, session, wire) as client:
            person.agrees = False
            await client.fails("write_note", "consent_denied")
            await client.succeeds()
            fixture.control("PUT", "/faults", {"always_403_scope": True})
            await client.notify()
            await client.fails("echo", "insufficient_scope")
            fixture.control("PUT", "/faults", {})
            await client.succeeds()
            person.agrees = True
            await client.succeeds("write_note")


@pytest.mark.parametrize("wire", WIRES)
async def test_the_sdk_goes_on_when_the_session_is_closed(wire: str) -> None:
    with Fixture() as fixture:
        async with signed_in(fixture) as session, connected_to(fixture, session, wire) as client:
            await session.close()
            await client.fails("echo", "cancelled")
            await client.fails("echo", "cancelled")
