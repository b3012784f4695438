"""Questions on the data flow: selected features, and what stages are fitted on."""

from __future__ import annotations

from edgewright.schema.trace import Trace
from edgewright.trace.questions import Draft, rule, short
from edgewright.trace.sentences.insight import reduction
from edgewright.trace.sentences.opening import headline


@rule("fewer_features")
def fewer_features(trace: Trace) -> Draft | None:
    """Ask why fewer features go into training, where the first layer is dense, so that its weights can be counted."""
    stage = reduction(trace.stages)
    if stage is None or not trace.layers:
        return None
    before, after, first = stage.shape_in[-1], stage.shape_out[-1], trace.layers[0]
    units = first.shape_out[-1]
    if first.kind != "dense" or first.parameters != units * (after + 1):
        return None
    was = f"{units * (before + 1):,}"
    evaluation = trace.evaluation
    score = None if evaluation is None else headline(evaluation.accuracy, evaluation.left_out)
    kept = ""
    if score is not None and score.measure == "accuracy":
        kept = f", and {score.figure} of the answers are still right"
    left = ", ".join(short(name) for name, _ in stage.dropped[:3])
    left = f" ({left}{', ...' if len(stage.dropped) > 3 else ''})" if left else ""
    why = "They were dropped because they say less about the target, not because they are wrong"
    if "pca" in stage.kind:
        why = "Each direction that is kept combines all columns; the directions left out vary least"
    return Draft(
        10,
        f"Why are fewer features selected before training? This run continues with {after:,} of {before:,}.",
        "The model gets smaller and has less noise to memorize: its first layer has "
        f"{first.parameters:,} parameters instead of {was}",
        f"{units:,} units x ({after:,} inputs + 1 bias) = {first.parameters:,}; with all {before:,} columns {was}"
        f"{kept}.",
        (
            f"The {before - after:,} dropped columns hold wrong readings, which must be removed",
            f"{why}{left}.",
            f"A dense layer of {units:,} units cannot take more than {after:,} inputs",
            f"A dense layer takes any number of inputs; {before:,} of them would need {was} parameters.",
            f"With {before:,} columns fewer rows would be left for training",
            f"Selection changes columns only: {stage.shape_in[0]:,} rows in, {stage.shape_out[0]:,} rows out.",
        ),
        f"Data flow, {stage.name}: {before:,} -> {after:,} columns",
        "data_flow",
    )


@rule("fitted_on")
def fitted_on(trace: Trace) -> Draft | None:
    """Ask about the first stage that was fitted on some of the samples only."""
    fitted = (s for s in trace.stages if s.shape_in and 0 < s.fitted_on < s.shape_in[0] and s.kind != "model")
    stage = next(fitted, None)
    if stage is None:
        return None
    total, used = stage.shape_in[0], stage.fitted_on
    return Draft(
        12,
        f"{total:,} samples pass the stage '{stage.name}'. Which of them was it fitted on?",
        f"The {used:,} that are not used for evaluation",
        f"What it learns must not come from the other {total - used:,}: they must be as new to the pipeline as "
        "samples of the device will be.",
        (
            f"All {total:,}",
            f"Then the {total - used:,} test samples would influence what they evaluate.",
            f"The {total - used:,} used for evaluation",
            "Nothing may be learned from them: they are evaluated once.",
            "None: it is computed from each sample alone",
            f"It keeps figures of {used:,} training samples and applies them to every sample.",
        ),
        f"Data flow, {stage.name}: fitted on {used:,} training samples",
        "data_flow",
    )
