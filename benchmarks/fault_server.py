"""A server on loopback that answers as badly as it is told to: for tests and benchmarks of calls."""

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
`hang`, `trickle`, `cut`, `prose`, `401`, `404`, `long` (the context is too long), `refusal`, `empty`
(no choices), `types` (content that is no text)."""
Content = Callable[[dict[str, Any]], str]
"""From a request to what a model would say."""


def echo(request: dict[str, Any]) -> str:
    return f"I hear you: {request['messages'][-1]['content'] if request.get('messages') else ''}"


class FaultServer:
    """Counts what it answered with 200: what a user would have paid for."""

    def __init__(
        self, behaviour: Behaviour, latency: float = 0.0, content: Content = echo, per_second: float | None = None
    ) -> None:
        self.behaviour = behaviour
        self.latency = latency
        self.content = content
        self.per_second = per_second
        """Above this rate, 429."""
        self.allowance = 0.0
        self.refilled = time.monotonic()
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.starts: list[float] = []
        self.under_way = self.most = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while first := await reader.readline():
                length = 0
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = await reader.readexactly(length)
                if first.startswith(b"GET"):
                    writer.write(b"HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\n{}")
                    await writer.drain()
                elif not await self.answer(json.loads(body) if body else {}, writer):
                    break
        writer.close()

    async def answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        text = request["messages"][-1]["content"] if request.get("messages") else ""
        what = self.behaviour(text, self.asked[text]) if self.within_rate() else "429"
        self.asked[text] += 1
        self.starts.append(time.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.latency)
            return await self.act(what, request, text, writer)
        finally:
            self.under_way -= 1

    def within_rate(self) -> bool:
        """Return whether the bucket of the rate, a tenth of a second deep, still has a call in it."""
        if self.per_second is None:
            return True
        now = time.monotonic()
        self.allowance = min(self.per_second * 0.1 + 1, self.allowance + (now - self.refilled) * self.per_second)
        self.refilled = now
        if self.allowance < 1:
            return False
        self.allowance -= 1
        return True

    async def act(self, what: str, request: dict[str, Any], text: str, writer: asyncio.StreamWriter) -> bool:
        kind, _, after = what.partition(" ")
        message: dict[str, Any] = {"role": "assistant", "content": self.content(request)}
        if kind == "refusal":
            message |= {"content": None, "refusal": "no"}
        if kind == "types":
            message["content"] = 5
        choices = [] if kind == "empty" else [{"message": message, "finish_reason": "stop"}]
        payload = json.dumps({"choices": choices, "usage": {"prompt_tokens": 7, "completion_tokens": 5}}).encode()
        status, more = 200, ""
        if kind == "reset":
            writer.transport.abort()
            return False
        if kind == "hang":
            await asyncio.sleep(3600)
        if kind in ("429", "500", "401", "404"):
            status, payload = int(kind), b'{"error": {"message": "no"}}'
            more = f"Retry-After: {after}\r\n" if after else ""
        if kind == "long":
            status, payload = 400, b'{"error": {"message": "too long", "code": "context_length_exceeded"}}'
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
        if status == 200 and kind in ("ok", "trickle", "refusal"):
            self.answered[text] += 1
        return True


@contextmanager
def serving(
    behaviour: Behaviour = lambda text, times: "ok",
    latency: float = 0.0,
    content: Content = echo,
    per_second: float | None = None,
) -> Iterator[FaultServer]:
    """Run a server in a thread of its own, on a free port of 127.0.0.1."""
    server = FaultServer(behaviour, latency, content, per_second)
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def start() -> None:
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, backlog=1024)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()

    async def stop() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.05)
        loop.stop()

    def work() -> None:
        loop.create_task(start())
        loop.run_forever()
        loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop)
        thread.join(10)


def main() -> None:
    """Serve alone in a process, so that its work is not counted as a client's; prints its port, then counts on demand.

    A line on standard input is answered by a line of JSON: calls answered with 200, asked in all, and most under way.
    """
    import sys

    latency, per_second = float(sys.argv[1]), float(sys.argv[2])
    with serving(latency=latency, per_second=per_second or None, content=lambda request: "I hear you.") as server:
        print(server.port, flush=True)
        for _ in sys.stdin:
            told = {"answered": sum(server.answered.values()), "asked": sum(server.asked.values()), "most": server.most}
            print(json.dumps(told), flush=True)
            server.asked.clear()
            server.answered.clear()
            server.starts.clear()
            server.most = 0


if __name__ == "__main__":
    main()
