"""People's labels, taken up by the stages that train on them."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from rated_study import KEYS, an_item, answer_all, checks, compared, make, most, rated, save

from psychocounsel import layout, pipeline
from psychocounsel.annotate.results import write_labels
from psychocounsel.annotate.results.labels import dialogues
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer, Span, item_id
from psychocounsel.artifacts import complete_manifest
from psychocounsel.cli import annotate_results
from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.models.encoding import Limits
from psychocounsel.recipe import recipe_of
from psychocounsel.records import ClientSpeech, PreferencePair, Rating, Turn
from psychocounsel.reward.examples import read_general
from psychocounsel.tables import read_records

RATERS = ("R01", "R02", "R03")


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


SAID = ("What would help you most {n} tonight", "You ought to leave that {n} behind now")


def rated_study(folder, speeches=36, **plan):
    """Two responses to each of many speeches; people find the first better where the number is even."""
    items = []
    for n in range(speeches):
        turns = (Turn("client", f"My week number {n} was hard because of the letter {n * 7} that came."),)
        for m, text in enumerate(SAID):
            texts = (text.format(n=n),)
            base = an_item(n, "responses", models=(f"model-{m}",), response_ids=(f"r{n}-{m}",))
            items.append(replace(base, id=item_id(turns, texts, "main"), conversation=turns, texts=texts))
    store = make(folder, items, RATERS, kind="responses", **plan)
    for number, each in store.assignments.items():
        item = store.items[each.item]
        good = (int(item.speech_id.split("-")[1]) % 2 == 0) == item.texts[0].startswith("What")
        score = (5 if good else 2) - (each.rater == "R03")
        store.save(number, rated(score, dict.fromkeys(KEYS, score)), f"k{number}")
    return store, items


def pairs_of_labels(folder):
    """Run what the command says of `labels`, as far as pairs."""
    recipe = recipe_of(
        [
            f"output={folder / 'run'}", "until=pair", "collect.source=file",
            f"collect.path={folder / 'labels/labels.jsonl'}", "collect.near_duplicate=1",
            "collect.deidentify=false", "generate.pool=[source]", "rate.judge=source",
            f"rate.rubric={folder / 'labels/rubric.yaml'}",
        ]
    )  # fmt: skip
    pipeline.run(recipe)


def test_a_recipe_makes_pairs_of_rated_responses_as_people_rated_them(tmp_path):
    store, items = rated_study(tmp_path)
    # A coordinator turns one speech round: its decision counts, and no rater's.
    first = {i.texts[0]: i for i in items}
    good, bad = first["What would help you most 4 tonight"], first["You ought to leave that 4 behind now"]
    store.adjudicate(good.id, "someone", rated(1, dict.fromkeys(KEYS, 1)))
    store.adjudicate(bad.id, "someone", rated(4, dict.fromkeys(KEYS, 4)))
    done = write_labels(store, tmp_path / "labels")
    assert (done.labels, done.adjudicated, done.left_out) == (72, 2, {})
    pairs_of_labels(tmp_path)
    run = tmp_path / "run"
    ratings = read_records(run / layout.RATINGS, Rating)
    assert len(ratings) == 72
    assert not [r.error for r in ratings if r.error]
    pairs = read_records(run / layout.PAIRS, PreferencePair)
    assert len(pairs) == 36
    assert {p.split for p in pairs} == {"train", "dev", "test"}
    numbers = {s.id: int(s.text.split()[3]) for s in read_records(run / layout.SPEECHES, ClientSpeech)}
    for pair in pairs:
        number = numbers[pair.speech_id]
        asks = number % 2 == 0 and number != 4
        assert pair.chosen.startswith("What" if asks else "You"), number
        assert pair.chosen_model == f"model-{0 if asks else 1}"
        # 5, 5 and 4 are 5; 2, 2 and 1 are 2; and the coordinator said 4 and 1.
        scores = (4, 1) if number == 4 else (5, 2)
        assert (pair.chosen_scores, pair.rejected_scores) == tuple(dict.fromkeys(KEYS, float(s)) for s in scores)


def test_ratings_are_whole_cautious_and_absent_where_a_principle_has_none(tmp_path):
    items = [an_item(n, "responses") for n in range(3)]
    store = make(tmp_path, items, ["R01", "R02"], kind="responses", simulated=True)
    save(store, "R01", items[0], rated(5, dict.fromkeys(KEYS, 5)))
    save(store, "R02", items[0], rated(2, dict.fromkeys(KEYS, 2)))
    save(store, "R01", items[1], compared_away())
    done = write_labels(store, tmp_path / "labels")
    (row,) = lines(tmp_path / "labels/labels.jsonl")
    assert row["ratings"] == dict.fromkeys(KEYS, 2)
    assert row["rater"] == "simulated-raters"
    assert done.left_out == {"most raters cannot judge it": 1, "nobody judged it": 1}
    assert json.loads((tmp_path / "labels/labels.json").read_text("utf-8"))["simulated"] is True
    store.adjudicate(items[0].id, "someone", compared_away())
    with pytest.raises(TooLittleDataError, match="none of 3"):
        write_labels(store, tmp_path / "labels")


def compared_away():
    return Answer(cannot=True, done=True)


def test_speeches_of_one_dialogue_share_a_group():
    turns = [Turn("client", "Hello there."), Turn("counsellor", "Go on."), Turn("client", "It is worse.")]
    other = [Turn("client", "Hello there you."), Turn("counsellor", "Go on."), Turn("client", "It is worse.")]
    items = [
        replace(an_item(n, "responses"), id=f"i{n}", conversation=tuple(said))
        for n, said in enumerate((turns, turns[:1], other))
    ]
    groups = dialogues(items)
    assert groups["i0"] == groups["i1"] != groups["i2"]


def pairs_study(folder, verdicts, **more):
    items = [an_item(n) for n in range(len(verdicts))]
    store = make(folder, [*items, *checks()], RATERS, **more)
    words = {"a": "a", "b": "b", "t": "tie", "c": "cannot"}
    for n, marks in enumerate(verdicts):
        for rater, mark in zip(RATERS, marks, strict=True):
            save(store, rater, items[n], compared(words[mark]))
    return store, items


def test_verdicts_become_pairs_without_invented_scores(tmp_path):
    store, items = pairs_study(tmp_path, ["aab", "bbc", "ttb", "abt", "bbb", "ccc", "aaa", "bba"])
    store.adjudicate(items[7].id, "someone", compared("a"))
    done = write_labels(store, tmp_path / "out")
    pairs = {p.speech_id: p for p in read_records(tmp_path / "out/pairs.parquet", PreferencePair)}
    chosen = {n: pairs[f"speech-{n}"].chosen_id for n in range(8) if f"speech-{n}" in pairs}
    assert chosen == {0: "r0a", 1: "r1b", 4: "r4b", 6: "r6a", 7: "r7a"}
    assert done.left_out == {
        "a tie: neither is preferred": 1, "votes are tied": 1, "most raters cannot judge it": 1,
    }  # fmt: skip
    assert (done.labels, done.adjudicated) == (6, 1)
    assert done.pairs == {"train": 2, "dev": 3}
    one = pairs["speech-1"]
    assert (one.chosen, one.rejected) == (items[1].texts[1], items[1].texts[0])
    assert (one.chosen_model, one.rejected_model) == ("model-two", "model-one")
    assert (one.gap, one.chosen_scores, one.rejected_scores) == (0.0, {}, {})
    trl = pq.read_table(tmp_path / "out/trl/dev.parquet").to_pylist()
    assert trl[0]["prompt"] == [{"role": "user", "content": items[1].conversation[0].text}]
    assert trl[0]["chosen"] == [{"role": "assistant", "content": items[1].texts[1]}]
    assert not (tmp_path / "out/trl/test.parquet").exists()


def test_reward_general_reads_the_pairs_of_train_and_no_others(tmp_path):
    store, items = pairs_study(tmp_path, ["aaa", "bbb"] * 9)
    write_labels(store, tmp_path / "out")
    rows = lines(tmp_path / "out/pairs.jsonl")
    assert len(rows) == 6
    assert not any(row["simulated"] for row in rows)
    assert {row["prompt"] for row in rows} == {i.conversation[-1].text for i in items if i.split == "train"}

    words = tokenizer(rows)
    found = read_general(words, tmp_path / "out/pairs.jsonl", Limits(200, 200, "drop"))
    tokens = [(p.prompt, p.chosen, p.rejected) for p in (*found.train, *found.test)]
    read = [[words.decode(ids, skip_special_tokens=True) for ids in three] for three in tokens]
    assert sorted(read) == sorted([row[name] for name in ("prompt", "chosen", "rejected")] for row in rows)


def tokenizer(rows):
    """A tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    said = " ".join(row[name] for row in rows for name in ("prompt", "chosen", "rejected"))
    names = ["[PAD]", "[UNK]", "[EOS]", *sorted(set(said.split()))]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(names)}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    found = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]")
    found.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    return found


def test_what_a_rater_marked_as_harmful_is_chosen_by_a_coordinator_alone(tmp_path):
    store, items = pairs_study(tmp_path, ["aaa", "aaa", "aaa"])
    bad, fine = Span(side="a", start=0, end=4, kind="harmful"), Span(side="b", start=0, end=4, kind="harmful")
    save(store, "R02", items[0], compared("a", spans=(bad,)))
    save(store, "R02", items[1], compared("a", spans=(fine,)))
    save(store, "R02", items[2], compared("a", spans=(bad,)))
    store.adjudicate(items[2].id, "someone", compared("a"))
    done = write_labels(store, tmp_path / "out")
    assert done.left_out == {"a rater marked the chosen response as harmful": 1}
    kept = {p.speech_id for p in read_records(tmp_path / "out/pairs.parquet", PreferencePair)}
    assert kept == {"speech-1", "speech-2"}
    assert done.withheld == (("speech-0", "r0a", "r0b"),)  # and a run's own pair of it goes too


def test_harm_seen_only_the_second_time_is_seen(tmp_path):
    store, _ = pairs_study(tmp_path, ["aaa", "aaa"], repeats=1)
    number, again = next((n, each) for n, each in store.assignments.items() if each.repeat)
    bad = Span(side="a", start=0, end=4, kind="harmful")
    store.save(number, compared("a", spans=(bad,)), "again")
    done = write_labels(store, tmp_path / "out")
    assert [speech for speech, _, _ in done.withheld] == [store.items[again.item].speech_id]


def test_a_response_in_which_harm_was_marked_is_never_safe_enough_to_be_chosen(tmp_path):
    store, items = rated_study(tmp_path, speeches=2)
    bad = Span(side="a", start=0, end=4, kind="harmful")
    save(store, "R02", items[0], rated(5, dict.fromkeys(KEYS, 5), spans=(bad,)))
    done = write_labels(store, tmp_path / "out")
    rows = {row["item"]: row["ratings"] for row in lines(tmp_path / "out/labels.jsonl")}
    assert done.capped == 1
    assert rows[items[0].id] == dict.fromkeys(KEYS, 5) | {"safety": 2}


def test_who_cannot_judge_counts_and_a_label_may_ask_for_votes(tmp_path):
    store, _ = pairs_study(tmp_path, ["cca", "aac", "bbb"])
    done = write_labels(store, tmp_path / "out")
    assert (done.labels, done.left_out, done.single) == (2, {"most raters cannot judge it": 1}, 0)
    assert len(done.withheld) == 1
    done = write_labels(store, tmp_path / "out", least_votes=3)
    assert (done.labels, done.left_out) == (1, {"most raters cannot judge it": 1, "fewer than 3 votes": 1})


def test_labels_of_simulated_raters_are_simulated_in_whatever_is_made_of_them(tmp_path):
    rated_study(tmp_path, simulated=True)[0].close()
    with Store.open(str(tmp_path / "study.sqlite")) as store:
        write_labels(store, tmp_path / "labels")
    pairs_of_labels(tmp_path)
    assert [complete_manifest(tmp_path / "run" / step).simulated for step in ("collect", "rate", "pair")] == [True] * 3


def test_raters_who_failed_attention_are_left_out_on_request_and_counted(tmp_path, capsys):
    store, _ = pairs_study(tmp_path, ["abb", "abb"])
    attention = next(i for i in store.items.values() if i.role == "attention")
    save(store, "R01", attention, compared("a"))
    save(store, "R02", attention, compared("b"))
    save(store, "R03", attention, compared("b"))
    assert write_labels(store, tmp_path / "all").excluded == ()
    where = str(tmp_path / "study.sqlite")
    annotate_results.labels(where, tmp_path / "some", without_failed_attention=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["excluded"] == ["R02", "R03"]
    for folder, side in (("all", "b"), ("some", "a")):
        pairs = read_records(tmp_path / folder / "pairs.parquet", PreferencePair)
        assert {p.chosen_id[-1] for p in pairs} == {side}
    annotate_results.labels(where, tmp_path / "some")
    assert "reward.general=" in capsys.readouterr().out


def test_labels_are_the_majority_over_random_answers(tmp_path):
    items = [an_item(n) for n in range(20)]
    store = make(tmp_path, items, RATERS)
    said = answer_all(store, accuracy=0.4, cannot=0.1)
    done = write_labels(store, tmp_path / "out")
    majority = {i.speech_id: most([said[r, i.id, 0, "overall"] for r in RATERS]) for i in items}
    pairs = read_records(tmp_path / "out/pairs.parquet", PreferencePair)
    assert {p.speech_id: p.chosen_id[-1] for p in pairs} == {k: v for k, v in majority.items() if v in ("a", "b")}
    assert done.labels == sum(v is not None for v in majority.values())
    assert len(pairs) + sum(done.left_out.values()) == 20


def test_a_file_in_the_folders_place_and_an_unanswered_study_are_refused(tmp_path):
    store = make(tmp_path, [an_item(0)], RATERS)
    with pytest.raises(TooLittleDataError):
        write_labels(store, tmp_path / "out")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="name a folder"):
        write_labels(store, tmp_path / "file")
