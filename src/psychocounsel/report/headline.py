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
PC = "\N{NO-BREAK SPACE}%"


def headline(summary: dict[str, Any]) -> list[str]:
    """Return the paragraphs in order; a part that was not made gives one that says so."""
    return [
        *_wins(summary["win_rates"]),
        *_checkpoint(summary["alignment"]),
        *_reward(summary["reward"]),
        *_against_paper(summary),
    ]


def _measured(figure: dict[str, Any], of: str, of_many: str = "") -> str:
    interval_words = f"95{PC} interval {interval(figure)}" if has_interval(figure) else "no interval"
    return f"({interval_words}; n = {plural(figure['n'], of, of_many)})"


def _wins(wins: dict[str, Any] | None) -> list[str]:
    if wins is None:
        return ["This run holds no evaluation: there is no win rate to tell."]
    rate = {(r["setting"], r["model"]): r for r in wins["rates"]}
    rows = [rate[s, "dpo-iter"] for s in SETTING_NAMES if (s, "dpo-iter") in rate]
    rows = [row for row in rows if is_number(row["win_rate"]["value"])]
    if not rows:
        return ["The evaluation holds no figure for +DPO-Iter."]
    limit = {"free": "with no length limit", "length-constrained": f"with at most {wins['max_words']} words"}
    won = [percent(row["win_rate"]["value"]) + PC for row in rows]
    won[0] += " of comparisons"
    measured = [_measured(row["win_rate"], "speech", "speeches") for row in rows]
    parts = [f"{w} {limit[r['setting']]} {m}" for w, r, m in zip(won, rows, measured, strict=True)]
    lead = f"Against {wins['reference']}, the aligned policy (+DPO-Iter) won {listed(parts)}."
    changes = {c["setting"]: c["change"] for c in wins["change_from_base"] if c["model"] == "dpo-iter"}
    read = []
    for row in rows:
        setting = row["setting"]
        text = limit[setting].capitalize() + _against_half(row["win_rate"])
        if (setting, "base") in rate:
            text += f" The base policy reached {percent(rate[setting, 'base']['win_rate']['value'])}{PC}"
            text += _change(changes.get(setting))
        lost = row["asked"] - row["win_rate"]["n"]
        if lost > LOST_WORTH_TELLING * row["asked"]:
            asked = plural(row["asked"], "speech", "speeches")
            text += f" {lost:,} of {asked} got no verdict and are not in these figures."
        read.append(text)
    return [lead, *read]


def _against_half(figure: dict[str, Any]) -> str:
    if not has_interval(figure):
        return f" there is no interval, so that it cannot be said whether the win rate differs from 50{PC}."
    if figure["low"] <= 0.5 <= figure["high"]:
        return f" the interval includes 50{PC}: at this n neither of the two can be called better."
    return f" the whole interval lies {'above' if figure['low'] > 0.5 else 'below'} 50{PC}."


def _change(change: dict[str, Any] | None) -> str:
    if change is None:
        return "."
    text = f"; on the {plural(change['n'], 'speech', 'speeches')} judged for both, the change is"
    text += f" {signed(100 * change['value'])} points (95{PC} interval {interval(change)})"
    return text + (", which includes no change." if change["low"] <= 0 <= change["high"] else ".")


def _checkpoint(alignment: dict[str, Any] | None) -> list[str]:
    if alignment is None:
        return ["This run holds no alignment."]
    steps = {row["step"]: row for row in alignment["curves"]}
    chosen, base = steps.get(alignment["chosen"]), steps.get("base")
    if chosen is None or base is None:
        return [f"The checkpoint chosen is {alignment['chosen']}."]
    text = (
        f"The checkpoint chosen is {chosen['step']}, out of {listed([name for name in steps if name != 'base'])}: "
        f"its mean reward on {plural(chosen['n'], 'answer')} to development speeches is {number(chosen['reward'])} "
        f"(base {number(base['reward'])})."
    )
    if alignment["rounds"] == 0:
        text += " No online round was run, so that +DPO-Iter is the offline DPO policy."
    elif chosen["step"] == "dpo":
        text += " The online rounds did not raise the reward, so that +DPO-Iter is the offline DPO policy."
    if is_number(chosen["reward"]) and is_number(base["reward"]) and chosen["reward"] <= base["reward"]:
        text += " Its reward is no higher than the base policy's."
    if alignment["much_longer"]:
        text += (
            f" Its answers are {percent(alignment['length_growth'], 0)}{PC} longer than the base policy's "
            f"({number(chosen['words'], 1)} words against {number(base['words'], 1)}); judges tend to favour length."
        )
    if alignment["repetitive"]:
        text += (
            f" {percent(chosen['repeats'], 0)}{PC} of them say four words in a row twice (base "
            f"{percent(base['repeats'], 0)}{PC}): what the reward model likes is not all good counselling."
        )
    return [text]


def _reward(reward: dict[str, Any] | None) -> list[str]:
    if reward is None:
        return ["This run holds no reward model."]
    overall = reward["overall"]
    figure = overall["accuracy"]
    text = (
        f"The reward model puts the chosen response first in {percent(figure['value'])}{PC} "
        f"{_measured(figure, 'test pair')}; "
        f"AUC {number(overall['auc']['value'], 3)}, calibration error {number(overall['ece']['value'], 3)}, "
        f"Brier score {number(overall['brier']['value'], 3)}."
    )
    longer = reward["length"].get("longer_is_chosen")
    if is_number(longer):
        text += f" Always taking the longer response would be right in {percent(longer)}{PC}."
        if has_interval(figure) and figure["low"] <= longer:
            text += " The reward model is not clearly better than that."
    return [text]


def _against_paper(summary: dict[str, Any]) -> list[str]:
    targets = summary["targets"]
    if not targets:
        return []
    short = [t for t in targets if not t["met"]]
    if short:
        phrases = [f"{t['short']} ({shown(t, t['figure']['value'])} against {shown(t, t['paper'])})" for t in short]
        text = (
            f"Beside the paper's best figures, the run fell short in {len(short)} of {len(targets)}: {listed(phrases)}."
        )
        near = sum(t["interval_includes_paper"] for t in short)
        if near:
            text += f" In {near} of these the interval includes the paper's figure."
    else:
        text = f"All {len(targets)} figures that the paper also gives are met."
    text += " The paper's are on other data, with GPT-4o as judge and as reference."
    if summary["simulated"]:
        text += " As this run is simulated, nothing follows from the comparison but that the parts work together."
    return [text]


def shown(target: dict[str, Any], value: Any) -> str:
    """Return a value in the unit in which the paper gives it."""
    if target["key"] == "accuracy" or target["key"].startswith("win "):
        return f"{percent(value)}{PC}"
    return number(value, 3)
