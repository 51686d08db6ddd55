"""What pytest gives to all tests."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.fixture import Fixture

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]

_UVLOOP = pytest.mark.skipif(uvloop is None, reason="uvloop does not exist for this platform")


@pytest.fixture(
    params=[
        pytest.param("asyncio", id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop", marks=_UVLOOP),
        pytest.param("trio", id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="session")
def servers() -> Iterator[Fixture]:
    """Servers that many tests share, each with a session of its own."""
    with Fixture() as servers:
        yield servers


@pytest.fixture
def own_servers() -> Iterator[Fixture]:
    """Servers for one test, which changes their state."""
    with Fixture() as servers:
        yield servers


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """After each test no task of the package is left, and no coroutine that was never awaited."""
    yield
    # A coroutine that was never awaited warns, and so fails the test, when it is collected.
    gc.collect(1)
    from mcp_reauth import _bridge, _runner

    end = threading.Event()
    for _ in range(500):
        left = [task for task in _runner._tasks if not _loop_of(task).is_closed() and not task.done()]
        if not left and not _bridge._running:
            return
        end.wait(0.01)
    raise AssertionError(f"left over: {_runner._tasks} {_bridge._running}")


def _loop_of(task: asyncio.Task[None]) -> asyncio.AbstractEventLoop:
    return task.get_loop()
