"""The types of the package, as mypy and Pyright see them in a program of a user."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mcp_reauth
import pytest

# Without a cache the checkers read all of httpx too.
pytestmark = pytest.mark.timeout(120)

HERE = Path(__file__).parent
PROGRAM, MISTAKES = HERE / "programs" / "program.py", HERE / "programs" / "mistakes.py"
PYRIGHT = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
STRICT = {"include": ["*.py"], "typeCheckingMode": "strict"}

#: Only builds for tests have the functions; the module itself makes the list.
NOT_IN_THE_STUB = ["mcp_reauth._native.advance_clock", "mcp_reauth._native.vector", "mcp_reauth._native.__all__"]

for _name in ("mypy", "pyright", "httpx", "httpx2"):
    pytest.importorskip(_name, reason=f"{_name} is not installed")

Checks = dict[str, "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checks]:
    """All checkers, which run at once, on the package as it is when it is installed."""
    folder = tmp_path_factory.mktemp("typing")
    site = folder / "site"
    site.mkdir()
    (site / "mcp_reauth").symlink_to(Path(mcp_reauth.__file__).parent)
    (folder / "allowed").write_text("\n".join(NOT_IN_THE_STUB))
    for source in (PROGRAM, MISTAKES):
        (folder / source.name).write_text(source.read_text("utf-8"), "utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps(STRICT))
    cache = HERE.parent / ".mypy_cache" / "of_a_user"
    commands = {
        "mypy": [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), PROGRAM.name, MISTAKES.name],
        "stubtest": [
            sys.executable,
            "-m",
            "mypy.stubtest",
            "--ignore-unused-allowlist",
            "--allowlist",
            "allowed",
            "mcp_reauth._native",
        ],
        "pyright": [*PYRIGHT, "--outputjson"],
        "verifytypes": [*PYRIGHT, "--ignoreexternal", "--verifytypes", "mcp_reauth"],
    }
    environment = {**os.environ, "PYTHONPATH": str(site), "VIRTUAL_ENV": sys.prefix}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    started = {
        name: subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name, command in commands.items()
    }
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


def mistakes() -> list[int]:
    """The lines with a mistake."""
    lines = MISTAKES.read_text("utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.endswith("# mistake")]


def output(checks: Checks, name: str) -> str:
    process = checks[name]
    said, _ = process.communicate(timeout=110)
    return said


def test_mypy_accepts_a_program_of_a_user_and_finds_mistakes(checks: Checks) -> None:
    said = output(checks, "mypy")
    assert PROGRAM.name not in said, said
    found = re.findall(rf"{MISTAKES.stem}\.py:(\d+): error", said)
    assert sorted({int(number) for number in found}) == mistakes()


def test_pyright_accepts_a_program_of_a_user_and_finds_mistakes(checks: Checks) -> None:
    report = json.loads(output(checks, "pyright"))["generalDiagnostics"]
    in_program = [one for one in report if one["file"].endswith(PROGRAM.name)]
    assert in_program == []
    lines = {one["range"]["start"]["line"] + 1 for one in report if one["file"].endswith(MISTAKES.name)}
    assert sorted(lines) == mistakes()


def test_the_stub_of_the_native_part_is_as_the_native_part(checks: Checks) -> None:
    assert output(checks, "stubtest").startswith("Success")


def test_every_public_type_is_known(checks: Checks) -> None:
    said = output(checks, "verifytypes")
    assert "error" not in said, said
    assert re.search(r"Type completeness score: 100%", said)
