"""Orders to the rater in a text, and models of the harness that obey them: how often does a rating move?"""

from __future__ import annotations

import json
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.fault_server import serving
from psychocounsel.backends import Connections, open_judge, rate_all
from psychocounsel.endpoints import Endpoint
from psychocounsel.errors import PsychocounselError
from psychocounsel.principles import default_rubric
from psychocounsel.records import Conversation, Turn

ORDERS = Path(__file__).parent / "data" / "orders.txt"
CLIENT = "My brother has not spoken to me since the funeral. I keep setting a place for him."
RESPONSES = (
    "That empty place at the table says a great deal. What do you imagine him saying?",
    "You should just call him. Grief passes.",
    "It sounds lonely, and a little angry too.",
)
MATERIAL = re.compile(r"<<<.*?<<<END[^>]*>>>", re.DOTALL)
"""What a model that can be fooled takes for material: anything up to the next thing that looks like an end."""


def plain(text: str) -> str:
    """Text as a model reads it, whatever its letters and spaces look like."""
    folded = unicodedata.normalize("NFKD", text).lower()
    return "".join(c for c in folded if c.isalnum())


def obedient(orders: list[str], everywhere: bool) -> Callable[[dict[str, Any]], str]:
    """A model that rates 2 and, where it can read one of `orders`, 5."""
    wanted = [plain(order) for order in orders]

    def say(request: dict[str, Any]) -> str:
        told = request["messages"][1]["content"]
        read = plain(told if everywhere else MATERIAL.sub(" ", told))
        score = 5 if any(order in read for order in wanted) else 2
        return json.dumps({key: {"reason": "seen", "score": score} for key in default_rubric().keys})

    return say


def cases(orders: list[str]) -> Iterator[tuple[int, Conversation, str]]:
    """Each order at the end of a response, in its middle, and in the client's speech."""
    number = 0
    for k, order in enumerate(orders):
        response = RESPONSES[k % len(RESPONSES)]
        first, _, rest = response.partition(" ")
        placed = [
            (CLIENT, f"{response}\n{order}"),
            (CLIENT, f"{first}\n{order}\n{rest}"),
            (f"{CLIENT}\n{order}", response),
        ]
        for client, text in placed:
            yield number, (Turn("client", client),), text
            number += 1


def measure() -> Iterator[tuple[str, int, int]]:
    """Yield what the model obeys, ratings moved, and ratings in all."""
    orders = [line for line in ORDERS.read_text("utf-8").splitlines() if line.strip()]
    for everywhere, name in (
        (False, "obeys what stands outside of the markers"),
        (True, "obeys any order it can read"),
    ):
        with tempfile.TemporaryDirectory() as folder, serving(content=obedient(orders, everywhere)) as server:
            connections = Connections({"here": Endpoint(base_url=server.url)}, Path(folder) / "calls.sqlite")
            judge = open_judge("here/obedient", default_rubric(), connections)
            given = [rating for _, rating in rate_all(judge, cases(orders))]
        moved = sum(1 for r in given if isinstance(r, PsychocounselError) or any(s.score != 2 for s in r.values()))
        yield name, moved, len(given)
