"""HTTP clients of the application for the requests of the authorization protocol, and assertions of workloads."""

from __future__ import annotations

import http.client
import http.server
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest
from mcp_reauth import (
    AuthSession,
    Client,
    HttpRequest,
    HttpResponse,
    UnreachableError,
    Workload,
    blocking,
)
from support.fixture import Fixture
from support.person import Person
from support.sessions import EXPIRED, failure, first_request, in_both_ways, open_at
from support.values import PATIENCE, RAISED, SECRET, VALUES, nothing, quotes_nothing

pytestmark = pytest.mark.anyio

LIBRARIES = ["httpx", "httpx2"]


class Sender:
    """A client that sends with the standard library, in a thread, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        return await anyio.to_thread.run_sync(self.send_now, request)

    def send_now(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        address = urlsplit(request.url)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE)
        path = f"{address.path}?{address.query}" if address.query else address.path
        try:
            connection.request(request.method, path, request.body or None, dict(request.headers))
            response = connection.getresponse()
            return HttpResponse(response.status, response.getheaders(), response.read())
        finally:
            connection.close()


class PlainSender(Sender):
    """The same with a plain function."""

    def send(self, request: HttpRequest) -> HttpResponse:  # type: ignore[override]
        return self.send_now(request)


class Calls:
    """A client with this function."""

    def __init__(self, send: Any) -> None:
        self.send = send


@pytest.mark.parametrize("cls", [Sender, PlainSender])
async def test_a_client_sends_all_requests_of_the_authorization_protocol(own_servers: Fixture, cls: Any) -> None:
    client = cls()
    async with open_at(own_servers.mcp_url, http_client=client) as session:
        assert await first_request(session)
        own_servers.expire()
        assert await first_request(session)
    assert len(client.requests) == own_servers.client_requests()
    assert {request.method for request in client.requests} == {"GET", "POST"}
    for request in client.requests:
        assert isinstance(request.body, bytes)
        assert request.max_body > 0
        names = [name for name, _ in request.headers]
        assert "user-agent" in names
        assert "code=" not in repr(request)


async def test_what_a_client_raises_is_the_cause_of_the_error(servers: Fixture) -> None:
    for make, words in RAISED.values():
        thrown = make()

        def act(thrown: BaseException = thrown) -> Any:
            raise thrown

        for function in in_both_ways(act).values():
            async with open_at(servers.mcp_url, http_client=Calls(function)) as session:
                with anyio.fail_after(PATIENCE):
                    error = await failure(first_request(session))
            assert error.code in ("http", "refresh_unavailable", "metadata_invalid"), error.code
            assert words.partition("\n")[0][:20] in str(error)
            assert error.__cause__ is thrown


async def test_a_client_that_reached_no_server_may_send_an_authorization_code_again(own_servers: Fixture) -> None:
    sender = Sender()
    refused: list[HttpRequest] = []

    async def send(request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and b"grant_type=authorization_code" in request.body and not refused:
            refused.append(request)
            raise UnreachableError("no route")
        return await sender.send(request)

    async with open_at(own_servers.mcp_url, http_client=Calls(send)) as session:
        assert await first_request(session)
    assert len(refused) == 1
    assert own_servers.counters()["authorize_visits"] == 1


def answered(**parts: Any) -> HttpResponse:
    return HttpResponse(**{"status": 200, "headers": [], "body": b"", **parts})


#: Responses of wrong types, and what the error says of each.
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    **{
        kind: (make, "http_client.send must return an HttpResponse, and returned")
        for kind, make in VALUES.items()
        if kind != "a coroutine"
    },
    "None": (lambda: None, "http_client.send must return an HttpResponse, and returned None"),
    "text as status": (lambda: answered(status="200"), "status"),
    "None as status": (lambda: answered(status=None), "status"),
    "a status that is none": (lambda: answered(status=70_000), "status"),
    "a negative status": (lambda: answered(status=-1), "status"),
    "text as body": (lambda: answered(body=SECRET), "body"),
    "None as body": (lambda: answered(body=None), "body"),
    "a number as body": (lambda: answered(body=5), "body"),
    "None as headers": (lambda: answered(headers=None), "headers"),
    "a number as header": (lambda: answered(headers=[("a", 5)]), "headers"),
    "headers that are no pairs": (lambda: answered(headers=[SECRET]), "headers"),
    "a lone surrogate in a header": (lambda: answered(headers=[("a", f"{SECRET}\ud800")]), "headers"),
}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_a_client_returns_has_the_right_type(servers: Fixture) -> None:
    for kind, (make, words) in WRONG.items():
        for function in in_both_ways(make).values():
            async with open_at(servers.mcp_url, http_client=Calls(function)) as session:
                with anyio.fail_after(PATIENCE):
                    error = await failure(first_request(session))
            assert words in str(error), f"{kind}: {error}"
            assert "http_client.send must return" in str(error), f"{kind}: {error}"
            quotes_nothing(error)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_header_fields_may_be_a_mapping_or_bytes(servers: Fixture) -> None:
    sender = Sender()
    forms: dict[str, Callable[[Any], Any]] = {
        "a dict": dict,
        "pairs of bytes": lambda headers: [(name.encode(), value.encode()) for name, value in headers],
        "a tuple": tuple,
    }
    for convert in forms.values():

        async def send(request: HttpRequest, convert: Any = convert) -> HttpResponse:
            response = await sender.send(request)
            return HttpResponse(response.status, convert(response.headers), response.body)

        async with open_at(servers.mcp_url, http_client=Calls(send)) as session:
            assert await first_request(session)


async def test_a_response_that_is_too_large_is_refused(servers: Fixture) -> None:
    lengths: list[int] = []

    def send(request: HttpRequest) -> HttpResponse:
        lengths.append(request.max_body)
        return HttpResponse(200, [("content-type", "application/json")], b" " * (request.max_body + 1))

    async with open_at(servers.mcp_url, http_client=Calls(send)) as session:
        error = await failure(first_request(session))
    assert "large" in str(error) or "long" in str(error)
    assert lengths


class Moved(http.server.BaseHTTPRequestHandler):
    """Redirects every request to a page that must not be visited."""

    visited: list[str]

    def do_GET(self) -> None:
        self.visited.append(self.path)
        self.send_response(302)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def moved() -> Iterator[tuple[str, list[str]]]:
    """A server that redirects, and the paths that were visited."""
    visited: list[str] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Moved,), {"visited": visited}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", visited
    server.shutdown()
    thread.join()
    server.server_close()


def client_of(library: str, kind: str, **options: Any) -> Any:
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    return getattr(module, kind)(**options)


async def close(client: Any) -> None:
    if hasattr(client, "aclose"):
        await client.aclose()
    else:
        client.close()


def adapter(library: str, client: Any) -> Any:
    module = pytest.importorskip(f"mcp_reauth.{library}", reason=f"{library} is not installed")
    return module.HttpClient(client)


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", ["AsyncClient", "Client"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_client_of_httpx_sends_the_requests(own_servers: Fixture, library: str, kind: str) -> None:
    sent: list[Any] = []

    async def asynchronous(request: Any) -> None:
        sent.append(request)

    hook = asynchronous if kind == "AsyncClient" else sent.append
    client = client_of(library, kind, event_hooks={"request": [hook]}, auth=("user", SECRET), follow_redirects=True)
    async with open_at(own_servers.mcp_url, http_client=adapter(library, client)) as session:
        assert await first_request(session)
        own_servers.expire()
        assert await first_request(session)
    await close(client)
    assert len(sent) == own_servers.client_requests()
    # The client's own credentials are not for the authorization server.
    assert not any(SECRET in str(request.headers) or "authorization" in request.headers for request in sent)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", ["AsyncClient", "Client"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_client_of_httpx_follows_no_redirect(moved: tuple[str, list[str]], library: str, kind: str) -> None:
    origin, visited = moved
    client = client_of(library, kind, follow_redirects=True)
    send = adapter(library, client).send
    for method in ("GET", "POST"):
        response = await send(HttpRequest(method, f"{origin}/here", [("x", "y")], b"secret", 1000))
        assert response.status == 302
        assert ("location", "/elsewhere") in response.headers
    await close(client)
    assert visited == ["/here", "/here"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", ["AsyncClient", "Client"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_client_of_httpx_tells_whether_a_server_was_reached(library: str, kind: str) -> None:
    client = client_of(library, kind)
    send = adapter(library, client).send
    with pytest.raises(UnreachableError):
        # Nothing listens there.
        await send(HttpRequest("GET", "http://127.0.0.1:9/", [], b"", 1000))
    await close(client)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", ["AsyncClient", "Client"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_client_of_httpx_reads_no_more_than_it_must(library: str, kind: str) -> None:
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    chunks: list[int] = []

    def chunk(number: int) -> bytes:
        chunks.append(number)
        return b"x" * 1000

    async def asynchronous() -> Any:
        for number in range(1000):
            yield chunk(number)

    def synchronous() -> Any:
        for number in range(1000):
            yield chunk(number)

    content = asynchronous if kind == "AsyncClient" else synchronous
    mock = module.MockTransport(lambda request: module.Response(200, content=content()))
    client = client_of(library, kind, transport=mock)
    response = await adapter(library, client).send(HttpRequest("GET", "http://127.0.0.1/", [], b"", 5000))
    await close(client)
    assert len(response.body) == 6000
    assert len(chunks) < 10


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_client_of_httpx_serves_a_session_that_blocks(own_servers: Fixture, library: str) -> None:
    client = client_of(library, "Client")
    with blocking.AuthSession.open(own_servers.mcp_url, host=Person(), http_client=adapter(library, client)) as session:
        assert session.request().recover(EXPIRED)
        own_servers.expire()
        assert session.request().recover(EXPIRED)
    client.close()


WORKLOAD = "nightly-workload"


@pytest.fixture(scope="module")
def workloads() -> Iterator[Fixture]:
    about = {"issuer": "https://workloads.example", "subject": "nightly-build", "client_id": WORKLOAD}
    with Fixture({"workload": about}) as servers:
        yield servers


def open_workload(servers: Fixture, assertion: Any) -> Any:
    credentials = Workload(Client(WORKLOAD, at_any_issuer=True), assertion)
    return AuthSession.open(servers.mcp_url, credentials=credentials)


@pytest.mark.parametrize("way", ["plain", "coroutine"])
async def test_a_workload_is_asked_for_its_assertion_by_the_issuer(workloads: Fixture, way: str) -> None:
    audiences: list[str] = []

    def plain(audience: str) -> str:
        audiences.append(audience)
        assertion: str = workloads.control("POST", "/workload/assertion", {})["assertion"]
        return assertion

    async def coroutine(audience: str) -> str:
        return plain(audience)

    assert inspect.iscoroutinefunction(coroutine)
    async with open_workload(workloads, plain if way == "plain" else coroutine) as session:
        assert await first_request(session)
        assert session.authorization() is not None
    assert audiences == [workloads.issuer]


async def test_what_a_workload_raises_is_the_cause_of_a_host_error(workloads: Fixture) -> None:
    for make, words in RAISED.values():
        thrown = make()

        def act(thrown: BaseException = thrown) -> Any:
            raise thrown

        for function in in_both_ways(act).values():
            async with open_workload(workloads, function) as session:
                error = await failure(first_request(session))
            assert error.code == "host"
            assert words in str(error)
            assert error.__cause__ is thrown


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_assertion_must_be_text(workloads: Fixture) -> None:
    for kind, make in {**VALUES, "None": nothing}.items():
        if kind in ("text", "empty text", "a coroutine"):
            continue
        for function in in_both_ways(make).values():
            async with open_workload(workloads, function) as session:
                error = await failure(first_request(session))
            assert error.code == "host", kind
            assert "credentials.assertion must return a string, and returned" in str(error), kind
            quotes_nothing(error)
