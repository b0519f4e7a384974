"""What a run found, in sentences made from its figures."""

from __future__ import annotations

from typing import Any

from psychocounsel.report.words import (
    SETTING_NAMES,
    has_interval,
    interval,
    is_number,
    listed,
    number,
    percent,
    plural,
    signed,
)

LOST_WORTH_TELLING = 0.05
"""Share of speeches without a verdict above which the headline says so."""


def headline(summary: dict[str, Any]) -> list[str]:
    """Return the sentences in order; a part that was not made gives one that says so."""
    return [
        *_wins(summary),
        *_checkpoint(summary["alignment"]),
        *_reward(summary["reward"]),
        *_against_paper(summary),
    ]


def _measured(figure: dict[str, Any], what: str = "n") -> str:
    interval_words = f"95 % interval {interval(figure)}" if has_interval(figure) else "no interval"
    return f"{percent(figure['value'])} % ({interval_words}; {what} = {figure['n']:,})"


def _wins(summary: dict[str, Any]) -> list[str]:
    wins = summary["win_rates"]
    if wins is None:
        return ["This run holds no evaluation: there is no win rate to tell."]
    rate = {(r["setting"], r["model"]): r for r in wins["rates"]}
    changes = {(c["setting"], c["model"]): c["change"] for c in wins["change_from_base"]}
    limit = {"free": "with no length limit", "length-constrained": f"with at most {wins['max_words']} words"}
    sentences = []
    for setting in SETTING_NAMES:
        row = rate.get((setting, "dpo-iter"))
        if row is None or not is_number(row["win_rate"]["value"]):
            continue
        figure = row["win_rate"]
        text = (
            f"{limit[setting].capitalize()}, the aligned policy (+DPO-Iter) was preferred over {wins['reference']} in "
            f"{_measured(figure, 'speeches')} of comparisons, ties counting one half."
        )
        text += _against_half(figure)
        base = rate.get((setting, "base"))
        if base is not None:
            text += f" The base policy: {percent(base['win_rate']['value'])} %"
            text += _change(changes.get((setting, "dpo-iter")))
        if row["asked"] and (lost := row["asked"] - figure["n"]) / row["asked"] > LOST_WORTH_TELLING:
            text += f" {lost:,} of {plural(row['asked'], 'speech', 'speeches')} got no verdict and are not in this figure."
        sentences.append(text)
    return sentences or ["The evaluation holds no figure for +DPO-Iter."]


def _against_half(figure: dict[str, Any]) -> str:
    if not has_interval(figure):
        return " Without an interval it cannot be said whether that differs from 50 %."
    if figure["low"] <= 0.5 <= figure["high"]:
        return " The interval includes 50 %: at this n neither of the two can be called better."
    return " The whole interval lies above 50 %." if figure["low"] > 0.5 else " The whole interval lies below 50 %."


def _change(change: dict[str, Any] | None) -> str:
    if change is None:
        return "."
    text = f", a change of {signed(100 * change['value'])} points (95 % interval {interval(change)}"
    text += f"; {plural(change['n'], 'speech', 'speeches')} judged for both)."
    if change["low"] <= 0 <= change["high"]:
        text += " That interval includes no change."
    return text


def _checkpoint(alignment: dict[str, Any] | None) -> list[str]:
    if alignment is None:
        return ["This run holds no alignment."]
    steps = {row["step"]: row for row in alignment["curves"]}
    chosen, base = steps.get(alignment["chosen"]), steps.get("base")
    if chosen is None or base is None:
        return [f"The checkpoint chosen is {alignment['chosen']}."]
    candidates = [name for name in steps if name != "base"]
    text = (
        f"The checkpoint chosen is {chosen['step']}, by mean reward on {plural(chosen['n'], 'answer')} to development "
        f"speeches ({number(chosen['reward'])}, base {number(base['reward'])}), out of {listed(candidates)}."
    )
    if alignment["rounds"] == 0:
        text += " No online round was run, so that +DPO-Iter is the offline DPO policy."
    elif chosen["step"] == "dpo":
        text += " The online rounds did not raise the reward, so that +DPO-Iter is the offline DPO policy."
    if is_number(chosen["reward"]) and is_number(base["reward"]) and chosen["reward"] <= base["reward"]:
        text += " Its reward is no higher than the base policy's."
    if alignment["much_longer"]:
        text += (
            f" Its answers are {percent(alignment['length_growth'], 0)} % longer than the base policy's "
            f"({number(chosen['words'], 1)} words against {number(base['words'], 1)}); judges tend to favour length."
        )
    return [text]


def _reward(reward: dict[str, Any] | None) -> list[str]:
    if reward is None:
        return ["This run holds no reward model."]
    overall = reward["overall"]
    figure = overall["accuracy"]
    text = (
        f"The reward model gives the chosen response the higher reward in {_measured(figure, 'test pairs')}; "
        f"AUC {number(overall['auc']['value'], 3)}, calibration error {number(overall['ece']['value'], 3)}, "
        f"Brier score {number(overall['brier']['value'], 3)}."
    )
    longer = reward["length"].get("longer_is_chosen")
    if is_number(longer):
        text += f" Always taking the longer response would be right in {percent(longer)} %."
        if has_interval(figure) and figure["low"] <= longer:
            text += " The reward model is not clearly better than that."
    return [text]


def _against_paper(summary: dict[str, Any]) -> list[str]:
    targets = summary["targets"]
    if not targets:
        return []
    short = [t for t in targets if not t["met"]]
    if short:
        phrases = [f"{_lower(t['label'])} ({shown(t, t['figure']['value'])} against {shown(t, t['paper'])})" for t in short]
        text = f"Beside the paper's best figures the run fell short in {len(short)} of {len(targets)}: {listed(phrases)}."
        near = [t for t in short if t["interval_includes_paper"]]
        if near:
            text += f" In {len(near)} of these the interval includes the paper's figure."
    else:
        text = f"All {len(targets)} figures that the paper also gives are met."
    text += " The paper's are on other data, with GPT-4o as judge and as reference."
    if summary["simulated"]:
        text += " As this run is simulated, nothing follows from the comparison but that the parts work together."
    return [text]


def _lower(label: str) -> str:
    return label[0].lower() + label[1:]


def shown(target: dict[str, Any], value: Any) -> str:
    """Return a value in the unit in which the paper gives it."""
    if target["key"] == "accuracy" or target["key"].startswith("win "):
        return f"{percent(value)} %"
    return number(value, 3)
