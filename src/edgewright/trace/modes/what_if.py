"""Mode 'what-if': what can be changed in this run."""

from __future__ import annotations

from edgewright.schema.lesson import Block, Code, Grid, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.modes import Mode
from edgewright.trace.possible_changes import knobs


def tell(trace: Trace) -> tuple[Block, ...]:
    """Return the values that can be changed by a short name, and the command."""
    found = knobs(trace.config) if trace.config else {}
    if not found:
        return (Paragraph(text="This trace has no configuration: run the pipeline again to change it."),)
    rows = tuple((name, knob.what, knob.now, f"--set {name}={knob.other}") for name, knob in found.items())
    name, first = next(iter(found.items()))
    blocks: list[Block] = [
        Paragraph(text="Change one setting, run again, and see the effect on accuracy, bytes and latency."),
        Grid(headers=("name", "what", "now", "try"), rows=rows),
        Code(
            language="shell",
            text=f"edgewright learn runs/{trace.name} --mode what-if --set {name}={first.other}",
            caption="the new run gets the next number in this folder",
        ),
        Paragraph(text="Any key of the pipeline can be set as well, for example --set training.learning_rate=0.01."),
    ]
    if trace.scaling is not None:
        blocks.append(Paragraph(text="Such a run skips the comparison of data sizes."))
    return tuple(blocks)


MODE = Mode(rank=60, title="What if", purpose="Change one number and run again.", tell=tell)
