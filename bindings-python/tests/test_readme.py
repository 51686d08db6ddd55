"""All code in README.md passes mypy, and does what the text says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import pytest
from mcp_reauth import _errors
from support.fixture import ROOT, Fixture
from support.user_programs import Program, eventually, free_port, install_browser

README = ROOT / "bindings-python" / "README.md"

CONFIG = {
    "client_credentials": True,
    "registration": {
        "clients": [
            {
                "client_id": "nightly",
                "client_secret": "not much of a secret",
                "token_endpoint_auth_method": "client_secret_basic",
                "grant_types": ["client_credentials"],
            },
            {
                "client_id": "desktop",
                "grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
            },
        ]
    },
    "identity_provider": {
        "own": {
            "clients": [
                {
                    "client_id": "desktop-at-idp",
                    "client_secret": "not much of a secret either",
                    "token_endpoint_auth_method": "client_secret_basic",
                    "redirect_uris": ["http://127.0.0.1/oauth/callback"],
                    "resource_client_id": "desktop",
                }
            ]
        }
    },
    "workload": {
        "issuer": "https://workloads.example",
        "subject": "nightly-build",
        "client_id": "nightly-workload",
    },
}


def read_pieces() -> dict[str, str]:
    """The code under each heading. The second piece under one has the name `heading 2`."""
    pieces: dict[str, str] = {}
    heading = ""
    for title, code in re.findall(r"^## ([^\n]*)$|^```python\n(.*?)^```$", README.read_text(), re.M | re.S):
        if title:
            heading = title
            continue
        name, number = heading, 1
        while name in pieces:
            number += 1
            name = f"{heading} {number}"
        pieces[name] = code
    return pieces


PIECES = read_pieces()
run_pieces: set[str] = set()


def piece(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks the test of a piece."""
    run_pieces.add(name)
    return lambda test: test


class Readme:
    """The pieces as programs, with the addresses of the test servers."""

    def __init__(self, folder: Path, fixture: Fixture) -> None:
        self.folder = folder
        self.fixture = fixture
        self.port = free_port()
        install_browser(folder)
        (folder / "ca.pem").write_text(Path(certifi.where()).read_text())
        for name, code in PIECES.items():
            replaced = {
                "https://mcp.example.com/mcp": fixture.mcp_url,
                "https://login.example.com": fixture.issuer,
                "https://idp.example.com": fixture.idp_issuer,
                "/var/run/secrets/tokens/mcp": str(folder / "assertion"),
                "3000": str(self.port),
            }
            for example, actual in replaced.items():
                code = code.replace(example, actual)
            self.program(name).write_text(code)

    def program(self, name: str) -> Path:
        return self.folder / (re.sub(r"\W", "_", name.lower()) + ".py")

    def start(self, name: str, environment: dict[str, str] | None = None, python: str = sys.executable) -> Program:
        return Program(self.folder, self.program(name), environment=environment, python=python)

    def output(self, name: str, environment: dict[str, str] | None = None, python: str = sys.executable) -> str:
        with self.start(name, environment, python) as program:
            return program.output()


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readme]:
    with Fixture(CONFIG) as fixture:
        yield Readme(tmp_path_factory.mktemp("readme"), fixture)


def test_every_piece_is_run() -> None:
    assert set(PIECES) == run_pieces


def test_every_error_code_and_class_is_described() -> None:
    text = README.read_text()
    for code in _errors.ERROR_CODES:
        assert f"`{code}`" in text
        assert f"`{_errors.ReauthError._classes[code].__name__}`" in text


def check_types(readme: Readme, programs: list[Path], python: str) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed here")
    options = [
        "--strict",
        "--no-error-summary",
        "--cache-dir",
        str(readme.folder / "mypy"),
        "--python-executable",
        python,
    ]
    command = [sys.executable, "-m", "mypy", *options, *map(str, programs)]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=readme.folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.timeout(300)
def test_types(readme: Readme) -> None:
    check_types(readme, [readme.program(name) for name in PIECES if name != OF_MCP_1], sys.executable)


@piece("A client in fifteen lines")
def test_client(readme: Readme) -> None:
    name = "A client in fifteen lines"
    assert len([line for line in PIECES[name].splitlines() if line]) <= 15
    assert "hello" in readme.output(name)
    readme.fixture.reset_counters()
    assert "hello" in readme.output(name)
    assert readme.fixture.counters()["authorize_visits"] == 0, "the second time, the user does not sign in"


@piece("At a terminal")
def test_terminal(readme: Readme) -> None:
    assert readme.output("At a terminal") == "satisfied\n"


@piece("On the web")
def test_web(readme: Readme) -> None:
    site = f"http://localhost:{readme.port}"
    with readme.start("On the web") as server:
        for user in ("alice", "bob"):
            before = readme.fixture.counters()["token_code"]
            for _ in range(2):
                assert "hello" in eventually(partial(browse, f"{site}/", user)), server.said
            assert readme.fixture.counters()["token_code"] == before + 1
        with pytest.raises(urllib.error.HTTPError) as stray:
            browse(f"{site}/oauth/callback?code=x&state=y", "alice")
        assert stray.value.code == 400
        assert "sign-in is unknown" in stray.value.read().decode()
        stray.value.close()


def browse(url: str, user: str) -> str:
    """Requests a page as the browser of this user, and follows redirects."""

    class SameSite(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments: object) -> urllib.request.Request | None:
            there = super().redirect_request(*arguments)  # type: ignore[arg-type]
            if there is not None and urlsplit(there.full_url).netloc != urlsplit(url).netloc:
                there.remove_header("Cookie")
            elif there is not None:
                there.add_header("Cookie", f"user={user}")
            return there

    headers = {"cookie": f"user={user}", "user-agent": "Mozilla/5.0"}
    with urllib.request.build_opener(SameSite).open(urllib.request.Request(url, headers=headers), timeout=10) as page:
        text: str = page.read().decode()
        return text


@piece("A store of your own")
def test_store(readme: Readme) -> None:
    assert "mcp:read" in readme.output("A store of your own")


@piece("Without an event loop")
def test_without_event_loop(readme: Readme) -> None:
    assert readme.output("Without an event loop") == "200\n"


OF_MCP_1 = "With httpx and mcp 1.x"


@pytest.mark.timeout(300)
@piece(OF_MCP_1)
def test_with_mcp_1(readme: Readme) -> None:
    python = os.environ.get("MCP_REAUTH_PYTHON_MCP1", str(ROOT / "target" / "python" / "mcp1" / "bin" / "python"))
    if not Path(python).exists():
        pytest.skip(f"{python} has mcp 1.x, and is not installed: bindings-python/install.sh")
    check_types(readme, [readme.program(OF_MCP_1)], python)
    assert "hello" in readme.output(OF_MCP_1, python=python)


@piece("A transport of your own")
def test_transport(readme: Readme) -> None:
    assert readme.output("A transport of your own") == "200\n"


@piece("With trio")
def test_trio(readme: Readme) -> None:
    assert "hello" in readme.output("With trio")


@piece("Networks")
def test_networks(readme: Readme) -> None:
    assert "hello" in readme.output("Networks")


@piece("Events and logging")
def test_events(readme: Readme) -> None:
    with readme.start("Events and logging") as program:
        assert program.output() == "authorization_started\nauthorized\n"
        assert ":mcp_reauth:" in program.said


@piece("Cancelling")
def test_cancelling(readme: Readme) -> None:
    assert readme.output("Cancelling") == "satisfied\n"


@piece("Errors")
def test_errors(readme: Readme) -> None:
    code, sentence, scopes = readme.output("Errors").splitlines()
    assert code == "interaction_required True"
    assert sentence.startswith("Sign in to http")
    assert scopes == "('mcp:read',)"


@piece("Machines")
def test_machines(readme: Readme) -> None:
    assert readme.output("Machines", {"CLIENT_SECRET": "not much of a secret"}) == "satisfied\n"


@piece("Machines 2")
def test_workloads(readme: Readme) -> None:
    assertion = readme.fixture.control("POST", "/workload/assertion", {})
    (readme.folder / "assertion").write_text(assertion["assertion"])
    assert readme.output("Machines 2") == "satisfied\n"


@piece("Organizations")
def test_organizations(readme: Readme) -> None:
    secret = {"IDP_CLIENT_SECRET": "not much of a secret either"}
    assert readme.output("Organizations", secret) == "satisfied\nTrue\n"


@piece("Processes and forks")
def test_processes(readme: Readme) -> None:
    assert readme.output("Processes and forks") == "['satisfied', 'satisfied']\n"


@piece("From OAuthClientProvider")
def test_from_oauth_client_provider(readme: Readme) -> None:
    assert "hello" in readme.output("From OAuthClientProvider")


@piece("From FastMCP's OAuth")
def test_from_fastmcp(readme: Readme) -> None:
    assert "hello" in readme.output("From FastMCP's OAuth")
