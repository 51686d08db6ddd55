"""The wheel, as users get it."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import mcp_reauth
import pytest
from support.fixture import ROOT

WHEELS = sorted((ROOT / "target" / "python" / "wheels").glob("*.whl"))

pytestmark = pytest.mark.skipif(not WHEELS, reason="there is no wheel: bindings-python/build.sh makes it")


@pytest.fixture(name="wheel", scope="module")
def open_wheel() -> zipfile.ZipFile:
    return zipfile.ZipFile(WHEELS[0])


def test_there_is_one_for_every_python_from_3_10_on() -> None:
    (wheel,) = WHEELS
    assert wheel.name.startswith(f"mcp_reauth-{mcp_reauth.__version__}-cp310-abi3-")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these tags")
def test_it_runs_on_every_linux_with_glibc_2_17() -> None:
    assert "manylinux_2_17_" in WHEELS[0].name


def test_it_has_the_types_the_licences_and_nothing_of_the_tests(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    for name in ("py.typed", "_native.pyi", "NOTICES.txt", "httpx.py", "httpx2.py"):
        assert f"mcp_reauth/{name}" in names
    assert any(name.endswith("licenses/LICENSE-MIT") for name in names)
    assert not [name for name in names if "test" in name and not name.startswith("mcp_reauth/testing.py")]
    assert "aws-lc-rs" in wheel.read("mcp_reauth/NOTICES.txt").decode()


def test_it_holds_no_path_of_the_machine_that_built_it(wheel: zipfile.ZipFile) -> None:
    for path in (str(Path.home()), str(ROOT)):
        for name in wheel.namelist():
            assert path.encode() not in wheel.read(name), f"{path} in {name}"


def test_it_does_not_have_what_only_tests_need(wheel: zipfile.ZipFile) -> None:
    (native,) = [name for name in wheel.namelist() if "_native" in name and not name.endswith(".pyi")]
    assert b"advance_clock" not in wheel.read(native)
