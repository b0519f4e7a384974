"""Splits by group: a group goes whole into train, dev or test."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from psychocounsel.recipe import Split
from psychocounsel.records import ClientSpeech, content_seed
from psychocounsel.records import Split as SplitName


def assign_splits(speeches: list[ClientSpeech], shares: Split, seed: int) -> list[ClientSpeech]:
    """Return the speeches with `split` set, each topic divided by the shares; who goes where follows content hashes.

    A group stands with the topic of its first speech.
    """
    topic_of: dict[str, str] = {}
    for speech in speeches:
        topic_of.setdefault(speech.group, speech.topic)
    by_topic: dict[str, list[str]] = defaultdict(list)
    for group, topic in topic_of.items():
        by_topic[topic].append(group)
    ordered = [g for t in sorted(by_topic) for g in sorted(by_topic[t], key=lambda g: content_seed("split", seed, g))]
    # Running totals over all topics keep the shares right even where a topic has one group.
    split_of: dict[str, SplitName] = {}
    test = dev = 0
    for position, group in enumerate(ordered, 1):
        if test < round(position * shares.test):
            split_of[group], test = "test", test + 1
        elif dev < round(position * shares.dev):
            split_of[group], dev = "dev", dev + 1
        else:
            split_of[group] = "train"
    return [replace(speech, split=split_of[speech.group]) for speech in speeches]
