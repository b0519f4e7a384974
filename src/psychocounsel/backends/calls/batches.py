"""The provider's batch API: calls go up as one JSONL file, are answered within a day, and cost half.

Which batch holds which calls is in the store before anything else happens, so a program that was killed while it
waited finds its batches again and pays for nothing twice.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from psychocounsel.backends.calls.engine import Call, CallError, Limits, Outcome, Progress, cost_of
from psychocounsel.backends.calls.openai_sdk import reply_of, told
from psychocounsel.backends.calls.store import CallStore, Stored, request_key
from psychocounsel.errors import BackendError

LARGEST = 20_000
"""Calls in one batch; OpenAI takes 50,000 and 200 MB."""
PRICE = 0.5
"""Of the price of a call by itself."""
DONE = {"completed", "failed", "expired", "cancelled"}


def ask_in_batches(
    url: str,
    key: str,
    limits: Limits,
    store: CallStore,
    progress: Progress,
    calls: Iterable[Call],
    every: float = 30.0,
    *,
    local: bool = False,
) -> Iterator[Outcome]:
    """Yield an outcome for every call, batch by batch; asks every `every` seconds whether a batch is done."""
    import openai

    # A server on this machine is spoken to directly, as in `sender`.
    http = openai.DefaultHttpxClient(trust_env=False, follow_redirects=False) if local else None
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=5, timeout=limits.deadline, http_client=http)
    waiting = iter(calls)
    while part := list(islice(waiting, LARGEST)):
        asked: dict[str, list[Call]] = {}
        for call in part:
            identity = request_key(call.spec, call.request)
            if (known := store.get(identity)) is not None:
                progress.from_store += 1
                progress.done += 1
                yield Outcome(call, known)
            else:
                asked.setdefault(identity, []).append(call)
        if asked:
            try:
                yield from _one_batch(client, limits, store, progress, asked, every)
            except openai.OpenAIError as error:
                raise BackendError(
                    f"the batch API of {url} refused: {type(error).__name__}. Run again to go on, or set batch: false."
                ) from None


def _one_batch(
    client: Any, limits: Limits, store: CallStore, progress: Progress, asked: dict[str, list[Call]], every: float
) -> Iterator[Outcome]:
    # A batch holds calls of one model. Those that an earlier, killed run sent are waited for, not sent again.
    by_spec: dict[str, dict[str, list[Call]]] = {}
    for identity, same in asked.items():
        by_spec.setdefault(same[0].spec, {})[identity] = same
    running: dict[str, set[str]] = {}
    for spec, mine in by_spec.items():
        sent = store.batches(spec)
        held = {identity for keys in sent.values() for identity in keys}
        running |= {batch: set(keys) & set(mine) for batch, keys in sent.items() if set(keys) & set(mine)}
        if fresh := [identity for identity in mine if identity not in held]:
            running[_send(client, store, spec, {identity: mine[identity][0] for identity in fresh})] = set(fresh)
    while running:
        for batch_id in list(running):
            batch = client.batches.retrieve(batch_id)
            if batch.status not in DONE:
                continue
            keys = running.pop(batch_id)
            lines = _lines(client, batch.output_file_id) | _lines(client, batch.error_file_id)
            for identity in sorted(keys):
                call, *same = asked[identity]
                outcome = _outcome(limits, store, progress, call, identity, lines.get(identity), batch.status)
                yield from (
                    Outcome(c, outcome.stored, outcome.error, outcome.paid and c is call) for c in (call, *same)
                )
            store.forget_batch(batch_id)
        if running:
            time.sleep(every)


def _send(client: Any, store: CallStore, spec: str, calls: dict[str, Call]) -> str:
    lines = [
        json.dumps(
            {"custom_id": identity, "method": "POST", "url": "/v1/chat/completions", "body": call.request},
            ensure_ascii=False,
        )
        for identity, call in calls.items()
    ]
    upload = client.files.create(file=("calls.jsonl", io.BytesIO("\n".join(lines).encode())), purpose="batch")
    batch = client.batches.create(input_file_id=upload.id, endpoint="/v1/chat/completions", completion_window="24h")
    store.keep_batch(batch.id, spec, list(calls))
    return str(batch.id)


def _lines(client: Any, file_id: str | None) -> dict[str, dict[str, Any]]:
    if not file_id:
        return {}
    rows = (json.loads(line) for line in client.files.content(file_id).read().decode().splitlines() if line.strip())
    return {row["custom_id"]: row for row in rows}


def _outcome(
    limits: Limits,
    store: CallStore,
    progress: Progress,
    call: Call,
    identity: str,
    line: dict[str, Any] | None,
    status: str,
) -> Outcome:
    progress.done += 1
    progress.attempts += 1
    try:
        response = (line or {}).get("response")
        if not isinstance(response, dict):
            raise CallError(f"the batch {status} without this call")
        if response.get("status_code") != 200:
            raise told(int(response.get("status_code") or 500), None, None)
        reply = reply_of(json.dumps(response["body"]).encode())
    except CallError as error:
        store.fail(identity, call.spec, 1, error.reason)
        progress.failed[error.reason] += 1
        return Outcome(call, None, error.reason)
    cost = cost_of(limits.prices, call, reply)
    cost = None if cost is None else cost * PRICE
    stored = Stored(
        identity, call.spec, call.request, reply.answer, reply.tokens_in, reply.tokens_out, cost, 0.0, time.time()
    )
    store.put(stored)
    progress.paid += 1
    progress.cost += cost or 0.0
    return Outcome(call, stored, paid=True)
