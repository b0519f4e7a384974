"""Sixty raters at once on the real server, which is killed by `kill -9` meanwhile: is any acknowledged answer lost?

`python -m benchmarks.annotate_load serve WHERE PORT` is the server that it starts and kills.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import select

from psychocounsel.annotate.store import Store, schema
from psychocounsel.annotate.study import Assignment, Design, Expected, Item, StudyPlan, item_id
from psychocounsel.principles import default_rubric
from psychocounsel.records import Turn

ROOT = Path(__file__).parents[1]
RATERS, ITEMS, KILLS, SAVES = 60, 100, 5, 3
THINK = (0.15, 0.9)
"""Seconds before each save of a rater, evenly spread; people take half a minute and more for an item."""
LIMIT = 100.0
"""Milliseconds that 95 of 100 saves may take."""
PRACTICE = 2
"""Calibration items, whose expected answer is told: a save that is sent again meets a page that has moved on."""
KEYS = default_rubric().keys
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Load:
    """What a run measured."""

    lost: int
    """Saves that were acknowledged and are not there, and items whose newest answer is not the last acknowledged."""
    doubled: int
    """Saves that are there more than once."""
    unfinished: int
    """Items that a rater finished and that the study does not count as finished."""
    retried: int
    """Saves that a kill hit, and that were sent again until they were acknowledged."""
    told: int
    """Lines of the server's log with a link or a traceback in them."""
    p95: float
    """Milliseconds of a save that no kill hit."""


@dataclass
class Seen:
    """What the raters saw."""

    took: list[float] = field(default_factory=list)
    """Seconds of each save that was acknowledged at the first try."""
    retried: int = 0
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    """Rater and key of each save that was acknowledged."""
    last: dict[tuple[str, int], str] = field(default_factory=dict)
    """Rater and place to the comment that was acknowledged last."""


def design(raters: int, items: int) -> Design:
    """Return a study of pairs in which each rater compares every item, with some practice at the beginning."""
    made = []
    for n in range(items):
        turns = (
            Turn("client", f"It has been like this since spring, and it is number {n} that keeps me awake. " * 3),
            Turn("counsellor", "What does a night like that look like?"),
            Turn("client", f"I lie there and go over it. I do not know what to do about it any more, with {n}. " * 4),
        )
        texts = tuple(f"{line} {n}. What would have to happen for one night to go differently? " * 5 for line in "AB")
        role = "calibration" if n < PRACTICE else "main"
        expected = Expected("a", why="It asks.") if n < PRACTICE else None
        made.append(Item(item_id(turns, texts, role), role, turns, texts, label="a", expected=expected))
    codes = tuple(f"R{n:02}" for n in range(1, raters + 1))
    assignments = tuple(
        Assignment(code, item.id, place, flipped=(n + place) % 2 == 1)
        for n, code in enumerate(codes)
        for place, item in enumerate(made)
    )
    return Design(StudyPlan(name="Load", per_item=raters, repeats=0, break_after=0), tuple(made), codes, assignments)


async def _until(ask: Callable[[], Awaitable[httpx.Response]]) -> tuple[httpx.Response, int]:
    """Ask until there is an answer, ever more rarely, as the page's script does; returns it and the tries before it."""
    tries = 0
    while True:
        try:
            answer = await ask()
            if answer.status_code < 500:
                return answer, tries
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.25 * 2 ** min(tries, 3))
        tries += 1


async def rater(base: str, code: str, token: str, items: int, seen: Seen, think: tuple[float, float]) -> None:
    """Do all items, as a browser would: the page, some saves of clicks, the button, and on to the next."""
    rng = random.Random(code)
    async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as client:

        async def page_at(address: str) -> httpx.Response:
            page, _ = await _until(lambda: client.get(address))
            return await page_at(page.headers["location"]) if page.status_code == 303 else page

        page = await page_at(f"/r/{token}")
        agreed = {"csrf_token": TOKEN.search(page.text)[1], "agree": "yes"}  # type: ignore[index]
        await _until(lambda: client.post("/rate/consent", data=agreed))
        for place in range(1, items + 1):
            page = await page_at("/rate")
            assert page.url.path == f"/rate/{place}", page.url.path
            fields = {"csrf_token": TOKEN.search(page.text)[1], "overall": "first", "seen": "0"}  # type: ignore[index]
            for n in range(SAVES + 1):
                await asyncio.sleep(rng.uniform(*think))
                key, done = f"{place}-{n}", n == SAVES
                fields |= {f"p_{name}": rng.choice(("first", "second", "tie")) for name in KEYS}
                fields |= {"key": key, "comment": key, "seconds": f"{9 * n}", "action": "done" if done else "save"}

                async def send(place: int = place, done: bool = done, sent: dict[str, str] = fields) -> httpx.Response:
                    accept = {"accept": "text/html" if done else "application/json"}
                    return await client.post(f"/rate/{place}", data=sent, headers=accept)

                begun = time.perf_counter()
                answer, tries = await _until(send)
                if tries:
                    seen.retried += 1
                else:
                    seen.took.append(time.perf_counter() - begun)
                assert answer.status_code == (303 if done else 200), (answer.status_code, answer.text[-300:])
                if not done:
                    fields["seen"] = str(answer.json()["saves"])
                seen.acknowledged.add((code, key))
                seen.last[code, place] = key


class Server:
    """The real server in a process of its own."""

    def __init__(self, where: str, log: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = int(taken.getsockname()[1])
        self.where, self.log, self.base = where, log, f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "benchmarks.annotate_load", "serve", self.where, str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(self.log.read_text("utf-8")[-2000:]) from None
                time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


async def _all(server: Server, tokens: dict[str, str], items: int, kills: int, think: tuple[float, float]) -> Seen:
    seen, rng = Seen(), random.Random(3)
    work = [asyncio.create_task(rater(server.base, c, t, items, seen, think)) for c, t in tokens.items()]
    total = len(tokens) * items * (SAVES + 1)
    for each in range(kills):  # by how far the work has come, so that each kill lands amidst it
        wanted = total * (each + rng.uniform(0.1, 0.9)) / kills
        while len(seen.acknowledged) < wanted and not any(task.done() for task in work):
            await asyncio.sleep(0.01)
        await asyncio.sleep(rng.uniform(0, 0.05))
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    await asyncio.gather(*work)
    return seen


def run(
    where: str, raters: int = RATERS, items: int = ITEMS, kills: int = KILLS, think: tuple[float, float] = THINK
) -> Load:
    """Make a study at `where`, have it done under kills, and print and return what became of the saves."""
    store = Store.make(where, design(raters, items))
    tokens = {code: store.access.invite(code) for code in store.numbers}
    store.close()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(where, Path(folder) / "log")
        begun = time.perf_counter()
        try:
            seen = asyncio.run(_all(server, tokens, items, kills, think))
        finally:
            server.kill()
        seconds, log = time.perf_counter() - begun, server.log.read_text("utf-8").splitlines()
    told = [line for line in log if "Traceback" in line or "/r/" in line or any(t in line for t in tokens.values())]
    with Store.open(where) as store:
        of = schema.event.c
        with store._db.reading() as connection:
            rows = connection.execute(select(of.rater, of.key).where(of.kind == "answer")).all()
        # Of a key the last part stands for what was said.
        kept = Counter((code, key.rpartition("-")[0]) for code, key in rows)
        newest = {
            (store.assignments[number].rater, store.assignments[number].position + 1): stored.answer.comment
            for number, stored in store.events.answers().items()
        }
        unfinished = raters * items - len(store.annotations())
    lost = len(seen.acknowledged - kept.keys()) + sum(newest.get(at) != key for at, key in seen.last.items())
    doubled = sum(n - 1 for n in kept.values())
    at = np.percentile(np.array(seen.took) * 1000, [50, 95, 99, 100])
    count, kind = len(seen.acknowledged), "PostgreSQL" if where.startswith("postgresql") else "SQLite"
    print(f"  {kind}: {raters} raters x {items} items, {kills} kill -9; {count:,} saves in {seconds:.0f} s", end="")
    print(f", {count / seconds:.0f}/s beside the pages")
    print(f"    a save: median {at[0]:.0f} ms, p95 {at[1]:.0f}, p99 {at[2]:.0f}, at most {at[3]:.0f}", end="")
    print(f"   asked: p95 < {LIMIT:.0f}: {'met' if at[1] < LIMIT else 'NOT MET'}; hit by a kill: {seen.retried}")
    print(f"    acknowledged and lost {lost}, doubled {doubled}, unfinished {unfinished}", end="")
    print(f"   asked: none: {'met' if not lost + doubled + unfinished else 'NOT MET'}", flush=True)
    return Load(lost, doubled, unfinished, seen.retried, len(told), float(at[1]))


def main() -> None:
    print(f"  a rater waits {THINK[0]} to {THINK[1]} s before each save; people take half a minute for an item")
    with tempfile.TemporaryDirectory() as folder:
        run(str(Path(folder) / "study.sqlite"))
    sys.path.insert(0, str(ROOT / "tests" / "annotate"))
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
