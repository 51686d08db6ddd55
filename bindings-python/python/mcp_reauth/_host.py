"""What only the application can do: involve the user."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from inspect import iscoroutine
from typing import Any, Protocol, Union
from urllib.parse import urlencode

from ._challenge import text_of
from ._check import TEXT, is_broken, member, read_one, refusal
from ._describe import describe
from ._errors import misconfigured
from ._forms import AuthorizationRequest, StepUpRequest, with_challenge
from ._waiting import awaited

Callback = Union[str, Mapping[str, Any], Any]
"""The callback of an authorization: its whole address, its query, or its parameters (a mapping, or an object such as
``httpx.URL`` whose ``str`` is the address). Pass it on unread and complete: ``state`` and ``iss`` decide whether any of
it may be used."""


class AuthHost(Protocol):
    """The application's part in an authorization. Methods may be coroutine functions, or plain functions, which run in
    the event loop's thread and must be quick. An exception fails the request; ``asyncio.CancelledError`` and
    ``KeyboardInterrupt`` mean that the user cancelled.

    A pending call is cancelled as a task if its answer is no longer needed, because the session was closed or the time
    limit has passed: close the question. Cancelling the request that caused a question does not cancel it.

    Besides these methods a host may have

    - ``redirect_uri``: the redirect URI, or a method ``redirect_uri(registered: bool)`` that returns that of the next
      authorization; ``registered`` says whether the client has fixed redirect URIs, of which it must be one. Required
      unless the session has the option ``redirect_uri``.
    - ``sign_in_elsewhere(server: str)``: tells the user that another session or program has the sign-in page for
      ``server`` open, and that this session waits for it. It is cancelled when the wait ends.
    """

    def confirm_step_up(self, request: StepUpRequest) -> bool | Awaitable[bool]:
        """Asks the user whether to extend access. ``False`` declines; the session stays usable."""
        ...

    def authorize(self, request: AuthorizationRequest) -> Callback | Awaitable[Callback | None] | None:
        """Sends the user to ``request.url``.

        A program that stays open waits for the callback and returns it. A web application that navigates away returns
        ``None``; the code that receives the callback later, also after a restart, passes it to
        ``AuthSession.complete_authorization``.
        """
        ...


#: What the methods of a host are called for.
_OPTIONAL = ("sign_in_elsewhere",)
_REQUIRED = ("confirm_step_up", "authorize")


def check_host(host: object, redirect_uri: str | None) -> str | None:
    """Checks the members of a host. Returns the redirect URI if it is a constant."""
    if iscoroutine(host):
        raise refusal("host", "an AuthHost", host)
    if isinstance(host, type):
        raise misconfigured(
            f"host must be an object, and is the class {host.__name__}; did you mean {host.__name__}()?"
        )
    for name in (*_REQUIRED, *_OPTIONAL):
        function = member(host, name, "host")
        if not callable(function) and (name in _REQUIRED or function is not None):
            raise refusal(f"host.{name}", "a function", function)
    own = member(host, "redirect_uri", "host")
    if own is not None and redirect_uri is not None:
        raise misconfigured(
            "redirect_uri is set in the options and by host (as TerminalHost does): set it in one place"
        )
    if callable(own):
        return None
    if own is None and redirect_uri is None:
        raise misconfigured("redirect_uri is missing: set it in the options or in host")
    if own is not None and not isinstance(own, str):
        raise refusal("host.redirect_uri", "a string or a function", own)
    return redirect_uri if own is None else read_one(own, TEXT, "host.redirect_uri")


def callback_query(callback: object, what: str) -> str:
    """Converts a callback to its address or query. ``what`` names it in errors."""
    kinds = "the callback's URL or query: a string, a mapping of its parameters, or a URL object"
    try:
        if isinstance(callback, Mapping):
            return urlencode(list(_parameters(callback)))
        # `httpx.URL`, `yarl.URL`, `starlette.datastructures.URL` and others.
        if isinstance(callback, str) or type(callback).__name__.endswith(("URL", "Url")):
            return text_of(str(callback))
    except Exception as error:
        raise misconfigured(f"{what} cannot be read as {kinds}") from error
    raise refusal(what, kinds, callback)


def _parameters(callback: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """All parameters: one that is repeated must not pass for one that is not."""
    # `items` of Starlette and httpx has the last of each only.
    every = getattr(callback, "multi_items", callback.items)
    for name, value in every():
        if value is None:
            continue
        # As `urllib.parse.parse_qs` has them.
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if not isinstance(name, str) or not isinstance(one, str):
                raise TypeError("names and values must be text")
            yield name, one


async def call_host(host: Any, method: str, input: Mapping[str, Any]) -> object:
    """Calls a host for the native part."""
    if method == "redirectUri":
        uri = await awaited(host.redirect_uri(input["registered"]))
        if isinstance(uri, str) and not is_broken(uri):
            return uri
        raise TypeError(f"host.redirect_uri must return a string, and returned {describe(uri)}")
    if method == "confirmStepUp":
        agreed = await awaited(host.confirm_step_up(with_challenge(StepUpRequest, input)))
        if isinstance(agreed, bool):
            return agreed
        raise TypeError(f"host.confirm_step_up must return True or False, and returned {describe(agreed)}")
    if method == "signInElsewhere":
        tell = getattr(host, "sign_in_elsewhere", None)
        if tell is not None:
            await awaited(tell(input["server"]))
        return True
    callback = await awaited(host.authorize(with_challenge(AuthorizationRequest, input)))
    if callback is None:
        return "elsewhere"
    return {"callback": callback_query(callback, "what host.authorize returns")}
