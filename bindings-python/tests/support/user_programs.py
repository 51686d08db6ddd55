"""Runs programs as a user does: pieces of code of the documentation, and examples."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from .fixture import PATIENCE

_T = TypeVar("_T")

#: A browser whose user agrees to everything. It returns at once, as browsers do.
BROWSER = """#!/bin/sh
'{python}' -c '
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={{"user-agent": "Mozilla/5.0"}})
urllib.request.urlopen(request, timeout=10).read()
' "$1" >>'{log}' 2>&1 &
"""


def install_browser(folder: Path) -> None:
    """Writes the browser into a folder."""
    browser = folder / "browser"
    browser.write_text(BROWSER.format(python=sys.executable, log=folder / "browser.log"))
    browser.chmod(0o755)


class Program:
    """A running program. Its folder has the browser, and is its home."""

    def __init__(
        self,
        folder: Path,
        program: Path,
        arguments: Sequence[str] = (),
        *,
        environment: dict[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        own = {"HOME": str(folder), "BROWSER": str(folder / "browser"), "PYTHONUNBUFFERED": "1"}
        self._folder = folder
        self._process = subprocess.Popen(
            [python, str(program), *arguments],
            cwd=folder,
            env={**os.environ, **own, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)

    @property
    def said(self) -> str:
        """What it wrote to standard error, and its browser."""
        log = self._folder / "browser.log"
        return "".join(self._said) + (log.read_text() if log.exists() else "")

    def line(self) -> str:
        """The next line of its output."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self.said
        return line.rstrip("\n")

    def output(self) -> str:
        """Waits until it has ended well, and returns the rest of its output."""
        assert self._process.stdout is not None
        output = self._process.stdout.read()
        code = self._process.wait()
        self._listener.join()
        assert code == 0, self.said
        return output

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def eventually(attempt: Callable[[], _T]) -> _T:
    """Retries until it can connect: a new server needs time to start."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > end:
                raise
