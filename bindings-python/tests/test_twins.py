"""``mcp_reauth.httpx`` and ``mcp_reauth.httpx2`` are written twice, because each has the types of its library. They
differ in nothing else but the status of a final failure."""

from __future__ import annotations

from pathlib import Path

import mcp_reauth


def code(module: str) -> list[str]:
    """The lines of a module's code after the status of a failure, without the name of its library."""
    text = (Path(mcp_reauth.__file__).parent / f"{module}.py").read_text("utf-8")
    _, found, rest = text.partition("class AsyncTransport")
    assert found
    return rest.replace(module, "LIBRARY").split()


def test_both_modules_are_the_same_but_for_their_library() -> None:
    assert code("httpx") == code("httpx2")
    assert len(code("httpx")) > 300
