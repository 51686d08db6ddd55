"""Refuses to be imported in a subinterpreter.

The native part calls Python in the main interpreter only. CPython refuses it from version 3.12 on; before, it would
load, and crash later.
"""

from __future__ import annotations

import importlib
from typing import Any


def _is_main() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters: Any = importlib.import_module(name)
            return bool(interpreters.get_current() == interpreters.get_main())
        except (ImportError, AttributeError):
            pass
    return True


if not _is_main():
    raise ImportError("mcp_reauth does not support subinterpreters: import it in the main interpreter of a process")
