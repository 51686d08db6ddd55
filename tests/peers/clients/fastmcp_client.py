"""FastMCP with its OAuth helper and a store on disk as in its documentation. It opens pages with the program in BROWSER."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from commands import serve
from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.filetree import (
    FileTreeStore,
    FileTreeV1CollectionSanitizationStrategy,
    FileTreeV1KeySanitizationStrategy,
)

URL = sys.argv[-1]


@contextlib.asynccontextmanager
async def opened():
    folder = Path(os.environ["MCP_REAUTH_EXAMINE_STORE"])
    store = FileTreeStore(
        data_directory=folder,
        key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(folder),
        collection_sanitization_strategy=FileTreeV1CollectionSanitizationStrategy(folder),
    )
    auth = OAuth(client_name="peer", token_storage=store)
    # With a token that it is given, it has no authorization of its own.
    async with Client(URL, auth=os.environ.get("PEER_TOKEN", auth)) as client:
        yield lambda name: client.call_tool_mcp(name, {})


asyncio.run(serve(opened))
