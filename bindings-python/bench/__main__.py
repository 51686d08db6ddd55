"""Measures the package, on an idle machine: ``bench.sh``. With ``--trial``, once, to see that it works."""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import mcp_reauth
from mcp_reauth import AuthSession, MemoryStore
from mcp_reauth.httpx import AsyncTransport as HttpxTransport
from support.fixture import Fixture
from support.person import Person

Call = Callable[[], Awaitable[Any]]


async def compare(calls: int, ours: Call, bare: Call) -> tuple[float, float]:
    """Both times in microseconds: medians over all calls, by turns, so that load on the machine affects both."""
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(2 * calls):
        # Alternates which side goes first.
        turn = (i + (i >> 1)) % 2
        start = time.perf_counter()
        await (bare if turn else ours)()
        # The first fifth warms up.
        if i > 2 * calls // 5:
            times[turn].append(1e6 * (time.perf_counter() - start))
    return statistics.median(times[0]), statistics.median(times[1])


async def signed_in(server_url: str) -> AuthSession:
    """A signed-in session for any address."""
    with Fixture() as fixture:
        async with AuthSession.open(fixture.mcp_url, host=Person()) as first:
            await first.sign_in()
            state = await first.auth_state()
    assert state is not None
    session = await AuthSession.open(server_url)
    await session.set_auth_state(state)
    return session


def one(client: Any, url: str, headers: dict[str, str], at_once: int) -> Call:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}}
    body = json.dumps(message).encode()

    async def call() -> None:
        async with client.stream("POST", url, headers=headers, content=body) as response:
            async for _ in response.aiter_bytes():
                pass

    async def calls() -> None:
        await asyncio.gather(*(call() for _ in range(at_once)))

    return call if at_once == 1 else calls


async def overhead(url: str, calls: int) -> None:
    session = await signed_in(url)
    credential = session.authorization()
    assert credential is not None
    authorization = {"authorization": credential.header_value}
    clients: tuple[tuple[str, Any, Any], ...] = (
        ("httpx2", httpx2.AsyncClient(transport=session.transport()), httpx2.AsyncClient()),
        ("httpx", httpx.AsyncClient(transport=HttpxTransport(session)), httpx.AsyncClient()),
    )
    print("over loopback                     transport    client   ratio (aim 1.03)")
    for name, ours, bare in clients:
        for kind, accept in (("JSON", "application/json, text/event-stream"), ("events", "text/event-stream")):
            for at_once in (1, 16):
                headers = {"content-type": "application/json", "accept": accept}
                mine = one(ours, url, headers, at_once)
                other = one(bare, url, {**headers, **authorization}, at_once)
                own, its = await compare(max(calls // at_once, 3), mine, other)
                label = f"{name}, {kind}, {at_once} at a time"
                print(f"{label:32} {own / at_once:8.0f} us {its / at_once:6.0f} us   {own / its:.3f}")
        bare_again = one(bare, url, {**headers, **authorization}, 1)
        own, its = await compare(calls, bare_again, bare_again)
        print(f"{name + ' against itself':32} {own:8.0f} us {its:6.0f} us   {own / its:.3f}")
        await ours.aclose()
        await bare.aclose()
    await session.close()


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def idle(count: int) -> None:
    store, url = MemoryStore(), "http://127.0.0.1:9/mcp"
    warm = [await AuthSession.open(url, store=store) for _ in range(count // 4)]
    gc.collect()
    before, start = resident(), time.perf_counter()
    sessions = [await AuthSession.open(url, store=store) for _ in range(count)]
    took = time.perf_counter() - start
    gc.collect()
    size = (resident() - before) / count
    print(f"another session                  {1e6 * took / count:8.0f} us")
    print(f"a session that is idle (aim 6)   {size / 1000:8.1f} kB")
    for session in warm + sessions:
        await session.close()


def imports(times: int) -> None:
    """The time to import the package, beside that of Python itself."""

    def took(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return 1000 * (time.perf_counter() - start)

    bare, ours = [], []
    for _ in range(times):
        bare.append(took("import asyncio, json, dataclasses"))
        ours.append(took("import asyncio, json, dataclasses, mcp_reauth"))
    more = statistics.median(ours) - statistics.median(bare)
    print(f"import (aim 30)                  {more:8.1f} ms")


async def main() -> None:
    trial = "--trial" in sys.argv
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    url = server.stdout.readline().decode().strip()
    print(f"mcp_reauth {mcp_reauth.__version__}, CPython {sys.version.split()[0]}")
    await overhead(url, 20 if trial else 4000)
    await idle(40 if trial else 4000)
    imports(2 if trial else 20)
    server.kill()
    server.wait()


asyncio.run(main())
