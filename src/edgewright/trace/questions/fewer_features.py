"""Why fewer features go into training than come in."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import FLOW
from edgewright.trace.insight import reduction
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question, short
from edgewright.trace.words import percent


def ask(trace: Trace) -> Question | None:
    """Asked where a stage leaves out columns and the first layer is dense, so that its weights can be counted."""
    stage = reduction(trace.stages)
    if stage is None or not trace.layers:
        return None
    before, after, first = stage.shape_in[-1], stage.shape_out[-1], trace.layers[0]
    units = first.shape_out[-1]
    if first.kind != "dense" or first.parameters != units * (after + 1):
        return None
    was = f"{units * (before + 1):,}"
    kept = ""
    if trace.evaluation is not None and trace.evaluation.accuracy is not None:
        kept = f", and the answers are still {percent(trace.evaluation.accuracy.value, 1)} right"
    left = ", ".join(short(name) for name, _ in stage.dropped[:3])
    why = (
        "Each direction kept is made of all columns; those left out vary least"
        if "pca" in stage.kind
        else "They were left out because they say less about the target, not because they are wrong"
    )
    of = f" ({left}{', ...' if len(stage.dropped) > 3 else ''})" if left else ""
    return question(
        trace,
        Ask(
            name="fewer_features",
            text=f"Why do we select fewer features before training? This run goes on with {after:,} of {before:,}.",
            right=(
                f"The model gets smaller and has less noise to learn by heart: its first layer has "
                f"{first.parameters:,} parameters instead of {was}",
                f"{units:,} units x ({after:,} inputs + 1 bias) = {first.parameters:,}, with all {before:,} columns "
                f"{was}{kept}.",
            ),
            wrong=(
                (
                    f"The {before - after:,} left out hold wrong readings, which have to be taken out",
                    f"{why}{of}.",
                ),
                (
                    f"A dense layer of {units:,} units cannot take more than {after:,} inputs",
                    f"A dense layer takes any number of inputs; {before:,} of them would need {was} parameters.",
                ),
                (
                    f"With {before:,} columns fewer rows would be left for training",
                    f"Selecting changes columns only: {stage.shape_in[0]:,} rows come in and {stage.shape_out[0]:,} "
                    "go on.",
                ),
            ),
            rests_on=f"Data flow, {stage.name}: {before:,} -> {after:,} columns",
            anchor=FLOW,
        ),
    )


RULE = Rule(rank=10, ask=ask)
