"""What the rules of the quiz share: four different options in an order that follows from the record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from edgewright.schema.lesson import Option, Question
from edgewright.schema.trace import Trace

SHOWN = 40


@dataclass(frozen=True)
class Ask:
    """A question before its options are chosen.

    Attributes:
        name: of the rule.
        text: the question.
        right: the right answer and why it is.
        wrong: wrong answers with reasons, the most plausible first; the first three that differ are taken.
        rests_on: row of the record.
        anchor: of the section of the page.
    """

    name: str
    text: str
    right: tuple[str, str]
    wrong: Iterable[tuple[str, str]]
    rests_on: str
    anchor: str


def question(trace: Trace, ask: Ask) -> Question | None:
    """The question with four options, or None where the run gives no three wrong answers that differ.

    Options that read alike are one: figures that are the same after rounding never stand beside each other.
    """
    taken = {_plain(ask.right[0])}
    options = [Option(text=ask.right[0], reason=ask.right[1], right=True)]
    for text, reason in ask.wrong:
        if _plain(text) not in taken and len(options) < 4:
            taken.add(_plain(text))
            options.append(Option(text=text, reason=reason))
    if len(options) < 4:
        return None
    order = sorted(options, key=lambda option: _place(trace, ask.name, options.index(option)))
    return Question(name=ask.name, text=ask.text, options=tuple(order), rests_on=ask.rests_on, anchor=ask.anchor)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


def _place(trace: Trace, name: str, number: int) -> str:
    """Order of an option: from data, configuration and rule, not from figures that time or a processor moves."""
    known = trace.provenance
    return hashlib.sha256(f"{known.data_hash} {known.config_hash} {name} {number}".encode()).hexdigest()


def short(name: str) -> str:
    """A name of the data on one line, cut where it would fill the screen."""
    plain = " ".join(name.split())
    return plain if len(plain) <= SHOWN else plain[: SHOWN - 1] + "…"


def upper(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]
