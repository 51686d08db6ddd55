"""``TerminalHost`` on a real terminal, and without one."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import mcp_reauth
import pytest
from mcp_reauth import TerminalHost, blocking
from support.fixture import Fixture
from support.sessions import EXPIRED
from support.values import PATIENCE

pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")

PROGRAM = """
import sys
sys.path[:0] = {paths!r}
import anyio
from mcp_reauth import AuthSession, ReauthError, TerminalHost, blocking
from support.sessions import EXPIRED, STEP_UP, WRITE, write

OPTIONS = {options}
URL = {url!r}

def block():
    with blocking.AuthSession.open(URL, host=TerminalHost(redirect_uri="http://127.0.0.1:0/cb", **OPTIONS)) as session:
        assert session.request().recover(EXPIRED)
        request = session.request(WRITE)
        request.authorize()
        return request.recover(STEP_UP)

async def wait():
    host = TerminalHost(redirect_uri="http://127.0.0.1:0/cb", **OPTIONS)
    async with AuthSession.open(URL, host=host) as session:
        return await write(session)

try:
    backend = {backend!r}
    done = block() if backend == "none" else anyio.run(wait, backend=backend)
    print("result:", done)
except ReauthError as error:
    print("result:", error.code, str(error))
"""

#: A browser that visits the page, and the callback that the page redirects to.
BROWSER = """#!{python}
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={{"user-agent": "Mozilla/5.0"}})
urllib.request.urlopen(request, timeout=10).read()
"""


def program(servers: Fixture, backend: str, **options: object) -> list[str]:
    paths = [str(Path(__file__).parent), str(Path(mcp_reauth.__file__).parents[1])]
    text = PROGRAM.format(paths=paths, options=options, url=servers.mcp_url, backend=backend)
    return [sys.executable, "-c", text]


@pytest.fixture
def browser(tmp_path: Path) -> str:
    path = tmp_path / "browser"
    path.write_text(BROWSER.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


def at_terminal(command: list[str], answers: list[str], browser: str) -> str:
    """Runs a program at a new terminal, types the answers when it asks, and returns the screen."""
    ours, its = pty.openpty()
    environment = {**os.environ, "BROWSER": browser, "TERM": "xterm"}
    running = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True)
    os.close(its)
    screen, asked, end = "", 0, time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                read = os.read(ours, 65536)
            except OSError:
                # Linux says so when the program has ended.
                break
            if not read:
                break
            screen += read.decode()
            if asked < len(answers) and len(re.findall(r"\[[yY]/[nN]\]", screen)) > asked:
                os.write(ours, f"{answers[asked]}\n".encode())
                asked += 1
        else:
            raise AssertionError(f"in vain: {screen}")
        assert running.wait(PATIENCE) == 0, screen
    finally:
        running.kill()
        running.wait()
        os.close(ours)
    assert asked == len(answers), screen
    return screen


@pytest.mark.parametrize("backend", ["asyncio", "trio", "none"])
def test_a_user_who_types_yes_extends_access(servers: Fixture, browser: str, backend: str) -> None:
    screen = at_terminal(program(servers, backend), ["y"], browser)
    assert "result: True" in screen
    assert servers.issuer in screen
    assert "mcp:write" in screen


@pytest.mark.parametrize(("backend", "answer"), [("asyncio", "n"), ("trio", ""), ("none", "n")])
def test_a_user_who_types_anything_else_declines(servers: Fixture, browser: str, backend: str, answer: str) -> None:
    screen = at_terminal(program(servers, backend), [answer], browser)
    assert "result: consent_denied" in screen


def test_a_user_can_agree_to_everything_at_once(servers: Fixture, browser: str) -> None:
    assert "result: True" in at_terminal(program(servers, "asyncio", assume_yes=True), [], browser)


def test_without_a_terminal_the_error_advises(servers: Fixture, browser: str) -> None:
    ended = subprocess.run(
        program(servers, "asyncio"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "BROWSER": browser},
        timeout=PATIENCE,
    )
    assert "result: interaction_required" in ended.stdout or "result: host" in ended.stdout, ended
    assert "run it in a terminal, or give TerminalHost(assume_yes=True)" in ended.stdout
    # It prints to standard error only.
    assert len(ended.stdout.splitlines()) == 1


def test_without_a_terminal_the_user_can_agree_to_everything(servers: Fixture, browser: str) -> None:
    ended = subprocess.run(
        program(servers, "none", assume_yes=True),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "BROWSER": browser},
        timeout=PATIENCE,
    )
    assert ended.stdout == "result: True\n", ended


def test_without_a_browser_the_page_is_printed(servers: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    host = TerminalHost(redirect_uri="http://127.0.0.1:0/cb", open_browser=False)
    with blocking.AuthSession.open(servers.mcp_url, host=host) as session:
        done: list[bool] = []
        thread = threading.Thread(target=lambda: done.append(session.request().recover(EXPIRED)))
        thread.start()
        shown, end = "", time.monotonic() + PATIENCE
        while not (page := re.search(r"http://\S+/authorize\?\S+", shown)):
            assert time.monotonic() < end, shown
            shown += capsys.readouterr().err
        request = urllib.request.Request(page[0], headers={"user-agent": "Mozilla/5.0"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answered:
            assert b"close" in answered.read().lower()
        thread.join(PATIENCE)
    assert done == [True]


def test_standard_streams_that_are_gone_are_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, open(os.devnull)):  # noqa: SIM115
        if value is not None:
            value.close()
        monkeypatch.setattr(sys, "stdin", value)
        monkeypatch.setattr(sys, "stderr", value)
        TerminalHost()
