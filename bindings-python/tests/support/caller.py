"""Calls a tool several times at once on a session with a file store and without a user, and prints the result as one
line of JSON. Its argument is JSON. With ``waits``, it opens the session, prints ``ready``, and starts when it reads a
line."""

from __future__ import annotations

import json
import sys
from typing import Any

import anyio
import anyio.to_thread
from mcp_reauth import AuthSession, FileStore

from support.clients import TRANSPORTS, Send
from support.messages import call


async def main(task: dict[str, Any]) -> None:
    succeeded = 0
    failed: list[Any] = []

    async def one(send: Send) -> None:
        nonlocal succeeded
        response = await send("POST", task["url"], **call("echo"))
        if "hello" in response.text:
            succeeded += 1
        else:
            failed.append(response.json()["error"]["data"]["code"])

    async with AuthSession.open(task["url"], store=FileStore(task["store"])) as session:
        if task.get("waits"):
            print("ready", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.readline)
        async with TRANSPORTS[0].client(session) as send, anyio.create_task_group() as group:
            for _ in range(task["calls"]):
                group.start_soon(one, send)
    print(json.dumps({"succeeded": succeeded, "failed": failed}), flush=True)


if __name__ == "__main__":
    anyio.run(main, json.loads(sys.argv[1]))
