"""Sets of scopes, in order of first appearance. Scopes are opaque: ``files`` does not cover ``files:read``."""

from __future__ import annotations

from . import _native
from ._check import SCOPES, read_one
from ._options import Scopes


def scope_list(scopes: Scopes | None) -> list[str]:
    """Scopes as a list. Raises a ``ConfigError`` for another type."""
    if scopes is None:
        return []
    read: list[str] = read_one(scopes, SCOPES, "scopes")
    return read


def compute_scope_union(*sets: Scopes) -> list[str]:
    """The union of all sets, without repeats. A step-up requests the union of requested, granted and challenged scopes.

    >>> compute_scope_union("mcp:read", ["mcp:write", "mcp:read"])
    ['mcp:read', 'mcp:write']
    """
    return _native.scope_union([scope_list(scopes) for scopes in sets])


def scopes_cover(granted: Scopes, required: Scopes) -> bool:
    """Whether ``granted`` contains every scope of ``required``."""
    return _native.scopes_cover(scope_list(granted), scope_list(required))


def is_strict_scope_superset(a: Scopes, b: Scopes) -> bool:
    """Whether ``a`` contains all of ``b``, and more. If the wanted scopes are a strict superset of the granted ones, a
    refresh cannot help (RFC 6749 section 6)."""
    return _native.is_strict_scope_superset(scope_list(a), scope_list(b))


def scope_difference(a: Scopes, b: Scopes) -> list[str]:
    """The scopes of ``a`` that ``b`` lacks."""
    return _native.scope_difference(scope_list(a), scope_list(b))
