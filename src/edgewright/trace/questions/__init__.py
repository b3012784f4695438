"""Questions of the quiz: rules that make one from a record, or none; each file holds those of a part of the record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewright.core.catalogue import Registry
from edgewright.core.formatting import shorten
from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.records import Option, Question

_OPTIONS = 4


@dataclass(frozen=True)
class Draft:
    """A question before its options are chosen.

    Attributes:
        rank: the lower, the earlier it is asked.
        text: the question.
        right, why: the right answer and its reason.
        wrong: wrong answers, each followed by its reason, the most plausible first; the first three that differ are
            taken.
        source: row of the record that the answer follows from.
        anchor: of the section of the page.
    """

    rank: int
    text: str
    right: str
    why: str
    wrong: Sequence[str]
    source: str
    anchor: str


rule: Registry[Callable[[Trace], Draft | None]] = Registry(__name__)
"""Decorator that registers a rule under the name of its question."""


def quiz(trace: Trace) -> tuple[Question, ...]:
    """Return the questions that this record gives, always the same for the same record."""
    drafts = [(name, draft) for name, ask in rule.known.items() if (draft := ask(trace)) is not None]
    questions = (_question(trace, name, draft) for name, draft in sorted(drafts, key=lambda pair: pair[1].rank))
    return tuple(question for question in questions if question is not None)


def _question(trace: Trace, name: str, draft: Draft) -> Question | None:
    """Return the question with four options; None where the run gives no three wrong answers that differ.

    Options that read alike are one: figures that are the same after rounding never stand beside each other.
    """
    used = {_plain(draft.right)}
    options = [Option(text=draft.right, reason=draft.why, right=True)]
    for text, reason in zip(draft.wrong[::2], draft.wrong[1::2], strict=True):
        if _plain(text) not in used and len(options) < _OPTIONS:
            used.add(_plain(text))
            options.append(Option(text=text, reason=reason))
    if len(options) < _OPTIONS:
        return None
    order = sorted(options, key=lambda option: _order(trace, name, options.index(option)))
    return Question(name=name, text=draft.text, options=tuple(order), rests_on=draft.source, anchor=draft.anchor)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


def _order(trace: Trace, name: str, number: int) -> str:
    """Return the sort key of an option: from data, configuration and rule, not from figures that time moves."""
    known = trace.provenance
    return hashlib.sha256(f"{known.data_hash} {known.config_hash} {name} {number}".encode()).hexdigest()


def short(name: str) -> str:
    """Return a name of the data on one line, cut where it would fill the screen."""
    return shorten(" ".join(name.split()), 40)
