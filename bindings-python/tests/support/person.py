"""A user who agrees or declines as the test wants, and visits pages as a browser does, up to the callback."""

from __future__ import annotations

import urllib.request
from http.client import HTTPMessage
from typing import IO, Any

import anyio
from mcp_reauth import AuthorizationRequest, StepUpRequest


class Person:
    """A host. It records the questions and pages."""

    redirect_uri = "http://127.0.0.1:9/oauth/callback"

    def __init__(self) -> None:
        self.questions: list[StepUpRequest] = []
        self.pages: list[AuthorizationRequest] = []
        self.agrees = True

    async def confirm_step_up(self, request: StepUpRequest) -> bool:
        self.questions.append(request)
        return self.agrees

    async def authorize(self, request: AuthorizationRequest) -> str | None:
        self.pages.append(request)
        return visit(request.url)

    @property
    def prompts(self) -> tuple[int, int]:
        """The number of questions and pages."""
        return len(self.questions), len(self.pages)

    def reset(self) -> None:
        self.questions.clear()
        self.pages.clear()


class Pondering(Person):
    """A user who answers a question when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = anyio.Event()
        self.answer = anyio.Event()

    async def confirm_step_up(self, request: StepUpRequest) -> bool:
        self.questions.append(request)
        self.asked.set()
        await self.answer.wait()
        return self.agrees


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


_browser = urllib.request.build_opener(_NoRedirects)


def visit(url: str) -> str:
    """Visits a page whose server agrees to everything, and returns the callback it redirects to."""
    request = urllib.request.Request(url, headers={"user-agent": "Mozilla/5.0"})
    try:
        with _browser.open(request, timeout=10) as response:
            raise AssertionError(f"{response.status} instead of a redirect")
    except urllib.error.HTTPError as answered:
        location: Any = answered.headers.get("location")
        answered.close()
        assert location, f"{answered.code} instead of a redirect"
        return str(location)
