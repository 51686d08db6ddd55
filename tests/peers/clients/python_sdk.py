"""The official Python SDK with its OAuthClientProvider, and a storage in a file as in its documentation."""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
from commands import serve
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

URL = sys.argv[-1]
REDIRECT_URI = "http://127.0.0.1:9/callback"


class FileStorage:
    def __init__(self, folder):
        self._file = Path(folder) / "storage.json"

    def _read(self, name, model):
        try:
            found = json.loads(self._file.read_text()).get(name)
        except FileNotFoundError:
            return None
        return found and model.model_validate(found)

    def _write(self, name, value):
        try:
            all_values = json.loads(self._file.read_text())
        except FileNotFoundError:
            all_values = {}
        all_values[name] = value.model_dump(mode="json", exclude_none=True)
        new = self._file.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(all_values))
        new.replace(self._file)

    async def get_tokens(self):
        return self._read("tokens", OAuthToken)

    async def set_tokens(self, tokens):
        self._write("tokens", tokens)

    async def get_client_info(self):
        return self._read("client", OAuthClientInformationFull)

    async def set_client_info(self, client_info):
        self._write("client", client_info)


class Person:
    """Visits pages, and returns the callback that they redirect to."""

    def __init__(self):
        self._callback = None

    async def redirect(self, url):
        async with httpx2.AsyncClient(trust_env=False, timeout=120) as browser:
            page = await browser.get(url, follow_redirects=False)
        self._callback = parse_qs(urlsplit(page.headers["location"]).query)

    async def callback(self):
        values = {name: value[0] for name, value in self._callback.items()}
        if "error" in values:
            raise RuntimeError(f"the sign-in ended with {values['error']}")
        return AuthorizationCodeResult(code=values["code"], state=values.get("state"), iss=values.get("iss"))


person = Person()
auth = OAuthClientProvider(
    server_url=URL,
    client_metadata=OAuthClientMetadata(
        client_name="peer",
        redirect_uris=[REDIRECT_URI],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    ),
    storage=FileStorage(os.environ["MCP_REAUTH_EXAMINE_STORE"]),
    redirect_handler=person.redirect,
    callback_handler=person.callback,
)


@contextlib.asynccontextmanager
async def opened():
    # With a token that it is given, it has no authorization of its own.
    token = os.environ.get("PEER_TOKEN")
    how = {"headers": {"authorization": f"Bearer {token}"}} if token else {"auth": auth}
    async with (
        httpx2.AsyncClient(timeout=60, **how) as http,
        Client(streamable_http_client(URL, http_client=http), mode="legacy") as client,
    ):
        yield client.call_tool


asyncio.run(serve(opened))
