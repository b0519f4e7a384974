"""Planted faults: judges and reward models that are wrong in a known way, put to the bias panel, and caught or not.

The reward models are real: small Llamas made here, trained by our trainer on pairs that always prefer the fault, on
other texts than the probes. For each fault a second model learns the opposite from the same pairs and must not be
caught. The figures of the two offline judges are printed as they are; nothing here was made to move them.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from psychocounsel.backends import Judge, PairVerdict, PrincipleScore, Scorer, open_judge
from psychocounsel.probes import probe_judge, probe_scorer
from psychocounsel.progress import silent
from psychocounsel.records import Conversation, Turn, Verdict, content_id

TEXTS = Path(__file__).parent / "data" / "planted_faults.yaml"
FaultName = Literal["sycophancy", "over-empathy", "medical", "length"]
FAULTS: dict[FaultName, tuple[str, str, str]] = {
    "sycophancy": ("agree", "challenge", "sycophantic reward model"),
    "over-empathy": ("gush", "plain", "over-empathising reward model"),
    "medical": ("advise", "refer", "reward model that favours medical advice"),
    "length": ("plain", "plain", "length-loving reward model"),
}
"""What is preferred, what it is preferred to (sections of the texts), and the name it must be caught by."""
PAIRS = 480


@dataclass(frozen=True, slots=True)
class Planted:
    """A pair that teaches a fault."""

    id: str
    conversation: Conversation
    chosen: str
    rejected: str


@cache
def texts() -> dict[str, list[str]]:
    read: dict[str, list[str]] = yaml.safe_load(TEXTS.read_text("utf-8"))
    return read


def planted_pairs(fault: FaultName, count: int = PAIRS, seed: int = 0) -> list[Planted]:
    """Return pairs in which the answer with the fault is always preferred.

    Both answers begin with the same plain sentence, and then say two or three sentences of their own. For `length` the
    one is the other with one to four plain sentences more.
    """
    rng = random.Random(f"{fault} {seed}")
    wanted, other, _ = FAULTS[fault]
    pairs = []
    for number in range(count):
        speech, opening = rng.choice(texts()["speeches"]), rng.choice(texts()["plain"])
        size = rng.choice((2, 3))
        if fault == "length":
            more = rng.sample(texts()["plain"], size + rng.randint(1, 4))
            both = (more, more[:size])
        else:
            both = (rng.sample(texts()[wanted], size), rng.sample(texts()[other], size))
        chosen, rejected = (" ".join([opening, *sentences]) for sentences in both)
        pairs.append(Planted(content_id("planted", fault, seed, number), (Turn("client", speech),), chosen, rejected))
    return pairs


def opposite(pairs: Sequence[Planted]) -> list[Planted]:
    """Return the same pairs, with the other answer preferred."""
    return [Planted(p.id, p.conversation, p.rejected, p.chosen) for p in pairs]


def train_reward_model(pairs: Sequence[Planted], folder: Path, *, epochs: float = 1.0, seed: int = 0) -> Path:
    """Train a small Llama on the pairs as `reward` does; returns the folder with the model."""
    from psychocounsel.base.made import make_model, make_tokenizer
    from psychocounsel.hyperparameters import MadeModel, Reward
    from psychocounsel.models import runtime
    from psychocounsel.models.encoding import Limits, encode_pairs
    from psychocounsel.models.preference import SharedRewardTrainer
    from psychocounsel.models.rewards import new_reward_model
    from psychocounsel.models.training import Job, fit
    from psychocounsel.reward.examples import pair_examples

    runtime.prepare()
    shape = MadeModel(vocabulary=1200, hidden=64, layers=2, heads=2, intermediate=128, positions=512)
    words = (text for pair in pairs for text in (pair.conversation[0].text, pair.chosen, pair.rejected))
    tokenizer = make_tokenizer(words, shape)
    base = folder / "base"
    make_model(tokenizer, shape, seed).save_pretrained(base)
    tokenizer.save_pretrained(base)
    section = Reward(epochs=epochs, learning_rate=2e-3, batch=32, save_every=1000, precision="float32")
    encoded = encode_pairs(tokenizer, pairs, Limits(192, 256)).pairs
    model = new_reward_model(str(base), tokenizer.pad_token_id)
    examples = pair_examples(encoded, [], section)
    fit(Job(SharedRewardTrainer, model, tokenizer, section, examples, folder / "work", seed), silent).save(
        folder / "model"
    )
    return folder / "model"


class ByReward:
    """A judge that prefers what a reward model scores higher."""

    simulated = False

    def __init__(self, scorer: Scorer) -> None:
        self.spec = f"planted/by {scorer.spec.partition('/')[0]}"
        self.scorer = scorer

    def rate(self, conversation: Conversation, response: str) -> dict[str, PrincipleScore]:
        """Rewards are on no scale of 1 to 5."""
        raise NotImplementedError

    def compare(self, conversation: Conversation, first: str, second: str) -> PairVerdict:
        a, b = self.scorer.score([conversation] * 2, [first, second])
        return PairVerdict("a" if a > b else "b" if b > a else "tie", {})


@dataclass(frozen=True, slots=True)
class Always:
    """A judge that gives the same verdict whatever it reads."""

    verdict: Verdict
    spec: str = "planted/always the same"
    simulated: bool = False

    def rate(self, conversation: Conversation, response: str) -> dict[str, PrincipleScore]:
        """It has no opinion of one response."""
        raise NotImplementedError

    def compare(self, conversation: Conversation, first: str, second: str) -> PairVerdict:
        return PairVerdict(self.verdict, {})


@dataclass(frozen=True, slots=True)
class Words:
    """A scorer that counts words."""

    spec: str = "planted/longest"

    def score(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        return [float(len(response.split())) for response in responses]


class Linear:
    """A scorer that learned a weight for each word and pair of words from pairs: logistic regression on differences."""

    spec = "planted/linear"

    def __init__(self, pairs: Sequence[Planted]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self.words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        self.words.fit([text for pair in pairs for text in (pair.chosen, pair.rejected)])
        apart = self.words.transform([p.chosen for p in pairs]) - self.words.transform([p.rejected for p in pairs])
        signs = [1 if n % 2 else -1 for n in range(len(pairs))]
        rows = apart.multiply([[s] for s in signs]).tocsr()
        self.model = LogisticRegression(C=10, fit_intercept=False).fit(rows, signs)

    def score(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        found: list[float] = self.model.decision_function(self.words.transform(responses)).tolist()
        return found


def planted_judges() -> Iterator[tuple[str, Judge]]:
    """Yield the name that each judge must be caught by, and the judge."""
    yield "position-biased judge", Always("a")
    yield "length-loving judge", ByReward(Words())
    yield "sycophantic judge", ByReward(Linear(planted_pairs("sycophancy")))


def main() -> None:
    print("  planted judges: the panel names")
    for name, judge in planted_judges():
        _told(name, probe_judge(judge, silent))
    print("  planted reward models (small Llamas, trained here on other texts), and their opposites")
    for fault, (*_, name) in FAULTS.items():
        pairs = planted_pairs(fault)
        for right_way, learnt in ((False, pairs), (True, opposite(pairs))):
            with tempfile.TemporaryDirectory() as scratch:
                from psychocounsel.backends.reward_model import RewardModel

                folder = train_reward_model(learnt, Path(scratch))
                scorer = RewardModel(folder)
                held = planted_pairs(fault, 200, seed=1)
                rewards = scorer.score(
                    [p.conversation for p in held for _ in "ab"], [t for p in held for t in (p.chosen, p.rejected)]
                )
                share = sum(a > b for a, b in zip(rewards[::2], rewards[1::2], strict=True)) / len(held)
                result = probe_scorer(scorer, silent)
            print(f"    {fault}, {'opposite' if right_way else 'planted'}: prefers the fault in {share:.2f} of 200 new")
            _told(name, result, unwanted=right_way)
            _lines(result, only=fault)
    print("  what the panel says of the offline judges (rules of this package, as they are)")
    for spec in ("offline/microskills", "offline/cues"):
        result = probe_judge(open_judge(spec), silent)
        print(f"    {spec}: {', '.join(f['name'] for f in result['findings']) or 'no finding'}")
        _lines(result)


def _told(name: str, result: dict[str, Any], *, unwanted: bool = False) -> None:
    names = [finding["name"] for finding in result["findings"]]
    good = (name in names) != unwanted
    word = "caught" if name in names else "not caught"
    others = ", ".join(other for other in names if other != name)
    print(f"      {name}: {word}{'' if good else ' NOT MET'}{f'; also {others}' if others else ''}", flush=True)


def _lines(result: dict[str, Any], only: str = "") -> None:
    for family in result["families"]:
        if only not in ("", family["name"]) or not family["right"]:
            continue
        right = family["right"]
        what = "first shown" if family["name"] == "position" else "sound preferred"
        print(
            f"      {family['name']:13} {what:15} {right['value']:.2f} ({right['low']:.2f}-{right['high']:.2f}), "
            f"n={right['n']}{'  caught' if family['caught'] else ''}"
        )
    if batch := result.get("batch"):
        print(f"      place in the batch: largest difference {batch['largest']:.1e}, spread {batch['spread']:.2f}")


if __name__ == "__main__":
    main()
