"""A program of a user, for type checkers. It is not run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import httpx2
import mcp_reauth.httpx
import mcp_reauth.httpx2
from mcp_reauth import (
    AuthChallenge,
    AuthorizationRequest,
    AuthSession,
    Client,
    ClientCredentials,
    ConsentDeniedError,
    Enterprise,
    Failed,
    FileStore,
    HttpRequest,
    HttpResponse,
    IdentityProvider,
    InsufficientScopeError,
    Interactive,
    MemoryStore,
    Operation,
    Outcome,
    Person,
    Policy,
    ReauthError,
    Satisfied,
    SessionEvent,
    StepUpConfirm,
    StepUpRequest,
    StoredRecord,
    StoreKey,
    TerminalHost,
    Workload,
    auth_challenge_from_error,
    blocking,
    compute_scope_union,
    parse_auth_challenge,
    wording,
)
from mcp_reauth.testing import StoreCheck, check_store
from typing_extensions import assert_never, assert_type


class Host:
    redirect_uri = "http://127.0.0.1:6276/oauth/callback"

    async def confirm_step_up(self, request: StepUpRequest) -> bool:
        return request.new_scopes == ("mcp:write",)

    async def authorize(self, request: AuthorizationRequest) -> str | None:
        return None if request.at_identity_provider else request.url


class PlainHost:
    def redirect_uri(self, registered: bool) -> str:
        return "http://127.0.0.1:6276/oauth/callback"

    def confirm_step_up(self, request: StepUpRequest) -> bool:
        return True

    def authorize(self, request: AuthorizationRequest) -> dict[str, str]:
        return {"code": "x", "state": request.state}


class Store:
    place = "somewhere"

    async def load(self, key: StoreKey) -> StoredRecord | None:
        return StoredRecord(1, key.profile)

    async def save(self, key: StoreKey, data: bytes, expected: int | None) -> int | None:
        return None

    async def delete(self, key: StoreKey, expected: int) -> bool:
        return True


class PlainStore:
    def load(self, key: StoreKey) -> StoredRecord | None:
        return None

    def save(self, key: StoreKey, data: bytes, expected: int | None) -> int | None:
        return 1

    def delete(self, key: StoreKey, expected: int) -> bool:
        return False


class Sender:
    async def send(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, {"content-type": "text/plain"}, request.body)


def explain(outcome: Outcome) -> str:
    match outcome:
        case Satisfied():
            return "done"
        case StepUpConfirm(challenge):
            return wording.step_up_title(challenge)
        case Interactive(authorization_url=url):
            return url or "later"
        case Failed(error):
            return error.sentence
        case _:
            assert_never(outcome)


async def use(server_url: httpx2.URL) -> None:
    async with AuthSession.open(
        server_url,
        client_name="My client",
        host=Host(),
        store=FileStore(Path("credentials.json")),
        scopes=["mcp:read"],
        policy=Policy(max_step_up_retries=2, refresh_ahead=timedelta(minutes=1), interaction_timeout=60),
        dpop="when_asked",
        allow_endpoints=["https://login.corp.example"],
        http_client=Sender(),
    ) as session:
        assert_type(session, AuthSession)
        async for event in session.events():
            assert_type(event, SessionEvent)
        explain(await session.sign_in("mcp:write", again=True))
        async with httpx2.AsyncClient(transport=session.transport()) as http:
            await http.get("https://mcp.example/mcp")
        async with httpx.AsyncClient(transport=mcp_reauth.httpx.AsyncTransport(session)) as other:
            await other.get("https://mcp.example/mcp")
        async with httpx2.AsyncClient(auth=mcp_reauth.httpx2.Auth(session)) as third:
            response = await third.get("https://mcp.example/mcp")
        request = session.request(Operation("tools/call", tool_name="x"), trigger="ambient")
        assert_type(await request.authorize(), dict[str, str])
        assert_type(await request.recover(response), bool)
        assert_type(parse_auth_challenge(response.status_code, response.headers), AuthChallenge | None)
        await session.complete_authorization({"code": "x", "state": "y"})
        await session.complete_authorization(httpx.URL("http://127.0.0.1/?code=x"))


async def machines() -> None:
    client = Client("nightly", secret="x", secret_method="basic", issuer="https://as.example")
    session = await AuthSession.open("https://mcp.example/mcp", credentials=ClientCredentials(client))
    authorization = session.authorization()
    if authorization is not None:
        assert_type(authorization.scopes, list[str])
    await session.close()

    async def assertion(audience: str) -> str:
        return audience

    await AuthSession.open("https://mcp.example/mcp", credentials=Workload(client, assertion), store=Store())
    await AuthSession.open("https://mcp.example/mcp", credentials=Workload(client, str), store=PlainStore())
    provider = IdentityProvider("https://idp.example", "at-idp")
    managed = await AuthSession.open("https://mcp.example/mcp", credentials=Enterprise(provider), host=PlainHost())
    if managed.identity_provider is not None:
        assert_type((await managed.identity_provider.state()).servers, tuple[str, ...])


def block() -> None:
    http_client = mcp_reauth.httpx.HttpClient(httpx.Client())
    with blocking.AuthSession.open(
        "https://mcp.example/mcp",
        host=TerminalHost(),
        store=MemoryStore(),
        credentials=Person(),
        http_client=http_client,
    ) as session:
        with httpx.Client(transport=session.transport()) as http:
            http.get("https://mcp.example/mcp")
        for event in session.events():
            assert_type(event, SessionEvent)


async def errors() -> None:
    try:
        await machines()
    except InsufficientScopeError as error:
        assert_type(error.challenge, AuthChallenge | None)
    except ConsentDeniedError as error:
        assert_type(error.retry_after, int | None)
    except Exception as error:
        found = ReauthError.find(error)
        if found is not None and found.code == "timeout":
            print(wording.failure(found))
        assert_type(auth_challenge_from_error(error), AuthChallenge | None)
    assert_type(compute_scope_union("a", ["b"]), list[str])
    assert_type(await check_store(Store(), PlainStore()), list[StoreCheck])
