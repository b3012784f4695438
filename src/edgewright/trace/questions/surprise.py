"""A question on what few other runs have: which of several claims this one confirms."""

from __future__ import annotations

from edgewright.schema.trace import Trace
from edgewright.trace.questions import Draft, rule
from edgewright.trace.sentences.surprise import Claim, claims


@rule("surprise")
def surprise(trace: Trace) -> Draft | None:
    """Ask where the record confirms a claim and denies others."""
    known = claims(trace)
    if not known or not known[0].holds:
        return None
    first, wrong = known[0], list[str]()
    for claim in known:
        if claim.fails:
            wrong += [_sentence(claim), f"{claim.figures[:1].upper()}{claim.figures[1:]}."]
    return Draft(
        5, "What happened in this run that one would not expect?", _sentence(first),
        f"{first.figures[:1].upper()}{first.figures[1:]}.", wrong, first.source, first.anchor.partition("-")[0],
    )  # fmt: skip


def _sentence(claim: Claim) -> str:
    return claim.text[:1].upper() + claim.text[1:]
