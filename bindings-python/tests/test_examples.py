"""Runs the Python examples as a user does, against the test servers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from support.fixture import ROOT, Fixture
from support.user_programs import Program, install_browser

EXAMPLES = sorted((ROOT / "examples").glob("*/main.py"))


@pytest.fixture(scope="module")
def fixture() -> Iterator[Fixture]:
    with Fixture() as fixture:
        yield fixture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install_browser(tmp_path)
    return tmp_path


def start(folder: Path, name: str, *arguments: str, environment: dict[str, str] | None = None) -> Program:
    program = folder / f"{name}_example.py"
    shutil.copyfile(ROOT / "examples" / name / "main.py", program)
    return Program(folder, program, arguments, environment=environment)


def output(folder: Path, name: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
    with start(folder, name, *arguments, environment=environment) as program:
        return program.output()


def sign_ins(fixture: Fixture) -> int:
    return fixture.counters()["token_code"]


@pytest.mark.parametrize("name", ["terminal", "fastmcp"])
def test_signs_in_once(fixture: Fixture, folder: Path, name: str) -> None:
    before = sign_ins(fixture)
    for _ in range(2):
        assert "echo" in output(folder, name, fixture.mcp_url).splitlines()
    assert sign_ins(fixture) == before + 1


def test_transport_signs_in(fixture: Fixture, folder: Path) -> None:
    assert "echo" in output(folder, "transport", fixture.mcp_url).splitlines()


def test_store_keeps_a_sign_in_and_satisfies_the_contract(fixture: Fixture, folder: Path) -> None:
    before = sign_ins(fixture)
    for _ in range(2):
        assert output(folder, "store", fixture.mcp_url, "records") == "signed in: True\n"
    assert sign_ins(fixture) == before + 1
    assert output(folder, "store", "--check", "checked") == ""


def test_machine_signs_in_as_itself(folder: Path) -> None:
    client = {
        "client_id": "nightly",
        "client_secret": "the-secret-of-the-night",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["client_credentials"],
    }
    with Fixture({"client_credentials": True, "registration": {"clients": [client]}}) as fixture:
        secrets = {"CLIENT_ID": "nightly", "CLIENT_SECRET": "the-secret-of-the-night", "ISSUER": fixture.issuer}
        assert "echo" in output(folder, "machine", fixture.mcp_url, environment=secrets).splitlines()


def test_web_sends_each_user_to_sign_in_once(fixture: Fixture, folder: Path) -> None:
    with start(folder, "web", fixture.mcp_url, "0") as web:
        address = web.line()
        for _ in range(2):
            before = sign_ins(fixture)
            browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
            browser.addheaders = [("user-agent", "Mozilla/5.0")]
            for _ in range(2):
                with browser.open(address, timeout=10) as page:
                    assert "echo" in page.read().decode().splitlines(), web.said
            assert sign_ins(fixture) == before + 1


@pytest.mark.timeout(300)
def test_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed here")
    for example in EXAMPLES:
        shutil.copyfile(example, tmp_path / f"{example.parent.name}.py")
    client = ROOT / "tests" / "conformance" / "client-python" / "client.py"
    shutil.copyfile(client, tmp_path / "conformance.py")
    # In a folder of its own, where `fastmcp` is the package.
    programs = [path.rename(path.with_stem(f"{path.stem}_program")).name for path in tmp_path.glob("*.py")]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *programs],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_all_examples_are_run() -> None:
    names = {example.parent.name for example in EXAMPLES}
    assert names == {"terminal", "fastmcp", "transport", "store", "machine", "web"}
