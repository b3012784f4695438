"""Other ways to read a run, folded: the learning modes that need neither a server nor another run."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.schema.trace import Trace
from edgewright.trace.modes import mode
from edgewright.trace.sections import Exported, Section
from edgewright.trace.view_blocks import Template, ViewBlock, line

FOLDED = ("summary", "steps", "formulas", "code", "glossary")
"""Modes of this section; the page itself is the mode 'trace', and its quiz the mode 'quiz'."""
# Where room is short, the first ones are kept.
_ORDER = ("glossary", "summary", "formulas", "steps", "code")


def switch(trace: Trace) -> list[tuple[str, str]]:
    """Return anchor and title of every way to read the page; none for a run that has not finished."""
    if trace.state != "finished" or not trace.stages:
        return []
    folded = [(f"modes-{name}", mode(name).title) for name in FOLDED]
    return [("main", mode("trace").title), *folded[:-1], ("quiz", mode("quiz").title), folded[-1]]


def page_blocks(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the modes that fit; of the others one line each says how to read them."""
    if not switch(trace):
        return ()
    made: dict[str, ViewBlock] = {}
    room = exported.room
    for name in _ORDER:
        told = mode(name)
        context = {"anchor": f"modes-{name}", "title": told.title, "purpose": told.purpose, "blocks": told.tell(trace)}
        folded = Template("mode.html", context)
        size = exported.size((folded,))
        fits = size <= room
        room -= size if fits else 0
        elsewhere = (
            f"{told.title}: too large for this page. edgewright learn runs/{trace.name} --mode {name} prints it."
        )
        made[name] = folded if fits else line(elsewhere, anchor=f"modes-{name}")
    return [made[name] for name in FOLDED]


SECTION = Section(95, "Other ways to read this run", lambda trace: (), page=page_blocks, last=True)
