"""What people said, put together: one label an item, where they differ, and how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

from edgewright.language.labelling.project import Item, Review
from edgewright.nlp.utterance.normalise import normalised


class Human(NamedTuple):
    """The label of an item by people: who gave it, or that they differ."""

    label: str
    reviewer: str
    disputed: bool = False


class Kappa(NamedTuple):
    """Agreement of two reviewers beyond chance (Cohen, 1960); `value` is 1 where both gave one class only."""

    first: str
    second: str
    common: int
    agreed: int
    value: float


def decided(review: Iterable[Review]) -> dict[int, Human]:
    """By item: the last word of who settled it, else what all reviewers agree on, else that they differ."""
    latest: dict[int, dict[str, Review]] = {}
    settled: dict[int, Review] = {}
    for answer in review:
        latest.setdefault(answer.item, {})[answer.reviewer] = answer
        if answer.how == "settled":
            settled[answer.item] = answer
    labels = {}
    for item, by in latest.items():
        last = list(by.values())[-1]
        if item in settled:
            labels[item] = Human(settled[item].label, settled[item].reviewer)
        elif len({answer.label for answer in by.values()}) == 1:
            labels[item] = Human(last.label, last.reviewer)
        else:
            labels[item] = Human("", " and ".join(sorted(by)), disputed=True)
    return labels


def blind(review: Iterable[Review]) -> dict[int, Human]:
    """Return the decisions from answers given without sight of the machine's label."""
    kept = list(review)
    seen = {answer.item for answer in kept if answer.how == "blind"}
    return decided(answer for answer in kept if answer.item in seen and answer.how in ("blind", "settled"))


def kappas(review: Iterable[Review]) -> list[Kappa]:
    """Each pair of reviewers who labelled the same items."""
    by: dict[str, dict[int, str]] = {}
    for answer in review:
        if answer.how != "settled":
            by.setdefault(answer.reviewer, {})[answer.item] = answer.label
    return [kappa(a, b, by[a], by[b]) for a, b in combinations(sorted(by), 2) if by[a].keys() & by[b].keys()]


def kappa(first: str, second: str, a: Mapping[int, str], b: Mapping[int, str]) -> Kappa:
    """Cohen's kappa on the items that both labelled."""
    common = sorted(a.keys() & b.keys())
    n = len(common)
    agreed = sum(a[i] == b[i] for i in common)
    shares = Counter(a[i] for i in common), Counter(b[i] for i in common)
    chance = sum(shares[0][label] * shares[1][label] for label in shares[0]) / n**2
    value = 1.0 if chance == 1 else (agreed / n - chance) / (1 - chance)
    return Kappa(first, second, n, agreed, value)


def contradictions(items: Iterable[Item], humans: Mapping[int, Human]) -> list[tuple[Item, Item, str, str]]:
    """Return texts that are equal and have two labels by people: the first item of the text and the other one."""
    seen: dict[str, tuple[Item, str]] = {}
    pairs = []
    for item in items:
        human = humans.get(item.id)
        if human is None or human.disputed or not human.label:
            continue
        first = seen.setdefault(normalised(item.content) or item.content, (item, human.label))
        if first[1] != human.label:
            pairs.append((first[0], item, first[1], human.label))
    return pairs
