"""Mode 'compare': what can be put side by side with this run."""

from __future__ import annotations

from edgewright.schema.lesson import Block, Code, Facts, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.modes import Mode


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return what a comparison tells, and the commands; the comparison itself needs a second run."""
    known = trace.provenance
    facts = (
        ("this run", trace.name),
        ("data", known.data_hash[:12] or "unknown"),
        ("configuration", known.config_hash[:12] or "unknown"),
        ("seed", str(known.seed)),
    )
    return (
        Paragraph(
            text="Two runs differ in their configuration, in their data, or in neither. A comparison lists what "
            "differs, and the results side by side: accuracy with its interval, bytes, latency, parameters, verdict."
        ),
        Facts(rows=facts),
        Code(
            language="shell",
            caption="another run, and both side by side",
            text=f"edgewright learn runs/{trace.name} --mode what-if\n"
            f"edgewright compare runs/{trace.name} runs/{trace.name}-2",
        ),
        Paragraph(
            text="Scores of different data or targets are not compared. If only the window differs, compare roughly."
        ),
    )


MODE = Mode(rank=70, title="Compare", purpose="Compare this run with others.", blocks=mode_blocks)
