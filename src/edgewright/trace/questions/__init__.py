"""Questions of the quiz: every file is a rule that makes one from a record, or none."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from edgewright.core import catalogue
from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace


@dataclass(frozen=True)
class Rule:
    """The one object `RULE` of a question's file.

    Attributes:
        rank: the lower, the earlier it is asked.
        ask: record -> question, or None where the record does not carry it.
    """

    rank: int
    ask: Callable[[Trace], Question | None]


def quiz(trace: Trace) -> tuple[Question, ...]:
    """The questions that this record gives, always the same for the same record."""
    rules: list[Rule] = [
        importlib.import_module(f"{__name__}.{name}").RULE for name in catalogue.listing(__name__, "RULE")
    ]
    asked = (rule.ask(trace) for rule in sorted(rules, key=lambda rule: rule.rank))
    return tuple(question for question in asked if question is not None)
