"""Tables of what a win rate must be read beside: judges, safety, reward models, rounds, ablations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psychocounsel.report import paper, wins
from psychocounsel.report.cases import failure_order
from psychocounsel.report.claims import all_findings
from psychocounsel.report.sheet import Column, Table
from psychocounsel.report.words import policy, setting

_ACCURACY = Column("accuracy, %", "share")


def finding_table(summary: dict[str, Any]) -> list[Table]:
    """Return every named fault that was found, with the figure that shows it."""
    rows = [
        (f["name"], policy(f["who"]), f["says"], f["figure"], (f["figure"] or {}).get("n"))
        for f in all_findings(summary)
    ]
    columns = (
        *(Column("finding"), Column("who"), Column("what was seen")),
        *(Column("figure", "decimal", 3), Column("n", "count")),
    )
    return [Table("findings", "Findings by name", columns, rows)] if rows else []


def judge_tables(won: dict[str, Any] | None, probes: dict[str, Any] | None) -> list[Table]:
    """Return who the judges are, what they lean to, how far they agree, and what they answer to probes."""
    made = []
    if won is not None:
        first = {row["judge"]: row["first"] for row in won.get("positions", [])}
        longer = {(row["judge"], row["setting"]): row["longer"] for row in won.get("longer", [])}
        rows = [
            (
                *(judge["spec"], judge["relation"], first.get(judge["spec"]), longer.get((judge["spec"], "free"))),
                *(judge["family"], "yes" if judge.get("simulated") else "no"),
            )
            for judge in won["judges"]
            if judge["spec"] != wins.PANEL
        ]
        columns = (
            *(Column("judge"), Column("stands to the labels", "mark")),
            Column("shown first is preferred, %", "share", with_n=True),
            Column("longer is preferred, %", "share", with_n=True),
            *(Column("family"), Column("simulated")),
        )
        note = (
            "Shares of the decided verdicts. 50 % for what is shown first is no leaning. How often the better answer "
            "is also the longer is not known, so that a share above 50 % alone proves no leaning to length."
        )
        made.append(Table("judges", "The judges", columns, rows, note))
        agreement = [
            (row["a"], row["b"], row["accuracy"], row["kappa"], row["accuracy"]["n"])
            for row in won.get("agreement", [])
        ]
        if agreement:
            heads = (Column("judge"), Column("and"), Column("same verdict, %", "share"), Column("Cohen's κ", "decimal"))
            made.append(Table("agreement", "Agreement between judges", (*heads, Column("n", "count")), agreement))
    if probes:
        made += probe_table("probes-judges", "Judges on pairs that tempt them", probes["judges"])
    return made


def probe_table(name: str, title: str, results: Sequence[dict[str, Any]]) -> list[Table]:
    """Return how often each of `results` prefers the sound response, by what tempts it."""
    rows = [
        (
            *(result["who"], family["title"], family["asks"], family["right"], family.get("wanted", 1.0)),
            *(family["n"], family.get("asked", family["n"]), "yes" if family["caught"] else "no"),
        )
        for result in results
        for family in result["families"]
    ]
    columns = (
        *(Column("who"), Column("temptation"), Column("what is asked")),
        *(Column("so preferred, %", "share"), Column("wanted, %", "percent"), Column("n", "count")),
        *(Column("asked", "count"), Column("caught")),
    )
    note = "Of what is asked, how often the judge or model prefers it; a tie counts one half."
    return [Table(name, title, columns, rows, note, grouped=1)] if rows else []


def safety_tables(risk: dict[str, Any] | None) -> list[Table]:
    """Return the safety slice, which no other table holds."""
    if not risk:
        return []
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    names = {c["key"]: c["name"] for c in risk["criteria"]}
    pairs = [(row, (setting(row["setting"]), policy(row["model"]))) for row in risk["models"]]
    model = (Column("length"), Column("model"))
    made = [
        Table(
            "safety",
            "Responses to speeches of elevated or imminent risk",
            (
                *model,
                Column("meet every criterion, %", "share"),
                *(Column("failed", "count"), Column("judged", "count"), Column("asked", "count")),
                Column("not judged, why", "reasons"),
            ),
            [(*of, r["passed"], r["failed"], r["judged"], r["asked"], r["lost"]) for r, of in pairs],
            f"Judged by {risk['judge']}, each response by itself: every criterion that applies must be met. These "
            "speeches are in no win rate but the slice by risk.",
            grouped=1,
        )
    ]
    models = list(dict.fromkeys(row["model"] for row in risk["models"]))
    for key, title, label in (("by_criterion", "criterion", names), ("by_level", "level of risk", {})):
        values = dict.fromkeys([*label, *(v for row in risk["models"] for v in row[key] or {})])
        rows = [
            (setting(of), label.get(v, v), *((own[m][key] or {}).get(v) if m in own else None for m in models))
            for of in dict.fromkeys(row["setting"] for row in risk["models"])
            if (own := {row["model"]: row for row in risk["models"] if row["setting"] == of})
            for v in values
        ]
        columns = (
            *(Column("length"), Column(title)),
            *(Column(policy(m), "share", with_n=True) for m in models),
        )
        if rows:
            name = f"safety-{key.removeprefix('by_')}"
            made.append(Table(name, f"The safety slice by {title}, %", columns, rows, grouped=1))
    failures = sorted(risk["failures"], key=failure_order)
    if failures:
        columns = (Column("level"), *model, Column("criteria failed"), Column("speech", "code"))
        rows = [
            (f["level"], setting(f["setting"]), policy(f["model"]), _criteria(f, names), f["speech_id"])
            for f in failures
        ]
        made.append(Table("safety-failures", "Every response that failed", columns, rows, files_only=True))
    medical = [
        (setting(row["setting"]), policy(row["model"]), row["share"], row["flagged"], row["asked"])
        for row in risk.get("medical", [])
    ]
    if medical:
        columns = (*model, Column("flagged, %", "share"), Column("flagged", "count"), Column("asked", "count"))
        note = "Over all speeches: diagnoses, and advice to take, change or stop a medicine, which are no counsellor's."
        made.append(Table("medical", "Medical advice", columns, medical, note, grouped=1))
    return made


def _criteria(failure: dict[str, Any], names: dict[str, str]) -> str:
    return "; ".join(names.get(key, key) for key in failure["failed"])


def reward_tables(reward: dict[str, Any] | None, probes: dict[str, Any] | None, names: dict[str, str]) -> list[Table]:
    """Return the reward model's figures, beside the paper's and any other reward model's."""
    if not reward:
        return probe_table("probes-reward", "The reward model on pairs that tempt it", [probes] if probes else [])
    heads = (
        *(Column("whose"), _ACCURACY, Column("AUC", "decimal", 3), Column("ECE", "decimal", 3)),
        *(Column("Brier", "decimal", 3), Column("pairs", "count"), Column("speeches", "count")),
    )
    overall = reward["overall"]
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]] = [_reward_row("this run", overall)]
    rows += [_reward_row(other["name"], other["overall"]) for other in reward.get("others") or []]
    rows += [
        (f"{name}, other data", *({"value": theirs[k]} for k in ("accuracy", "auc", "ece", "brier")), None, None)
        for name, theirs in paper.REWARD.items()
    ]
    note = (
        "AUC: 1 is perfect, 0.5 is chance. ECE, the expected calibration error, and the Brier score: 0 is perfect. The "
        "paper gives no intervals."
    )
    made = [Table("reward", "Reward model on the test pairs", heads, rows, note, strong=frozenset({"this run"}))]
    temperature = reward.get("temperature") or {}
    if "value" in temperature:
        columns = (
            *(Column(""), Column("ECE", "decimal", 3), Column("Brier", "decimal", 3)),
            *(Column("log loss", "decimal", 3), Column("pairs", "count")),
        )
        scaled = [temperature.get(key) for key in ("ece", "brier", "log_loss")]
        n = next((f["n"] for f in scaled if f), None)
        rows = [
            ("as trained", overall["ece"], overall["brier"], overall.get("log_loss"), overall["ece"]["n"]),
            (f"margins divided by {temperature['value']:.2f}", *scaled, n),
        ]
        note = (
            f"The divisor was fitted on {temperature.get('dev_pairs', 0):,} development pairs; it changes no ranking."
        )
        made.append(Table("reward-temperature", "Temperature scaling", columns, rows, note))
    for key, title in (
        ("gap", "gap between the two ratings"),
        ("principle", "principle on which the chosen is rated higher"),
        ("topic", "topic"),
        ("risk", "risk, as screened"),
    ):
        figures = reward.get(f"by_{key}") or {}
        found = [(names.get(v, v) or "not labelled", figure, (figure or {}).get("n")) for v, figure in figures.items()]
        if found:
            columns = (Column(key), _ACCURACY, Column("pairs", "count"))
            made.append(Table(f"reward-by-{key}", f"Accuracy by {title}", columns, found))
    return made + probe_table("probes-reward", "The reward model on pairs that tempt it", [probes] if probes else [])


def _reward_row(name: str, overall: dict[str, Any]) -> tuple[Any, ...]:
    accuracy = overall["accuracy"]
    figures = [overall.get(key) for key in ("accuracy", "auc", "ece", "brier")]
    return (name, *figures, accuracy["n"], accuracy["clusters"])


def round_tables(alignment: dict[str, Any] | None, rounds: dict[str, Any] | None) -> list[Table]:
    """Return the checkpoints, and the held-out judge's rating beside the reward."""
    made = []
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    if alignment:
        columns = (
            *(
                Column("checkpoint"),
                Column("asked", "count"),
                Column("answered", "count"),
                Column("mean reward", "number", 3),
            ),
            *(Column("mean words", "number", 1), Column("repeating, %", "percent")),
            *(Column("KL from base, nats an answer", "number"), Column("")),
        )
        rows = [
            (
                *(row["step"], row["asked"], row["n"], row["reward"], row["words"], row["repeats"], row["kl"]),
                "chosen" if row["step"] == alignment["chosen"] else None,
            )
            for row in alignment["curves"]
        ]
        note = (
            "Means over the answered development speeches. Repeating answers say four words in a row twice. The KL is "
            "estimated from one sample a speech and can be slightly below 0 by chance."
        )
        chosen = frozenset({str(alignment["chosen"])})
        made.append(Table("checkpoints", "Checkpoints on the development speeches", columns, rows, note, strong=chosen))
    if rounds and rounds["rows"]:
        columns = (
            *(Column("checkpoint"), Column("reward", "decimal", 3), Column("judge's rating, 1 to 5", "decimal", 2)),
            *(Column("words", "number", 1), Column("n", "count")),
        )
        rows = [(r["step"], r["reward"], r["judge"], r["words"], r["n"]) for r in rounds["rows"]]
        title = f"Reward beside the rating of {rounds['judge']}"
        made.append(Table("rounds", title, columns, rows))
    return made


_POLICIES = ("base", "dpo", "dpo-iter")


def best_of_table(best: Sequence[dict[str, Any]]) -> list[Table]:
    """Return what a judge makes of the response that the reward model picks out of n."""
    columns = (
        *(Column("n", "count"), Column("best by reward", "decimal"), Column("one at random", "decimal")),
        *(Column("the judge's own best", "decimal"), Column("speeches", "count"), Column("judge")),
    )
    rows = [(row["n"], row["mean"], row["random"], row["best"], row["mean"]["n"], row["judge"]) for row in best]
    title = "Judge's rating of the best of n candidates by reward, 1 to 5"
    return [Table("best-of-n", title, columns, rows)] if rows else []


def ablation_tables(content: dict[str, Any] | None) -> list[Table]:
    """Return what each change of the recipe does: to the reward model, and under each length to the win rates."""
    rows = (content or {}).get("rows") or []
    if content is None or not rows:
        return []
    main = frozenset({content["main"]})
    heads = ("accuracy, own pairs", "AUC, own pairs", "accuracy, the main run's", "AUC, the main run's")
    columns = (
        *(Column("variant"), Column("what is changed"), Column("train pairs", "count")),
        *(Column(head, "decimal", 3) for head in heads),
        Column("what to know"),
    )
    keys = ("own", "own_auc", "main", "main_auc")
    found: list[tuple[Any, ...]] = [
        (
            *(row["name"], "; ".join(row["overrides"]), row["train_pairs"]),
            *((row["reward"] or {}).get(key) for key in keys),
            " ".join([row["failed"] or "", *(row["notes"] or [])]).strip(),
        )
        for row in rows
    ]
    made = [Table("ablations", f"Ablations of {content['main']}: reward models", columns, found, strong=main)]
    for of in dict.fromkeys(of for row in rows for of in row["win"]):
        columns = (
            Column("variant"),
            *(Column(f"{policy(name)}, %", "share", with_n=True) for name in _POLICIES),
            *(Column("+DPO-Iter less +DPO, points", "points"), Column("p, corrected", "p")),
            *(Column("+DPO-Iter less the main run's, points", "points"), Column("p, corrected ", "p")),
            Column("safe at risk, %", "share", with_n=True),
        )
        found = []
        for row in rows:
            changes = row["change"].get(of, {}).get("dpo-iter")
            passed = ((row["risk"] or {}).get("passed") or {}).get(of, {}).get("dpo-iter")
            won = [row["win"].get(of, {}).get(name) for name in _POLICIES]
            found.append((row["name"], *won, *_test(row["iterated"].get(of)), *_test(changes), passed))
        note = (
            "By the first judge of each run, speeches at risk left out; differences paired by speech, p of the "
            "sign-flip test corrected by Holm. Safe at risk: responses of +DPO-Iter that meet every criterion."
        )
        title = f"Ablations of {content['main']}: win rates, {setting(of)}"
        made.append(Table(f"ablations-{of}", title, columns, found, note, strong=main))
    return made


def _test(test: dict[str, Any] | None) -> tuple[Any, Any]:
    return (test["difference"], test["p_holm"]) if test else (None, None)
