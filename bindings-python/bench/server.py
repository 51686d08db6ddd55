"""A server in its own process that answers every call immediately: as JSON, or as an event if the client accepts
nothing else. Prints its address, and exits when its input ends."""

from __future__ import annotations

import asyncio
import json
import sys

ANSWER = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "hello"}]}}).encode()
EVENT = b"event: message\ndata: " + ANSWER + b"\n\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
            streams = fields.get(b"accept") == b"text/event-stream"
            body, kind = (EVENT, b"text/event-stream") if streams else (ANSWER, b"application/json")
            size = b"%x\r\n" % len(body)
            framed = size + body + b"\r\n0\r\n\r\n" if streams else body
            length = b"transfer-encoding: chunked" if streams else b"content-length: %d" % len(body)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n" + length + b"\r\n\r\n" + framed)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}/mcp", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
