"""Errors of HTTP exchanges with the MCP server."""

from __future__ import annotations

from urllib.parse import urlsplit

from . import wording
from ._errors import HttpError


def http_error(url: str, detail: str) -> HttpError:
    """The error of a failed HTTP exchange, as in core. Leaves out the query of ``url``, which may hold a secret."""
    shown = without_secrets(url)
    message = wording.displayable(f"The request to {shown} failed: {detail}")
    sentence = wording.failure_detail(message)
    return HttpError(message, sentence=sentence, url=shown, detail=wording.displayable(detail))


def without_secrets(url: str) -> str:
    """Removes user name, password, query and fragment from an address."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an invalid URL"
    return f"{parts.scheme}://{host}{parts.path}"
