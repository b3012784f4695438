"""Header: the first screen, with run, task, device, verdict and the data flow as one picture."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.schema.trace import Trace
from edgewright.trace.blocks.flow_picture import tiles
from edgewright.trace.blocks.view_blocks import Template, ViewBlock
from edgewright.trace.sections import Section
from edgewright.trace.sentences.opening import SIMULATED, simulated
from edgewright.trace.sentences.readiness import NO_MODEL, NOT_READY, WEAK, state_of

_STATES = {
    "running": "This run is in progress; the page shows what it has done so far.",
    "cancelled": "This run was cancelled; the page shows its progress up to then.",
    "failed": "This run failed; the page shows its progress up to then.",
}


def blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build names, state, verdict, and the data flow as tiles."""
    context: dict[str, object] = {
        "name": trace.name,
        "title": trace.title,
        "task": trace.task,
        "simulated": SIMULATED if simulated(trace) else "",
        "flow": tiles(trace),
        "device": trace.device.profile if trace.device is not None else "",
        "started": trace.provenance.started,
        # There is no verdict on half a run: its banner says why.
        "verdict": trace.verdict if trace.state == "finished" else "",
        "mood": {NO_MODEL: "bad", NOT_READY: "bad", WEAK: "weak"}.get(state_of(trace.verdict), "good"),
        "state": _STATES.get(trace.state, ""),
        "reason": trace.reason,
    }
    return (Template("header.html", context),)


SECTION = Section(0, "Header", blocks)
