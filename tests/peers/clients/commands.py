"""The loop of a client for `mcp-reauth examine`: it starts each command at once, and prints the results."""

import asyncio
import json
import sys


class Connection:
    """A connected client. Its context is entered and left in one task, as anyio wants."""

    def __init__(self, opened):
        self._opened = opened
        self._ready = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        try:
            async with self._opened() as call:
                self._ready.set_result(call)
                await self._closing.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)

    async def ready(self):
        return await asyncio.shield(self._ready)

    async def close(self):
        self._closing.set()
        await asyncio.wait([self._task], timeout=5)


def innermost(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def serve(opened):
    """Carry out commands until standard input ends, with the async context manager `opened`, which yields a function
    that calls a tool."""
    connection = None
    running = set()
    closing = []

    async def carry_out(command):
        nonlocal connection
        used = None
        result = {"id": command["id"], "ok": True}
        try:
            if command["do"] == "connect":
                connection = Connection(opened)
                await connection.ready()
            else:
                if connection is None:
                    connection = Connection(opened)
                used = connection
                call = await used.ready()
                check(await call(command["tool"]))
        except BaseException as error:
            # An error in an authorization ends the SDK's connection; the next call opens another.
            if "Connection closed" in str(error) and connection is used:
                connection = None
                closing.append(asyncio.create_task(used.close()))
            result |= {"ok": False, "error": innermost(error)}
        print(json.dumps(result), flush=True)

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        task = asyncio.create_task(carry_out(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    if connection:
        await connection.close()


def check(result):
    """Reject a tool's error result."""
    if getattr(result, "is_error", False):
        raise RuntimeError(f"the tool reported an error: {result.content}")
