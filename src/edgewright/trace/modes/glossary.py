"""Mode 'glossary': the words that this run uses."""

from __future__ import annotations

from edgewright.schema.lesson import Block, Facts
from edgewright.schema.trace import Trace
from edgewright.trace.modes import Mode
from edgewright.trace.modes._terms import TERMS


def tell(trace: Trace) -> tuple[Block, ...]:
    """Terms that occur in the record, in alphabetical order, with their definitions."""
    found = sorted((term for term in TERMS if term.occurs(trace)), key=lambda term: term.word.casefold())
    return (Facts(rows=tuple((term.word, term.means) for term in found)),)


MODE = Mode(rank=90, title="Glossary", purpose="The words this run uses.", tell=tell)
