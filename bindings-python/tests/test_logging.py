"""The log events of core in the logger ``mcp_reauth``."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp_reauth import Client, ClientCredentials, blocking
from support.fixture import Fixture
from support.person import Person
from support.sessions import EXPIRED, STEP_UP, WRITE, first_request, open_at, write
from support.values import PATIENCE, SECRET

pytestmark = pytest.mark.anyio

TRACE = 5


class Records(logging.Handler):
    """Keeps the records, and can wait for one."""

    def __init__(self) -> None:
        super().__init__(0)
        self.records: list[logging.LogRecord] = []
        self._arrived = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._arrived:
            self.records.append(record)
            self._arrived.notify_all()

    def until(self, wanted: Callable[[list[logging.LogRecord]], bool]) -> None:
        """Waits until the records are as wanted."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: wanted(self.records), PATIENCE), self.texts

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def records() -> Iterator[Records]:
    logger = logging.getLogger("mcp_reauth")
    handler, level = Records(), logger.level
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def use(url: str, **options: Any) -> None:
    """Signs in, steps up and signs out."""
    with blocking.AuthSession.open(url, **{"host": Person(), **options}) as session:
        assert session.request().recover(EXPIRED)
        request = session.request(WRITE)
        request.authorize()
        assert request.recover(STEP_UP)
        session.sign_out()


def test_the_events_have_the_levels_of_logging(servers: Fixture, records: Records) -> None:
    logging.getLogger("mcp_reauth").setLevel(TRACE)
    use(servers.mcp_url)
    records.until(lambda found: {record.levelno for record in found} & {TRACE, logging.DEBUG, logging.INFO} != set())
    for record in records.records:
        assert record.name == "mcp_reauth"
        assert record.levelno in (TRACE, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
        assert record.getMessage()
        assert "\n" not in record.getMessage()


def test_only_events_of_the_level_reach_the_logger(
    servers: Fixture, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("mcp_reauth")
    levels: list[int] = []

    def is_enabled_for(level: int) -> bool:
        levels.append(level)
        return True

    # What it is asked about has been formatted.
    monkeypatch.setattr(logger, "isEnabledFor", is_enabled_for)
    for least in (logging.DEBUG, logging.INFO, logging.ERROR):
        logger.setLevel(least)
        levels.clear()
        use(servers.mcp_url)
        # Events and results come over one thread, in order, so all of them are here.
        assert {level for level in levels if level < least} == set()
        assert (levels != []) == (least == logging.DEBUG)


def test_the_level_of_the_root_logger_counts(servers: Fixture, records: Records) -> None:
    root = logging.getLogger()
    logging.getLogger("mcp_reauth").setLevel(logging.NOTSET)
    level = root.level
    root.setLevel(TRACE)
    try:
        use(servers.mcp_url)
        records.until(lambda found: any(record.levelno < logging.INFO for record in found))
    finally:
        root.setLevel(level)


def test_a_level_that_is_changed_later_is_followed(servers: Fixture, records: Records) -> None:
    logger = logging.getLogger("mcp_reauth")
    logger.setLevel(logging.CRITICAL)
    with blocking.AuthSession.open(servers.mcp_url, host=Person()) as session:
        logger.setLevel(TRACE)
        assert session.request().recover(EXPIRED)
        records.until(lambda found: len(found) > 0)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_a_level_that_is_changed_later_is_followed_in_a_transport(
    own_servers: Fixture, records: Records, library: str
) -> None:
    http = pytest.importorskip(library, reason=f"{library} is not installed")
    module = pytest.importorskip(f"mcp_reauth.{library}", reason=f"{library} is not installed")
    logger = logging.getLogger("mcp_reauth")
    logger.setLevel(logging.CRITICAL)
    async with open_at(own_servers.mcp_url) as session:
        logger.setLevel(TRACE)
        async with http.AsyncClient(transport=module.AsyncTransport(session)) as client:
            await client.post(own_servers.mcp_url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        await anyio.to_thread.run_sync(records.until, lambda found: len(found) > 0)


@pytest.mark.parametrize("level", [-1, 0, 1, 255, 256, 2**31])
def test_any_level_is_taken(level: int, records: Records) -> None:
    logging.getLogger("mcp_reauth").setLevel(level)
    blocking.AuthSession.open("http://127.0.0.1:9/mcp").close()


def test_a_handler_that_fails_does_no_harm(servers: Fixture, records: Records) -> None:
    logger = logging.getLogger("mcp_reauth")
    logger.setLevel(TRACE)
    failed: list[None] = []

    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            failed.append(None)
            try:
                raise ValueError("the disk is full")
            except ValueError:
                self.handleError(record)

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
            pass

    handler = Failing()
    logger.addHandler(handler)
    try:
        use(servers.mcp_url)
        records.until(lambda found: len(failed) > 0)
    finally:
        logger.removeHandler(handler)


def secrets_of(state: Any) -> set[str]:
    """The tokens and keys in a state."""
    if isinstance(state, list):
        return set().union(*map(secrets_of, state))
    if not isinstance(state, dict):
        return set()
    names = ("access_token", "refresh_token", "id_token", "d")
    own = {state[name] for name in names if isinstance(state.get(name), str)}
    return own.union(*map(secrets_of, state.values()))


async def test_no_secret_is_logged(records: Records) -> None:
    logging.getLogger("mcp_reauth").setLevel(TRACE)
    person = Person()
    secrets: set[str] = set()
    with Fixture({"dpop": "supported"}) as servers:
        async with open_at(servers.mcp_url, host=person, dpop="always") as session:
            assert await write(session)
            secrets |= secrets_of(await session.auth_state())
            servers.expire()
            assert await first_request(session)
            secrets |= secrets_of(await session.auth_state())
            await session.sign_out()
        issued = set(servers.control("GET", "/secrets"))
        assert len(secrets & issued) == 4
        secrets |= issued | {page.state for page in person.pages}

    # Events come in order, and the sign-out is the last.
    def is_over(found: list[logging.LogRecord]) -> bool:
        return any("signed_out" in record.getMessage() for record in found)

    await anyio.to_thread.run_sync(records.until, is_over)
    logged = json.dumps(records.texts)
    assert [secret for secret in secrets if secret in logged] == []
    assert "Bearer " not in logged


def test_the_secret_of_a_client_is_not_logged(records: Records) -> None:
    logging.getLogger("mcp_reauth").setLevel(TRACE)
    client = {"client_id": "nightly", "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_basic"}
    config = {
        "registration": {"clients": [{**client, "grant_types": ["client_credentials"]}]},
        "client_credentials": True,
    }
    with Fixture(config) as servers:
        credentials = ClientCredentials(Client("nightly", secret=SECRET, at_any_issuer=True))
        with blocking.AuthSession.open(servers.mcp_url, credentials=credentials) as session:
            assert session.request().recover(EXPIRED)
            authorization = session.authorization()
            assert authorization is not None
        records.until(lambda found: len(found) > 3)
    for text in records.texts:
        assert SECRET not in text
        assert authorization.header_value not in text
