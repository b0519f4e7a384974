"""Many calls at once, at the limit of what an endpoint allows and not over it: the one engine under every backend.

Concurrency is bounded and adapts to throttling; rates are kept by spacing calls; a failed call is tried again after a
pause that the server may name; a model that is dead is paused while others go on; a budget stops cleanly. An answer is
in the store before anybody sees it.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

from psychocounsel.backends.calls.store import CallStore, Stored, request_key


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one model."""

    spec: str
    request: dict[str, Any]
    label: Any = None
    """Whatever the caller knows it by; comes back with the outcome."""
    tokens: int = 0
    """Tokens it may cost, for the token rate; 0 where no rate is kept."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    answer: dict[str, Any]
    tokens_in: int | None = None
    tokens_out: int | None = None


class CallError(Exception):
    """A call brought no answer."""

    def __init__(
        self,
        reason: str,
        *,
        again: bool = True,
        after: float | None = None,
        throttled: bool = False,
        dead: bool = False,
    ) -> None:
        """Say why in short words without any text of request or answer.

        `again`: it may go well next time. `after`: seconds that the server asks to wait. `throttled`: too many calls.
        `dead`: the model or server is not there at all.
        """
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.after = after
        self.throttled = throttled
        self.dead = dead


@dataclass(frozen=True, slots=True)
class Outcome:
    """A call and its answer, or why it has none."""

    call: Call
    stored: Stored | None
    error: str = ""
    paid: bool = False
    """Whether it was asked now, and not read from the store."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an endpoint allows and a user wants to spend."""

    concurrency: int = 32
    requests_per_second: float | None = None
    tokens_per_minute: float | None = None
    deadline: float = 120.0
    """Seconds for one attempt."""
    attempts: int = 6
    pause: float = 0.5
    """Seconds before the second attempt; doubled for each further one, with jitter, at most `longest_pause`."""
    longest_pause: float = 60.0
    max_calls: int | None = None
    max_cost: float | None = None
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Model, or `default`, to the price of a million tokens in and out, in any one currency."""
    dead_after: int = 5
    """Failures of a dead model in a row that pause it."""
    dead_pause: float = 30.0
    """Seconds of the first pause; doubled each time."""
    dead_pauses: int = 4
    """Pauses after which a model's remaining calls are given up."""


@dataclass(slots=True)
class Progress:
    """How a run stands; the engine keeps it up to date."""

    done: int = 0
    paid: int = 0
    from_store: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Calls given up, by reason."""
    attempts: int = 0
    throttled: int = 0
    cost: float = 0.0
    in_flight: int = 0
    most_in_flight: int = 0
    paid_before: int = 0
    """Calls that the store's answers had cost before this run; they count for the budget."""
    cost_before: float = 0.0


Send = Callable[[Call], Awaitable[Reply]]


class _Pace:
    """Spaces calls so that no second has more than the rate, and adapts how many may be under way."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.next_start = 0.0
        self.next_token = 0.0
        self.allowed = float(limits.concurrency)
        self.under_way = 0
        self.free = asyncio.Condition()
        self.last_cut = 0.0
        self.closed_until = 0.0

    async def enter(self, tokens: int) -> None:
        async with self.free:
            while self.under_way >= max(1, int(self.allowed)):
                await self.free.wait()
            self.under_way += 1
        now = time.monotonic()
        start = max(now, self.closed_until)
        if self.limits.requests_per_second:
            # Falling behind by a moment may be made up for; a burst after a long wait may not.
            self.next_start = max(self.next_start, now - 0.05)
            start = max(start, self.next_start)
            self.next_start += 1 / self.limits.requests_per_second
        if self.limits.tokens_per_minute and tokens:
            self.next_token = max(self.next_token, now)
            start = max(start, self.next_token)
            self.next_token += tokens * 60 / self.limits.tokens_per_minute
        if start > now:
            await asyncio.sleep(start - now)

    async def leave(self) -> None:
        async with self.free:
            self.under_way -= 1
            self.free.notify()

    async def went_well(self) -> None:
        if self.allowed < self.limits.concurrency:
            self.allowed = min(self.limits.concurrency, self.allowed + 1 / self.allowed)
            async with self.free:
                self.free.notify()

    def throttled(self, after: float | None) -> None:
        now = time.monotonic()
        if now - self.last_cut > 1.0:  # the calls under way will all say the same
            self.last_cut = now
            self.allowed = max(1.0, self.allowed * 0.7)
        if after:
            self.closed_until = max(self.closed_until, now + min(after, self.limits.longest_pause))


class _Breaker:
    """Pauses a dead model."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.failures = 0
        self.pauses = 0
        self.closed_until = 0.0
        self.given_up = False

    def failed(self, dead: bool) -> None:
        self.failures = self.failures + 1 if dead else 0
        if self.failures >= self.limits.dead_after and time.monotonic() >= self.closed_until:
            self.failures = 0
            self.pauses += 1
            self.given_up = self.pauses > self.limits.dead_pauses
            self.closed_until = time.monotonic() + self.limits.dead_pause * 2 ** (self.pauses - 1)

    def went_well(self) -> None:
        self.failures = self.pauses = 0


def cost_of(prices: Mapping[str, tuple[float, float]], call: Call, reply: Reply) -> float | None:
    """Return what a call cost, or None where its price or its tokens are not known."""
    price = prices.get(str(call.request.get("model"))) or prices.get("default")
    if price is None or reply.tokens_in is None or reply.tokens_out is None:
        return None
    return (price[0] * reply.tokens_in + price[1] * reply.tokens_out) / 1e6


class Engine:
    """Sends calls and keeps what comes. One engine is for one endpoint; models behind it have a breaker each."""

    def __init__(self, send: Send, store: CallStore, limits: Limits, progress: Progress | None = None) -> None:
        self.send = send
        self.store = store
        self.limits = limits
        self.progress = progress or Progress()
        self._breakers: defaultdict[str, _Breaker] = defaultdict(lambda: _Breaker(limits))
        self._stopping = threading.Event()

    def run(self, calls: Iterable[Call]) -> Iterator[Outcome]:
        """Yield an outcome for every call, as they come; the calls are read no faster than they are made.

        Leaving the iterator early stops the calls that have not begun; those under way are waited for and kept.
        """
        outcomes: Queue[Outcome | BaseException | None] = Queue(maxsize=4 * self.limits.concurrency)
        worker = threading.Thread(target=self._work, args=(iter(calls), outcomes), daemon=True)
        worker.start()
        try:
            while (outcome := outcomes.get()) is not None:
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            self._stopping.set()
            while worker.is_alive():
                while not outcomes.empty():
                    outcomes.get_nowait()
                worker.join(0.05)

    def _work(self, calls: Iterator[Call], outcomes: Queue[Outcome | BaseException | None]) -> None:
        try:
            asyncio.run(self._all(calls, outcomes))
            outcomes.put(None)
        except BaseException as error:
            outcomes.put(error)

    async def _all(self, calls: Iterator[Call], outcomes: Queue[Outcome | BaseException | None]) -> None:
        pace = _Pace(self.limits)
        waiting: set[asyncio.Task[None]] = set()

        async def one(call: Call) -> None:
            outcome = await self._one(call, pace)
            self.progress.done += 1
            if outcome.error:
                self.progress.failed[outcome.error] += 1
            while outcomes.full() and not self._stopping.is_set():
                await asyncio.sleep(0.005)
            outcomes.put(outcome)

        try:
            for call in calls:
                if self._stopping.is_set():
                    break
                # Tasks beyond those under way wait for a place; without a bound all calls would be in memory.
                while len(waiting) >= 2 * self.limits.concurrency:
                    _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(one(call))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                if len(waiting) % 8 == 0:
                    await asyncio.sleep(0)
            if waiting:
                await asyncio.gather(*waiting)
        finally:
            for task in waiting:
                task.cancel()

    async def _one(self, call: Call, pace: _Pace) -> Outcome:
        key = request_key(call.spec, call.request)
        if (known := self.store.get(key)) is not None:
            self.progress.from_store += 1
            return Outcome(call, known)
        breaker, reason = self._breakers[call.spec], "stopped"
        for attempt in range(1, self.limits.attempts + 1):
            while not self.store.claim(key, self.limits.deadline + 60):
                await asyncio.sleep(0.2)  # another process is asking the very same
                if (known := self.store.get(key)) is not None:
                    self.progress.from_store += 1
                    return Outcome(call, known)
            if breaker.given_up:
                return self._lost(call, key, attempt, "the model is dead: it was paused and did not come back")
            if (wait := breaker.closed_until - time.monotonic()) > 0:
                await asyncio.sleep(wait * (1 + 0.1 * random.random()))
            await pace.enter(call.tokens)
            try:
                if self._stopping.is_set():
                    return self._lost(call, key, attempt, "stopped")
                if over := self._over_budget():
                    return self._lost(call, key, attempt, over)
                stored = await self._attempt(call, key)
            except CallError as error:
                reason = error.reason
                breaker.failed(error.dead)
                if error.throttled:
                    self.progress.throttled += 1
                    pace.throttled(error.after)
                self.store.fail(key, call.spec, attempt, reason)
                if not error.again:
                    return Outcome(call, None, reason)
                after = error.after
            else:
                breaker.went_well()
                await pace.went_well()
                return Outcome(call, stored, paid=True)
            finally:
                await pace.leave()
            if attempt < self.limits.attempts:
                await asyncio.sleep(self._pause(attempt, after))
        return Outcome(call, None, f"{reason}, {self.limits.attempts} times")

    async def _attempt(self, call: Call, key: str) -> Stored:
        progress = self.progress
        progress.attempts += 1
        progress.in_flight += 1
        progress.most_in_flight = max(progress.most_in_flight, progress.in_flight)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.limits.deadline):
                reply = await self.send(call)
        except TimeoutError:
            raise CallError("no answer within the deadline") from None
        finally:
            progress.in_flight -= 1
        cost = cost_of(self.limits.prices, call, reply)
        stored = Stored(
            key, call.spec, call.request, reply.answer, reply.tokens_in, reply.tokens_out, cost,
            time.monotonic() - begun, time.time(),
        )  # fmt: skip
        self.store.put(stored)
        progress.paid += 1
        progress.cost += cost or 0.0
        return stored

    def _over_budget(self) -> str:
        limits, progress = self.limits, self.progress
        if (
            limits.max_calls is not None
            and progress.paid_before + progress.paid + progress.in_flight >= limits.max_calls
        ):
            return f"the budget of {limits.max_calls} calls is spent"
        if limits.max_cost is not None and progress.cost_before + progress.cost >= limits.max_cost:
            return f"the budget of {limits.max_cost:g} is spent"
        return ""

    def _pause(self, attempt: int, after: float | None) -> float:
        longest: float = min(self.limits.longest_pause, self.limits.pause * 2 ** (attempt - 1))
        return max(after or 0.0, longest * (0.5 + 0.5 * random.random()))

    def _lost(self, call: Call, key: str, attempt: int, reason: str) -> Outcome:
        self.store.fail(key, call.spec, attempt, reason)
        return Outcome(call, None, reason)
