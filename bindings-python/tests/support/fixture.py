"""The test servers, in a separate process: ``mcp-reauth serve-fixture``."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

#: The root of the repository.
ROOT = Path(__file__).parents[3]

#: The command of this repository.
PROGRAM = os.environ.get("MCP_REAUTH_TESTED", str(ROOT / "target" / "debug" / "mcp-reauth"))

#: The limit for a wait, in seconds.
PATIENCE = 10


class Fixture:
    """The servers, with settings as in ``tests/fixture/example-config.json``."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config or {}, file)
            file.flush()
            self._process = subprocess.Popen(
                [PROGRAM, "serve-fixture", "--json", "--config", file.name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            assert self._process.stdout is not None
            addresses = json.loads(self._process.stdout.readline())
        self.mcp_url: str = addresses["mcpUrl"]
        self.issuer: str = addresses["issuer"]
        self.idp_issuer: str = addresses.get("idpIssuer") or ""
        self._control: str = addresses["controlUrl"]

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Calls the control API; a ``GET`` of its address lists what it can do."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if data else {}
        request = urllib.request.Request(self._control + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            text = response.read()
        return json.loads(text) if text else None

    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = self.control("GET", "/counters")
        return counters

    def reset_counters(self) -> None:
        self.control("POST", "/counters/reset")

    def client_requests(self) -> int:
        """The number of requests of the client to all servers, without those of a browser."""
        counters = self.counters()
        return counters["requests"] - counters["browser_requests"]

    def until(self, wanted: Callable[[dict[str, int]], bool]) -> None:
        """Waits until the counters satisfy ``wanted``. It blocks the event loop: use it in a thread."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if wanted(self.counters()):
                return
        raise AssertionError(f"in vain, with {self.counters()}")

    def expire(self) -> None:
        """The access tokens expire."""
        self.control("POST", "/expire")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Fixture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
