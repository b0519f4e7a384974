"""The cards: the hub's parser reads them, nothing that others wrote does anything in them, no licence is lost."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest
from finished_run import JUDGE, LABELLER, NAME, NASTY, write_data, write_evaluation, write_reward
from huggingface_hub import DatasetCard, ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from psychocounsel.errors import ArtifactError
from psychocounsel.publish import Permissions, publish
from psychocounsel.publish.cards import dataset_card
from psychocounsel.publish.leaving import Leaving
from psychocounsel.publish.lineage import lineage
from psychocounsel.publish.markdown import escaped, one_line, public_name
from psychocounsel.publish.terms import OTHER, Part, known_terms, licence_of, source_part

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def shown(markdown: str) -> str:
    """Return the text that a reader of a Markdown page sees."""
    html = MARKDOWN.render(markdown)
    assert not re.search(r"<(script|img|b|i)\b|href=\"javascript", html)
    text = re.sub(r"<[^>]+>", "", html)
    for entity, mark in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, mark)
    return text


def body(card: str) -> str:
    return card.split("\n---\n", 1)[1]


TEXTS = st.text(st.sampled_from("abZ 19.)(#|-=+*_~`<>&[]\\$:'\"!/\n\t{}%"), max_size=40) | st.text(max_size=40)


@given(TEXTS)
def test_any_text_is_shown_as_it_is_in_a_heading_a_list_and_a_table(text):
    for page in (f"# a {escaped(text)} z", f"- {escaped(text)}", f"| a |\n|---|\n| {escaped(text)} |"):
        assert one_line(text) in shown(page)


@given(st.lists(st.sampled_from(["apache-2.0", "mit", "cc-by-nc-4.0", "cc-by-4.0", OTHER]), min_size=1, max_size=4))
def test_the_whole_never_has_a_weaker_licence_than_a_part(ids):
    whole = licence_of([Part("x", "y", "z", hub) for hub in ids])
    if whole != OTHER:
        assert set(ids) <= {whole, "apache-2.0", "mit"}
        assert whole in ids
    if OTHER in ids or "cc-by-nc-4.0" in ids:
        assert whole not in ("apache-2.0", "mit")


@settings(max_examples=25, deadline=None)
@given(licence=TEXTS, title=TEXTS, citation=TEXTS)
def test_no_licence_title_or_citation_of_a_source_is_dropped(own_file, licence, title, citation):
    manifests = lineage(own_file, "pair")
    card = {"name": "somewhere", "title": title, "licence": licence, "citation": citation}
    collect = manifests["collect"]
    manifests["collect"] = replace(collect, counts=collect.counts | {"source": card})
    leaving = Leaving("dataset", 3, 0, 3, 0, 1, 0, 0, 0, rows=5)
    page = dataset_card(own_file, manifests, leaving, {"train": 5}, {"train": 3})
    seen = shown(body(page))
    for text in (one_line(licence) or "not stated", one_line(title) or "somewhere", one_line(citation)):
        assert text in seen
    data = DatasetCard(page).data
    assert (data.license, data.license_link) == ("other", "LICENSE.md")


def test_every_source_of_the_catalogue_that_has_terms_here_still_has_the_words_they_were_read_from():
    from psychocounsel.collect.sources import catalogue

    for name, terms in known_terms().items():
        assert one_line(catalogue()[name].licence).startswith(terms["begins"]), name


def test_terms_read_from_other_words_count_for_nothing(own_file):
    collect = lineage(own_file, "pair")["collect"]
    card = {"name": "counsel-chat", "title": "t", "licence": "All rights reserved"}
    part = source_part(replace(collect, counts={"source": card}))
    assert (part.hub, part.share) == (OTHER, False)


def test_model_cards_parse_with_figures_and_with_what_the_run_was(published):
    for kind in ("reward-model", "policy"):
        data = ModelCard.load(published / kind / "README.md").data
        assert data.license == "apache-2.0"
        assert data.library_name == "transformers"
        assert data.to_dict()["inference"] is False
        assert "simulated" in data.tags
        assert data.model_name == NAME
    measured = {r.metric_type: r for r in ModelCard.load(published / "reward-model" / "README.md").data.eval_results}
    metrics = json.loads((published.parent / "run" / "reward" / "metrics.json").read_text())
    assert measured["accuracy"].metric_value == round(metrics["overall"]["accuracy"]["value"], 4)
    assert measured["accuracy"].metric_name.endswith("simulated")


def test_a_circular_win_rate_is_on_the_card_and_not_in_its_metadata(published):
    card = ModelCard.load(published / "policy" / "README.md")
    assert [r.metric_value for r in card.data.eval_results] == [0.72, 0.72]
    assert "93.0 | 83.0 to 103.0 | 40" in card.text
    assert card.text.index(JUDGE) < card.text.index(f"| {LABELLER} | it gave them itself")


def test_banner_and_findings_come_before_anything_else_the_unsafe_one_first(published):
    text = ModelCard.load(published / "policy" / "README.md").text
    order = ["**Simulated.**", "**unsafe at risk**", "**circular evaluation**", "## What it is", "## Figures"]
    assert sorted(order, key=text.index) == order
    assert "(base)" not in text  # another model's fault
    reward = ModelCard.load(published / "reward-model" / "README.md").text
    assert "It \\| likes &lt;b&gt;length&lt;/b&gt;." in reward[: reward.index("## What it is")]


def test_cards_hold_what_a_reader_must_know(published):
    for kind in ("reward-model", "policy", "dataset"):
        text = " ".join((published / kind / "README.md").read_text("utf-8").split())
        for part in (
            "Not for",
            "Not legal advice",
            "Illinois",
            "988",
            "2502.19731",
            "Apache-2.0, as this package",
            "0.1.0",
        ):
            assert part in text, (kind, part)
        assert "| collect | `" in text


def test_a_card_without_an_evaluation_says_so(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "evaluate")
    shutil.rmtree(tmp_path / "run" / "report")
    publish(tmp_path / "run", tmp_path / "out", ["policy"])
    text = (tmp_path / "out" / "policy" / "README.md").read_text("utf-8")
    assert "Nobody has measured what it answers where a client is in danger." in text
    assert "model-index" not in text


def test_an_evaluation_without_a_finding_is_no_proof(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    write_evaluation(tmp_path / "run", unsafe=False)
    path = tmp_path / "run" / "evaluate"
    found = json.loads((path / "win_rates.json").read_text())
    assert found["findings"]
    publish(tmp_path / "run", tmp_path / "out", ["policy"])
    assert "unsafe at risk" not in (tmp_path / "out" / "policy" / "README.md").read_text("utf-8")


def test_files_of_an_earlier_version_are_refused(whole, tmp_path):
    from finished_run import step

    from psychocounsel.artifacts import write_json

    shutil.copytree(whole, tmp_path / "run")
    parents = ("collect", "base", "align/dpo", "align/chosen")
    step(tmp_path / "run", "evaluate", parents, lambda f: write_json(f / "win_rates.json", {"judge": "j", "rates": []}))
    with pytest.raises(ArtifactError, match="earlier version"):
        publish(tmp_path / "run", tmp_path / "out", ["policy"])


def test_texts_of_clients_never_stand_on_a_card(own_file, tmp_path):
    publish(own_file, tmp_path / "out", permissions=Permissions(may_publish=True))
    text = (tmp_path / "out" / "dataset" / "README.md").read_text("utf-8")
    assert not any(part in text for part in (*NASTY, "alert(", "My name is", "Miller"))
    assert "These texts are not anonymous" in text
    assert "anonymous" in text[: text.index("## What it is")]
    assert DatasetCard(text).data.license == "other"


def test_nothing_names_a_folder_of_this_machine(own_file, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(own_file, run)
    write_reward(run, start=str(tmp_path / "secret-folder" / "llama"))
    publish(run, tmp_path / "out", ["reward-model"])
    card = (tmp_path / "out" / "reward-model" / "README.md").read_text("utf-8")
    assert "llama" in card
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert b"secret-folder" not in path.read_bytes()
            assert str(own_file.parent).encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("spec", "public"),
    [
        ("simulated/warm-novice", "simulated/warm-novice"),
        ("transformers//home/ann/llama", "transformers/llama"),
        ("vllm/~/models/llama", "vllm/llama"),
        ("/home/ann/llama", "llama"),
        ("../models/llama", "llama"),
        ("meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.2-3B"),
        ("local/runs/a/align/chosen/model", "local/runs/a/align/chosen/model"),
        ("transformers/theirs/private/llama", "transformers/llama"),
        ("transformers/meta-llama/Llama-3.2-3B", "transformers/meta-llama/Llama-3.2-3B"),
        ("source", "source"),
    ],
)
def test_specs_lose_the_folders_of_a_machine_and_nothing_else(spec, public):
    assert public_name(spec) == public


def test_a_folder_named_from_here_is_no_name_of_a_hub(tmp_path, monkeypatch):
    (tmp_path / "clinic" / "llama").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert public_name("transformers/clinic/llama") == "transformers/llama"
    assert public_name("clinic/llama") == "llama"


def test_a_model_of_the_hub_is_named_as_the_base_and_its_licence_asked_for(own_file, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(own_file, run)
    write_reward(run, start="meta-llama/Llama-3.2-3B-Instruct")
    publish(run, tmp_path / "out", ["reward-model"])
    card = ModelCard.load(tmp_path / "out" / "reward-model" / "README.md")
    assert card.data.base_model == ["meta-llama/Llama-3.2-3B-Instruct"]
    assert "what the makers of meta-llama/Llama-3.2-3B-Instruct allow" in card.text


def test_a_non_commercial_source_stays_so(tmp_path):
    """PsychoCounsel-Preference's licence goes with pairs that are made from it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from psychocounsel.pair.exchange import RELEASED_SCHEMA

    row = dict.fromkeys(RELEASED_SCHEMA.names, 3) | {"chosen": "A sound answer of mine."}
    moods = ("sad", "tired", "angry", "lonely", "afraid")
    rows = [
        row | {
            "ID": str(n), "question": f"I feel {moods[n % 5]} about {'my job' if n % 2 else 'my exam'} number {n * n}.",
            "chosen_model": "a", "rejected_model": "b", "rejected": f"Well, {n}.",
        }
        for n in range(40)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=RELEASED_SCHEMA), tmp_path / "train.parquet")
    run = tmp_path / "run"
    write_data(run, source="psychocounsel-preference", path=tmp_path / "train.parquet", near_duplicate=1.0)
    publish(run, tmp_path / "out")
    data = DatasetCard.load(tmp_path / "out" / "dataset" / "README.md").data
    assert data.license == "cc-by-nc-4.0"
    assert "CC BY-NC 4.0" in (tmp_path / "out" / "dataset" / "LICENSE.md").read_text("utf-8")
