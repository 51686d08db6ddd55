"""The host for terminal programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from . import _native
from ._bridge import Place, bridge, unwrap
from ._check import ADDRESS, FLAG, check
from ._forms import AuthorizationRequest, StepUpRequest, json_of
from ._options import in_python
from ._runner import current_runner
from ._waiting import by_loop

_WITHOUT_TERMINAL = "run it in a terminal, or give TerminalHost(assume_yes=True)"


class TerminalHost:
    """The host for terminal programs: asks on the terminal, opens the browser, and receives the callback on loopback
    (RFC 8252 section 7.3). It prints to standard error only.

    A program with its own user interface can use parts of it, by a subclass with another ``confirm_step_up``.

    :param redirect_uri: The redirect URI; port 0 means any free port. By default
        ``http://127.0.0.1:6276/oauth/callback``, or a free port if that one is taken and the client is not
        pre-registered.
    :param open_browser: Whether to open the system's browser (respects ``BROWSER``), or only print the address.
    :param assume_yes: Whether to agree to every step-up without asking.
    """

    def __init__(self, *, redirect_uri: str | None = None, open_browser: bool = True, assume_yes: bool = False) -> None:
        given = {"redirect_uri": redirect_uri, "open_browser": open_browser, "assume_yes": assume_yes}
        kinds = {"redirect_uri": ADDRESS, "open_browser": FLAG, "assume_yes": FLAG}
        options = {
            **check(given, kinds),
            "isTerminal": _is_terminal(),
            "withoutTerminal": _WITHOUT_TERMINAL,
        }
        self._terminal = _Terminal()
        try:
            self._native = _native.Loopback(json.dumps(options), bridge(), self._terminal.place.id)
        except ValueError as error:
            unwrap(in_python(str(error)))

    async def redirect_uri(self, registered: bool) -> str:
        """The redirect URI of the next authorization."""
        uri: str = unwrap(await by_loop(self._native.redirect_uri(registered)))
        return uri

    async def confirm_step_up(self, request: StepUpRequest) -> bool:
        """Asks on the terminal."""
        with self._terminal:
            agreed: bool = unwrap(await by_loop(self._native.confirm_step_up(json.dumps(json_of(request)))))
            return agreed

    async def authorize(self, request: AuthorizationRequest) -> str:
        """Opens the page, and returns the address of its callback."""
        with self._terminal:
            callback: str = unwrap(await by_loop(self._native.authorize(json.dumps(json_of(request)))))
            return callback

    async def sign_in_elsewhere(self, server: str) -> None:
        """Says on the terminal that another program has the page open."""
        with self._terminal:
            await by_loop(self._native.sign_in_elsewhere(server))


def _is_terminal() -> bool:
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):
        # There is none, or it is closed.
        return False


class _Terminal:
    """The terminal, on which the native part prints lines and asks questions."""

    def __init__(self) -> None:
        #: A terminal can only be waited for in a thread.
        self.runner = current_runner(blocking=True)
        self.place = Place(self)

    def __enter__(self) -> None:
        """Keeps it alive while it is in use."""
        self.place.hold()

    def __exit__(self, *_: object) -> None:
        self.place.let_go()

    def call(self, method: str, input: Any, body: bytearray | None) -> str:
        """Asks. If the question is over before it is answered, the thread waits on, and the line that it reads is
        lost."""
        sys.stderr.write(input["question"])
        sys.stderr.flush()
        return sys.stdin.readline().rstrip("\r\n")

    def unheard(self, method: str, input: Any, value: Any) -> None:
        pass

    def tell(self, method: str, input: Mapping[str, Any]) -> None:
        try:
            print(input["line"], file=sys.stderr, flush=True)
        except (OSError, ValueError, AttributeError):
            # Standard error is closed.
            pass
