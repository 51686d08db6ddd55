"""Core's log events, for the logger ``mcp_reauth``. They hold no secrets."""

from __future__ import annotations

import logging

from . import _native

logger = logging.getLogger("mcp_reauth")


def follow_level() -> None:
    """Tells the native part which events are of use now."""
    _native.set_log_level(min(max(logger.getEffectiveLevel(), 0), 255), logger.log)
