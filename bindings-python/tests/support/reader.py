"""A user with a browser that keeps its cookies. The user reads pages and fills in forms."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urljoin, urlsplit

from mcp_reauth import AuthorizationRequest

from .person import Person, _NoRedirects

#: The name the user signs in with.
USER = "alice"

#: The limit of pages and redirects in one visit.
_LIMIT = 20


@dataclass
class _Form:
    action: str
    #: Types, names and values.
    inputs: list[tuple[str, str, str]] = field(default_factory=list)
    #: Names and values. The first one agrees.
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Page(HTMLParser):
    """What a user sees of a page: its heading, the form, and the links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.heading = ""
        self.form: _Form | None = None
        self._within = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._within = tag
        if tag == "form":
            assert self.form is None, "a page with two forms"
            self.form = _Form(attributes.get("action", ""))
        elif tag == "input":
            assert self.form is not None, "a field without a form around it"
            self.form.inputs.append(
                (attributes.get("type", "text"), attributes.get("name", ""), attributes.get("value", ""))
            )
        elif tag == "button" and self.form is not None and attributes.get("name"):
            self.form.buttons.append((attributes["name"], attributes.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "h1":
            self.heading += data


class Reader(Person):
    """A host whose user signs in at servers of others."""

    def __init__(self) -> None:
        super().__init__()
        #: Whether the last page led nowhere.
        self.gave_up = False
        self._browser = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPCookieProcessor(CookieJar()))
        self._browser.addheaders = [("user-agent", "Mozilla/5.0")]

    async def authorize(self, request: AuthorizationRequest) -> str | None:
        self.pages.append(request)
        self.gave_up = True
        callback = await asyncio.to_thread(self._visit, request.url, request.redirect_uri)
        self.gave_up = False
        return callback

    def _visit(self, address: str, callback: str) -> str:
        """Follows the pages' instructions up to the redirect to the callback, which is not followed."""
        form: bytes | None = None
        for _ in range(_LIMIT):
            try:
                with self._browser.open(address, form, timeout=10) as response:
                    html = response.read().decode()
            except urllib.error.HTTPError as answered:
                location = answered.headers.get("location")
                words = answered.read().decode()
                answered.close()
                if answered.code not in (302, 303) or not location:
                    raise AssertionError(f"{address}: {answered.code} {words}") from None
                address, form = urljoin(address, location), None
                if urlsplit(address)[:3] == urlsplit(callback)[:3]:
                    return address
                continue
            page = _Page(html)
            assert page.form is not None, f"{address}: a page without a form: {page.heading}"
            address, form = urljoin(address, page.form.action), _filled(page.form)
        raise AssertionError(f"more than {_LIMIT} pages and redirects from {address}")


def _filled(form: _Form) -> bytes:
    values = {"text": USER, "password": "correct horse"}
    fields = [(name, value if kind == "hidden" else values[kind]) for kind, name, value in form.inputs]
    return urlencode(fields + form.buttons[:1]).encode()
