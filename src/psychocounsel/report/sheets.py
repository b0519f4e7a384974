"""Every table of a report, by name: what the page shows and what the files hold."""

from __future__ import annotations

from typing import Any

from psychocounsel.artifacts import Manifest
from psychocounsel.report import evidence, paper, wins
from psychocounsel.report.reading import RunFiles
from psychocounsel.report.sheet import RELATIONS, Column, Table
from psychocounsel.report.words import duration, memory, policy, setting

_SPLITS = (Column("train", "count"), Column("dev", "count"), Column("test", "count"), Column("all", "count"))


def all_tables(files: RunFiles, summary: dict[str, Any]) -> dict[str, Table]:
    """Return the tables by name, in the order of the page. A part that was not made has none."""
    names = {p["key"]: p["name"] for p in summary["principles"]}
    made = [
        *evidence.finding_table(summary),
        *wins.win_tables(summary["win_rates"], names),
        *evidence.safety_tables(summary["risk"]),
        *evidence.judge_tables(summary["win_rates"], summary["probes"]),
        *evidence.reward_tables(summary["reward"], summary["reward_probes"], names),
        *evidence.best_of_table(summary["best_of"]),
        *evidence.round_tables(summary["alignment"], summary["rounds"]),
        *evidence.ablation_tables(summary["ablations"]),
        *_data(summary["data"]),
        *_paper(summary),
        *_methods(summary["methods"]),
        *_artifacts(files.manifests),
    ]
    return {table.name: table for table in made}


def _data(data: dict[str, Any]) -> list[Table]:
    made = []
    columns: tuple[Column, ...]
    for key, title in (
        ("screened", "Client speeches by risk, as screened"),
        ("topic", "Client speeches by topic, as the source labels it"),
        ("turns", "Client speeches by earlier turns"),
        ("stage", "Client speeches by stage of change"),
        ("risk", "Client speeches by risk, as the source labels it"),
    ):
        rows: list[tuple[Any, ...]] = [
            tuple(row[c] for c in ("name", "train", "dev", "test", "all")) for row in data[f"by_{key}"]
        ]
        if len(rows) > 1:
            rows.append(("all", *(sum(row[place] for row in rows) for place in range(1, 5))))
        if rows:
            made.append(Table(f"speeches-by-{key}", title, (Column(key), *_SPLITS), rows, strong=frozenset({"all"})))
    collected = data["collected"]
    for name, title, head, unit, counts in (
        ("mended", "What cleaning mended", "mended", "n", collected["mended"]),
        ("identifiers", "Identifiers replaced by surrogates", "type", "n", collected["identifiers"]),
        ("dropped", "Rows left out, and why", "reason", "rows", data["dropped"]),
        ("refused", "Candidates for a pair that gave none, and why", "reason", "candidates", data["refused"]),
    ):
        if counts:
            made.append(Table(name, title, (Column(head), Column(unit, "count")), list(counts.items())))
    if data["counsellors"]:
        keys = ("model", "asked", "answered", "rated", "mean_rating", "mean_words")
        columns = (
            *(Column("counsellor"), Column("asked", "count"), Column("answered", "count"), Column("rated", "count")),
            *(Column("mean rating, 1 to 5", "number"), Column("mean words", "number", 1)),
        )
        rows = [tuple(row[key] for key in keys) for row in data["counsellors"]]
        made.append(Table("counsellors", "Responses by counsellor", columns, rows))
    if data["ratings"]:
        scores = [Column(str(score), "count") for score in range(1, 6)]
        columns = (Column("principle"), Column("mean", "number"), *scores, Column("n", "count"))
        rows = [(row["key"], row["mean"], *row["counts"], row["n"]) for row in data["ratings"]]
        made.append(Table("ratings", "Ratings by principle", columns, rows))
    return made


def _paper(summary: dict[str, Any]) -> list[Table]:
    made = []
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    if summary["targets"]:
        columns = (
            *(Column(""), Column("this run", "decimal", 3), Column("n", "count"), Column("paper", "number", 3)),
            *(Column("better"), Column("met?")),
        )
        rows = [
            (
                *(t["label"], t["figure"], t["figure"]["n"], t["paper"], t["better"]),
                "met" if t["met"] else "not met; interval includes it" if t["interval_includes_paper"] else "not met",
            )
            for t in summary["targets"]
        ]
        note = (
            "The paper (Zhang, Eack and Chen, arXiv 2502.19731) measured on other data, with GPT-4o as judge and as "
            "reference; its best figure of the two model sizes stands here. Shares are fractions of 1."
        )
        made.append(Table("targets", "Beside the paper's best figures", columns, rows, note))
    won = summary["win_rates"]
    own = [m["name"] for m in (won or {}).get("models", []) if m.get("own")]
    if won and any(model in own for model in ("base", "dpo", "dpo-iter")):
        rows = []
        for of in ("free", "length-constrained"):
            rate = {r["model"]: r["win_rate"] for r in wins.rates(won, wins.first_judge(won), of)}
            rows.append(
                (setting(of), "this run", *(rate.get(p) if p in own else None for p in ("base", "dpo", "dpo-iter")))
            )
            for name, theirs in paper.WIN_RATES.items():
                rows.append((setting(of), name, *({"value": theirs[of][p]} for p in ("base", "dpo", "dpo-iter"))))
        columns = (
            Column("length"),
            Column("whose"),
            *(Column(policy(p), "share") for p in ("base", "dpo", "dpo-iter")),
        )
        judge = wins.first_judge(won) or ""
        near = RELATIONS.get(wins.relation(won, judge), "whose relation to the labels is not known")
        note = f"This run: by {judge} ({near}). The paper's are on other data, by the judge that labelled it."
        strong = frozenset({"this run"})
        made.append(
            Table("paper-wins", "Win rates beside the paper's, %", columns, rows, note, grouped=1, strong=strong)
        )
    return made


def _methods(rows: list[dict[str, Any]]) -> list[Table]:
    if not rows:
        return []
    keys = ("step", "what", "asked", "answered", "parsed", "lost", "why")
    columns = (
        *(Column("step"), Column("what"), Column("asked", "count"), Column("answered", "count")),
        *(Column("parsed or kept", "count"), Column("lost", "count"), Column("why", "reasons")),
    )
    title = "Every count: asked, answered, parsed, lost"
    note = "A dash stands where a step has no such count: free text is not parsed, and rows of a file do not answer."
    return [Table("methods", title, columns, [tuple(row[key] for key in keys) for row in rows], note)]


def _artifacts(manifests: dict[str, Manifest]) -> list[Table]:
    if not manifests:
        return []
    columns = (
        *(Column("step"), Column("simulated"), Column("rows", "reasons"), Column("fingerprint", "code")),
        *(Column("digest", "code"), Column("seed"), Column("backends"), Column("version")),
        *(Column("made (UTC)"), Column("time"), Column("peak memory")),
    )
    rows = [
        (
            *(name, "yes" if m.simulated else "no", _rows_of(m), m.fingerprint, m.digest, str(m.seed)),
            f"{len(m.backends)}, named below" if len(m.backends) > 3 else ", ".join(m.backends),
            *(m.package_version, m.created.replace("T", " ").replace("Z", "")),
            *(duration(m.wall_seconds), memory(m.peak_rss_bytes)),
        )
        for name, m in manifests.items()
    ]
    return [Table("artifacts", "Artifacts", columns, rows)]


def _rows_of(manifest: Manifest) -> dict[str, int]:
    """Rows of its Parquet files; the copies in other layouts (pair/released, pair/trl) hold the same rows again."""
    found = {file: entry.rows for file, entry in manifest.files.items() if entry.rows is not None and "/" not in file}
    return {file.removesuffix(".parquet"): n for file, n in found.items()}
