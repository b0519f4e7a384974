"""A recipe's servers, opened: one engine each, one store for all, and nothing sent that the recipe does not allow."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from psychocounsel.backends.calls.batches import ask_in_batches
from psychocounsel.backends.calls.engine import Call, Engine, Limits, Outcome, Progress
from psychocounsel.backends.calls.openai_sdk import key_from, sender
from psychocounsel.backends.calls.store import CallStore
from psychocounsel.endpoints import Endpoint, server_of
from psychocounsel.errors import BackendError
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech


def is_loopback(url: str) -> bool:
    """Return whether `url` is this machine, by number or as localhost; no name is looked up: that would be a call."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(slots=True)
class Connection:
    """One server."""

    name: str
    endpoint: Endpoint
    store: CallStore
    progress: Progress = field(default_factory=Progress)
    begun: float = field(default_factory=time.monotonic)

    def ask(self, calls: Iterable[Call]) -> Iterator[Outcome]:
        """Yield an outcome for every call, as they come. Raises BackendError where a key is needed and unset."""
        endpoint = self.endpoint
        key = key_from(endpoint.key_variable)
        if endpoint.batch:
            local = is_loopback(endpoint.url)
            return ask_in_batches(endpoint.url, key, self.limits(), self.store, self.progress, calls, local=local)
        send = sender(endpoint.url, key, endpoint.deadline, local=is_loopback(endpoint.url))
        return Engine(send, self.store, self.limits(), self.progress).run(calls)

    def limits(self) -> Limits:
        endpoint = self.endpoint
        return Limits(
            concurrency=endpoint.concurrency,
            requests_per_second=endpoint.requests_per_second,
            tokens_per_minute=endpoint.tokens_per_minute,
            deadline=endpoint.deadline,
            attempts=endpoint.attempts,
            max_calls=endpoint.max_calls,
            max_cost=endpoint.max_cost,
            prices={name: (price.input, price.output) for name, price in endpoint.prices.items()},
        )


class Connections:
    """The servers of a run. Opens the store with the first one that is asked for."""

    def __init__(self, endpoints: dict[str, Endpoint], store: Path) -> None:
        self.endpoints = endpoints
        self.path = store
        self._store: CallStore | None = None
        self._open: dict[str, Connection] = {}

    @classmethod
    def of(cls, recipe: Recipe) -> Connections:
        return cls(recipe.endpoints, recipe.call_store)

    def to(self, name: str) -> Connection:
        """Return the connection to the endpoint `name`. Raises BackendError where the recipe has none of that name."""
        if name not in self._open:
            if name != "openai" and name not in self.endpoints:
                raise BackendError(f"{name} is no endpoint of this recipe. Add it under endpoints, with its base_url.")
            if self._store is None:
                self._store = CallStore(self.path)
            before, cost = self._store.paid(f"{name}/")
            progress = Progress(paid_before=before, cost_before=cost)
            self._open[name] = Connection(name, self.endpoints.get(name, Endpoint()), self._store, progress)
        return self._open[name]

    def told(self) -> str:
        """Return rate, spend and failures so far in a few words; empty where no server was asked."""
        parts = []
        for name, c in sorted(self._open.items()):
            progress = c.progress
            seconds = max(1e-9, time.monotonic() - c.begun)
            cost = f", {progress.cost:.4f} spent" if progress.cost else ""
            failed = f", {sum(progress.failed.values())} failed" if progress.failed else ""
            parts.append(f"{name} {progress.paid / seconds:.1f}/s{cost}{failed}")
        return "; ".join(parts)

    def spent(self) -> dict[str, Any]:
        """Return what was paid and what failed, by endpoint, for the manifest."""
        return {
            name: {
                "paid": c.progress.paid,
                "from_store": c.progress.from_store,
                "attempts": c.progress.attempts,
                "cost": round(c.progress.cost, 6),
                "failed": dict(sorted(c.progress.failed.items())),
            }
            for name, c in sorted(self._open.items())
        }


def check_egress(recipe: Recipe, specs: Iterable[str], speeches: Sequence[ClientSpeech]) -> None:
    """Refuse what the recipe does not let out. Raises BackendError before a byte is sent.

    `speeches` are what would be sent: under `de-identified`, each must have been through de-identification, unless it
    comes from the example corpus, which was invented.
    """
    away = sorted({name for spec in specs if (name := server_of(spec)) and not is_loopback(recipe.endpoint(name).url)})
    if not away:
        return
    where = ", ".join(f"{name} ({urlsplit(recipe.endpoint(name).url).hostname})" for name in away)
    if recipe.egress == "local-only":
        raise BackendError(
            f"egress is local-only, and {where} is not on this machine. Name a server on 127.0.0.1, or change egress."
        )
    raw = sum(1 for speech in speeches if not speech.deidentified)
    if recipe.egress == "de-identified" and raw and recipe.collect.source != "example":
        raise BackendError(
            f"{raw} of {len(speeches)} client speeches have not been through de-identification and would be sent to "
            f"{where}. "
            "Set collect.deidentify: true, use a server on this machine, or, if you may, write "
            '"egress: raw client text may leave this machine" in the recipe.'
        )
