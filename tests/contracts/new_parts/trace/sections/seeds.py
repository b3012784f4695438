"""Seeds: what the run can be repeated from."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.view_blocks import ViewBlock, line
from edgewright.trace.sections import Section


def blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Return the seed as a sentence."""
    return (line(f"The seed is {trace.provenance.seed}."),)


SECTIONS = {"seeds": Section(97, "Seed", blocks)}
