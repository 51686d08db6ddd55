"""Programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from .fixture import ROOT

TESTS = ROOT / "bindings-python" / "tests"


def environment() -> dict[str, str]:
    """The environment for a program that imports this package and ``support``."""
    path = os.pathsep.join((*sys.path, str(TESTS)))
    return {**os.environ, "PYTHONPATH": path}


def start(*arguments: str, options: tuple[str, ...] = (), **given: Any) -> subprocess.Popen[str]:
    """Starts a program of Python."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, *options, *arguments]
    return subprocess.Popen(command, text=True, env=environment(), **{**pipes, **given})


def run(program: str, *arguments: str, options: tuple[str, ...] = (), limit: float = 20) -> tuple[int, str, str]:
    """Runs source code, and returns its exit status, output and errors."""
    process = start("-c", program, *arguments, options=options)
    try:
        output, errors = process.communicate(timeout=limit)
    finally:
        process.kill()
        process.communicate()
    return process.returncode, output, errors
