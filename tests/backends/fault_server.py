"""A server on loopback that answers as badly as it is told to: for tests of the call engine."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Behaviour = Callable[[str, int], str]
"""From a request's text and how often it was asked before to what happens: `ok`, `429`, `429 SECONDS`, `500`, `reset`,
`hang`, `trickle`, `cut`, `prose`, `401`."""


class FaultServer:
    """Counts what it answered with 200: what a user would have paid for."""

    def __init__(self, behaviour: Behaviour, latency: float = 0.0) -> None:
        self.behaviour = behaviour
        self.latency = latency
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.starts: list[float] = []
        self.under_way = self.most = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readline():
                length = 0
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = await reader.readexactly(length)
                if not await self.answer(json.loads(body) if body else {}, writer):
                    break
        writer.close()

    async def answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        text = request["messages"][-1]["content"]
        what = self.behaviour(text, self.asked[text])
        self.asked[text] += 1
        self.starts.append(time.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.latency)
            return await self.act(what, text, writer)
        finally:
            self.under_way -= 1

    async def act(self, what: str, text: str, writer: asyncio.StreamWriter) -> bool:
        kind, _, after = what.partition(" ")
        message = {"role": "assistant", "content": f"I hear you: {text}"}
        good = {"choices": [{"message": message}], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
        payload = json.dumps(good).encode()
        status, more = 200, ""
        if kind == "reset":
            writer.transport.abort()
            return False
        if kind == "hang":
            await asyncio.sleep(3600)
        if kind in ("429", "500", "401"):
            status, payload = int(kind), b'{"error": {"message": "no"}}'
            more = f"Retry-After: {after}\r\n" if after else ""
        if kind == "prose":
            payload = b"<html>We are down for maintenance</html>"
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Content-Length: {len(payload)}\r\n\r\n"
        if kind == "cut":
            writer.write(head.encode() + payload[: len(payload) // 2])
            await writer.drain()
            return False
        if kind == "trickle":
            writer.write(head.encode())
            for byte in payload:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        else:
            writer.write(head.encode() + payload)
        await writer.drain()
        if status == 200 and kind == "ok":
            self.answered[text] += 1
        return True


@contextmanager
def serving(behaviour: Behaviour, latency: float = 0.0) -> Iterator[FaultServer]:
    """Run a server in a thread of its own, on a free port of 127.0.0.1."""
    server, loop, ready = FaultServer(behaviour, latency), asyncio.new_event_loop(), threading.Event()

    async def start() -> None:
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, backlog=1024)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()

    def work() -> None:
        loop.create_task(start())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
