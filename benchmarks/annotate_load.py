"""Sixty raters at once on the real server, which is killed by `kill -9` meanwhile: is any acknowledged answer lost?

`python -m benchmarks.annotate_load serve WHERE PORT` is the server that it starts and kills.
"""

from __future__ import annotations

import asyncio
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Assignment, Design, Item, StudyPlan, item_id
from psychocounsel.principles import default_rubric
from psychocounsel.records import Turn

RATERS, ITEMS, KILLS, SAVES = 60, 100, 5, 3
THINK = (0.05, 0.55)
"""Seconds between two requests of a rater; people take half a minute and more for an item."""
LIMIT = 100.0
"""Milliseconds that 95 of 100 saves may take."""
KEYS = default_rubric().keys
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass
class Seen:
    """What the raters saw."""

    took: list[float] = field(default_factory=list)
    """Seconds of each save that was acknowledged at the first try."""
    retried: int = 0
    acknowledged: dict[str, set[str]] = field(default_factory=dict)
    """Rater to the keys whose save was acknowledged."""
    last: dict[tuple[str, int], str] = field(default_factory=dict)
    """Rater and place to the comment that was acknowledged last."""


def design(raters: int, items: int) -> Design:
    made = []
    for n in range(items):
        turns = (Turn("client", f"I do not know what to do about it, and that is number {n}."),)
        texts = (f"What have you tried so far, with {n}?", f"You could make a list. It helps many, {n}.")
        made.append(Item(item_id(turns, texts, "main"), "main", turns, texts, label="a"))
    codes = tuple(f"R{n:02}" for n in range(1, raters + 1))
    assignments = tuple(
        Assignment(code, item.id, place, flipped=(n + place) % 2 == 1)
        for n, code in enumerate(codes)
        for place, item in enumerate(made)
    )
    return Design(StudyPlan(name="Load", per_item=raters, repeats=0, break_after=0), tuple(made), codes, assignments)


async def _until(request: object, seen: Seen, pause: float = 0.2) -> httpx.Response:
    """Send until it is answered, as the page's script does."""
    tries = 0
    while True:
        try:
            answer: httpx.Response = await request()  # type: ignore[operator]
            if answer.status_code < 500:
                seen.retried += tries > 0
                return answer
        except httpx.TransportError:
            pass
        tries += 1
        await asyncio.sleep(pause)


async def rater(base: str, code: str, token: str, items: int, seen: Seen, think: tuple[float, float]) -> None:
    rng = random.Random(code)
    seen.acknowledged[code] = set()
    async with httpx.AsyncClient(base_url=base, follow_redirects=True, timeout=30) as client:
        page = await _until(lambda: client.get(f"/r/{token}"), seen)
        agreed = {"csrf_token": TOKEN.search(page.text)[1], "agree": "yes"}  # type: ignore[index]
        await _until(lambda: client.post("/rate/consent", data=agreed), seen)
        for place in range(1, items + 1):
            page = await _until(lambda at=place: client.get(f"/rate/{at}"), seen)  # type: ignore[misc]
            csrf = TOKEN.search(page.text)[1]  # type: ignore[index]
            for n in range(SAVES + 1):
                await asyncio.sleep(rng.uniform(*think))
                key, done = f"{place}-{n}", n == SAVES
                data = {f"p_{k}": rng.choice(("first", "second", "tie")) for k in KEYS} | {
                    "csrf_token": csrf, "overall": "first", "key": key, "seconds": f"{10 * n}",
                    "action": "done" if done else "save", "comment": key,
                }  # fmt: skip
                before, begun = seen.retried, time.perf_counter()

                async def send(sent: dict[str, str] = data, at: int = place) -> httpx.Response:
                    return await client.post(f"/rate/{at}", data=sent, headers={"accept": "application/json"})

                answer = await _until(send, seen)
                assert answer.status_code == 200, answer.text
                if seen.retried == before:
                    seen.took.append(time.perf_counter() - begun)
                seen.acknowledged[code].add(key)
                seen.last[code, place] = key


class Server:
    """The real server in a process of its own."""

    def __init__(self, where: str) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = int(taken.getsockname()[1])
        self.where, self.base = where, f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "benchmarks.annotate_load", "serve", self.where, str(self.port)]
        self.process = subprocess.Popen(command)
        for _ in range(600):
            try:
                httpx.get(f"{self.base}/favicon.ico")
                return
            except httpx.TransportError:
                assert self.process.poll() is None, "the server did not start"
                time.sleep(0.1)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


async def _all(server: Server, tokens: dict[str, str], items: int, kills: int, think: tuple[float, float]) -> Seen:
    seen, rng = Seen(), random.Random(3)
    work = [asyncio.create_task(rater(server.base, c, t, items, seen, think)) for c, t in tokens.items()]
    total = len(tokens) * items * (SAVES + 1)
    for each in range(kills):  # by how far the work has come, so that each kill lands amidst it
        wanted = total * (each + rng.uniform(0.2, 0.8)) / kills
        while len(seen.took) + seen.retried < wanted and not all(task.done() for task in work):
            await asyncio.sleep(0.05)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    await asyncio.gather(*work)
    return seen


def run(
    where: str, raters: int = RATERS, items: int = ITEMS, kills: int = KILLS, think: tuple[float, float] = THINK
) -> tuple[int, int, float]:
    """Print what was measured; returns answers lost, answers doubled, and the 95th percentile in milliseconds."""
    store = Store.make(where, design(raters, items))
    tokens = {code: store.access.invite(code) for code in store.numbers}
    store.close()
    server, begun = Server(where), time.perf_counter()
    try:
        seen = asyncio.run(_all(server, tokens, items, kills, think))
    finally:
        server.kill()
    took = time.perf_counter() - begun
    with Store.open(where) as store:
        # Each save's comment is its key, which tells one save from another.
        kept = Counter((event.rater, str(event.payload["comment"])) for event in store.events.all(kinds=("answer",)))
        newest = {
            (store.assignments[number].rater, store.assignments[number].position + 1): stored.answer.comment
            for number, stored in store.events.answers().items()
        }
        finished = len(store.annotations())
    acknowledged = {(code, key) for code, keys in seen.acknowledged.items() for key in keys}
    lost = len(acknowledged - kept.keys()) + sum(newest.get(at) != key for at, key in seen.last.items())
    doubled = sum(n - 1 for n in kept.values())
    at = np.percentile(np.array(seen.took) * 1000, [50, 95, 99, 100])
    kind = "PostgreSQL" if where.startswith("postgresql") else "SQLite"
    print(f"  {kind}: {raters} raters x {items} items, {kills} kills, {len(acknowledged):,} saves in {took:.0f} s")
    print(f"    a save: median {at[0]:.0f} ms, p95 {at[1]:.0f}, p99 {at[2]:.0f}, at most {at[3]:.0f}", end="")
    print(f"  (p95 asked under {LIMIT:.0f}: {'met' if at[1] < LIMIT else 'NOT MET'}); sent again: {seen.retried}")
    print(f"    acknowledged and lost: {lost} (asked 0); doubled: {doubled} (asked 0); finished {finished:,} items")
    return lost, doubled, float(at[1])


def main() -> None:
    print(f"  raters think {THINK[0]} to {THINK[1]} s before each request, far less than people do")
    with tempfile.TemporaryDirectory() as folder:
        run(str(Path(folder) / "study.sqlite"))
    sys.path.insert(0, "tests/annotate")
    from postgres import AbsentError, cluster

    try:
        with cluster() as server:
            run(server.fresh("load"))
    except AbsentError as reason:
        print(f"  PostgreSQL: not run, {reason}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        from psychocounsel.cli.annotate import run_server

        with Store.open(sys.argv[2]) as opened:
            run_server(opened, "127.0.0.1", int(sys.argv[3]))
    else:
        main()
