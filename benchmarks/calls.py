"""The call engine beside the bare SDK and a kept peer, its memory, its answers under faults, and orders in texts."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
CALLS, LATENCY, RATE = 5_000, 0.25, 200.0
PEER = Path(os.environ.get("PSYCHOCOUNSEL_PEER", ROOT / ".venv-peer"))
MANY = 100_000


@contextmanager
def loopback(latency: float, per_second: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the server in a process of its own; yields its address and the process, whose counts `told` reads."""
    command = [sys.executable, "-m", "benchmarks.fault_server", str(latency), str(per_second)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process
    finally:
        process.kill()
        process.wait()


def told(process: subprocess.Popen[str]) -> dict[str, int]:
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    stdin.write("\n")
    stdin.flush()
    counts: dict[str, int] = json.loads(stdout.readline())
    return counts


def child(python: str, part: str, *arguments: str, timeout: float = 900) -> dict[str, float]:
    """Run one part of this file in a fresh process, so that its memory and work are its own."""
    done = subprocess.run(
        [python, str(Path(__file__)), part, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{part}: {done.stderr[-800:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def figures(begun: float, used: float, calls: int, **more: float) -> None:
    seconds, spent = time.perf_counter() - begun, 1000 * (cpu() - used) / calls
    # Not ru_maxrss: a process inherits that from the one that started it.
    status = Path("/proc/self/status").read_text("utf-8")
    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "cpu_ms": spent, "rss": peak} | more))


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def ours(url: str, calls: int, rate: float) -> None:
    from psychocounsel.backends.calls import CallStore
    from psychocounsel.backends.calls.engine import Call, Engine, Limits
    from psychocounsel.backends.calls.openai_sdk import sender

    with tempfile.TemporaryDirectory() as folder:
        store = CallStore(Path(folder) / "calls.sqlite")
        limits = Limits(concurrency=64, requests_per_second=rate or None)
        engine = Engine(sender(url, "none", 60, local=True), store, limits)
        asked = (
            Call("x/m", {"model": "m", "messages": [{"role": "user", "content": f"speech {i}"}]}, i)
            for i in range(calls)
        )
        begun, used = time.perf_counter(), cpu()
        answered = sum(1 for outcome in engine.run(asked) if outcome.stored)
        figures(begun, used, calls, answered=answered)


def bare(url: str, calls: int) -> None:
    """What a user would write: a semaphore over the SDK, its own retries, answers in a list."""
    import asyncio

    import openai

    async def everything() -> int:
        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=6, timeout=60)
        gate = asyncio.Semaphore(64)

        async def one(i: int) -> bool:
            async with gate:
                messages = [{"role": "user", "content": f"speech {i}"}]
                try:
                    got = await client.chat.completions.create(model="m", messages=messages)  # type: ignore[arg-type]
                except openai.OpenAIError:
                    return False
                return bool(got.choices[0].message.content)

        return sum(await asyncio.gather(*(one(i) for i in range(calls))))

    begun, used = time.perf_counter(), cpu()
    answered = asyncio.run(everything())
    figures(begun, used, calls, answered=answered)


def curator(url: str, calls: int) -> None:
    """bespokelabs-curator with the same limits, in a virtual environment of its own."""
    # Its `openai` backend loads a tokenizer from the net before the first call; the `litellm` one does not.
    os.environ |= {
        "TELEMETRY_ENABLED": "0",
        "CURATOR_DISABLE_RICH_DISPLAY": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CURATOR_CACHE_DIR"] = folder
        from bespokelabs import curator as peer  # type: ignore[import-not-found]

        class Ask(peer.LLM):  # type: ignore[misc]
            def prompt(self, row: dict[str, str]) -> str:
                return row["text"]

            def parse(self, row: dict[str, str], response: str) -> dict[str, str]:
                return {"answer": response}

        limits = {
            "base_url": url,
            "max_requests_per_minute": int(RATE * 60),
            "max_tokens_per_minute": 100_000_000,
            "max_concurrent_requests": 64,
        }
        ask = Ask(model_name="openai/m", backend="litellm", backend_params=limits)
        rows = [{"text": f"speech {i}"} for i in range(calls)]
        begun, used = time.perf_counter(), cpu()
        answered = ask(rows)
        data = getattr(answered, "dataset", answered)
        figures(begun, used, calls, answered=len(data))


def main() -> None:
    throughput()
    memory()
    faults()
    orders()


def throughput() -> None:
    ideal = CALLS / RATE + LATENCY
    print(f"  {CALLS:,} calls, {LATENCY * 1000:.0f} ms latency, {RATE:.0f} requests/s allowed: ideal {ideal:.2f} s")
    rows: dict[str, dict[str, float]] = {}
    with loopback(LATENCY, RATE) as (url, server):
        for name in ("ours", "bare SDK and a semaphore", "bespokelabs-curator"):
            try:
                if name == "ours":
                    rows[name] = child(sys.executable, "ours", url, str(CALLS), str(RATE))
                elif name.startswith("bare"):
                    rows[name] = child(sys.executable, "bare", url, str(CALLS))
                else:
                    rows[name] = child(str(peer_python()), "curator", url, str(CALLS))
            except (RuntimeError, subprocess.SubprocessError, OSError) as error:
                print(f"    {name:26} did not finish: {str(error).splitlines()[-1][:90]}")
                told(server)
                continue
            asked, row = told(server), rows[name]
            print(
                f"    {name:26} {row['seconds']:7.2f} s  {row['seconds'] / ideal:5.3f} x ideal  "
                f"{row['cpu_ms']:5.2f} ms CPU a call  answered {row['answered']:.0f}, asked {asked['asked']}",
                flush=True,
            )
    _line("time over ideal", rows["ours"]["seconds"] / ideal, 1.03)
    _line("CPU a call over the bare SDK's", rows["ours"]["cpu_ms"] / rows["bare SDK and a semaphore"]["cpu_ms"], 1.2)


def peer_python() -> Path:
    python = PEER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "bespokelabs-curator==0.1.31"]
        subprocess.run(pip, check=True, capture_output=True)
    return python


def memory() -> None:
    with loopback(0.0, 0.0) as (url, _):
        few = child(sys.executable, "ours", url, "1000", "0")
        many = child(sys.executable, "ours", url, str(MANY), "0", timeout=1800)
    print(
        f"  memory at 1,000 calls {few['rss']:.0f} MB, at {MANY:,} {many['rss']:.0f} MB "
        f"({MANY / many['seconds']:.0f} calls/s without a limit)"
    )
    _line("memory at 100,000 over 1,000", many["rss"] / few["rss"], 1.1)


def faults() -> None:
    """A third of all answers faulty, twenty kills at random moments: what was lost, doubled or paid twice."""
    from benchmarks.fault_server import serving
    from psychocounsel.backends.calls import CallStore
    from psychocounsel.records import Response
    from psychocounsel.tables import read_records

    kinds = ("429", "429 0.05", "500", "reset", "cut", "prose", "refusal", "empty", "types", "trickle")

    def behaviour(text: str, times: int) -> str:
        dice = random.Random(f"{text} {times}")
        return dice.choice(kinds) if dice.random() < 0.3 else "ok"

    with tempfile.TemporaryDirectory() as folder, serving(behaviour, latency=0.02) as server:
        run, recipe = Path(folder) / "run", Path(folder) / "recipe.yaml"
        endpoint = {"base_url": server.url, "concurrency": 8, "attempts": 12, "deadline": 3.0}
        recipe.write_text(json.dumps({"name": "faults", "output": str(run), "endpoints": {"here": endpoint}}))
        settings = ["collect.limit=400", "generate.pool=[here/a, here/b, here/c, here/d]", "generate.per_speech=4"]
        command = [sys.executable, "-m", "psychocounsel", "generate", str(recipe), "--quiet", *settings]
        subprocess.run([*command[:3], "collect", *command[4:]], cwd=ROOT, check=True)
        dice, kills = random.Random(20), 0
        while kills < 20:
            before = sum(server.answered.values())
            process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
            stop_at = before + dice.randint(1, 70)
            while process.poll() is None and sum(server.answered.values()) < stop_at:
                time.sleep(0.003)
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            kills += 1
        subprocess.run(command, cwd=ROOT, check=True)
        responses = read_records(run / "generate" / "responses.parquet", Response)
        store = CallStore(run / "calls.sqlite")
        answers = sum(row["answers"] for row in store.stats())
        lost = [r for r in responses if r.error]
        twice = sum(server.answered.values()) - answers
        neither = sum(1 for r in responses if not r.text and not r.error)
        print(f"  30 % of answers faulty, {kills} kill -9: {len(responses)} rows of 1,600,", end=" ")
        print(f"{len({r.id for r in responses})} different, {len(lost)} lost with a reason, {neither} without either")
        print(f"    paid twice {twice}, in flight at the kills at most {8 * kills}")
        _line("paid twice, over what was in flight", twice / (8 * max(1, kills)), 1.0)


def orders() -> None:
    """Ratings of responses with and without an order to the rater, by two models of the harness that obey orders.

    The first obeys whatever stands outside of the markers, as a model does that heeds its system prompt and can be
    fooled about where the material ends. The second obeys any order that it can read, wherever it stands.
    """
    from benchmarks.obeying import measure

    for name, moved, n in measure():
        print(f"  an order in the text, a model that {name}: {moved} of {n} ratings moved")
        _line("ratings moved", moved / n, 0.01)


def _line(name: str, value: float, asked: float) -> None:
    print(f"    {name:38} {value:8.3f}   asked <= {asked:<6g} {'met' if value <= asked else 'NOT MET'}", flush=True)


if __name__ == "__main__":
    part, url, calls, *rest = sys.argv[1:]
    if part == "ours":
        ours(url, int(calls), float(rest[0]))
    else:
        {"bare": bare, "curator": curator}[part](url, int(calls))
