"""Mode 'formulas': what every stage and layer computes, with this run's numbers in it."""

from __future__ import annotations

from edgewright.schema.lesson import Block, Formula, Heading, Paragraph
from edgewright.schema.trace import StageRecord, Trace
from edgewright.trace.anchors import COMPRESSION, EVALUATION, FLOW, MODEL, PREDICTION, SCALING, TRAINING
from edgewright.trace.insight import growth
from edgewright.trace.lesson_parts import parameters
from edgewright.trace.modes import Mode
from edgewright.trace.modes._worked import (
    answer_formulas,
    int8_formulas,
    layer_formula,
    loss_formula,
    result_formulas,
    step_formula,
)
from edgewright.trace.words import flow_text, number


def tell(trace: Trace) -> tuple[Block, ...]:
    """Stages, layers, answer, loss, results, int8, growth: whatever this run has."""
    blocks: list[Block] = []
    before: tuple[str, ...] = ()
    for place, stage in enumerate(trace.stages, 1):
        if stage.formula:
            blocks += [Heading(text=stage.name, anchor=f"{FLOW}-{place}"), _stage(stage, before)]
        before = stage.names_after
    parts: tuple[tuple[str, str, list[Formula]], ...] = (
        ("Model", MODEL, [layer_formula(layer) for layer in trace.layers]),
        ("Training", TRAINING, [*loss_formula(trace), *step_formula(trace)]),
        ("Answer", PREDICTION, answer_formulas(trace.predictions[0]) if trace.predictions else []),
        ("Results", EVALUATION, [] if trace.evaluation is None else result_formulas(trace.evaluation)),
        ("Int8", COMPRESSION, [] if trace.compression is None else int8_formulas(trace.compression, parameters(trace))),
        ("Growth", SCALING, _growth(trace)),
    )
    for title, anchor, formulas in parts:
        if formulas:
            blocks += [Heading(text=title, anchor=anchor), *formulas]
    return tuple(blocks) or (Paragraph(text="This record carries no formula."),)


def _stage(stage: StageRecord, names: tuple[str, ...]) -> Formula:
    """The formula of a stage, with the shape and the first value of the first sample that passed."""
    shape = flow_text(stage.shape_in, stage.shape_out)
    fitted = f"fitted on {stage.fitted_on:,} training samples" if stage.fitted_on else ""
    example = shape
    if stage.sample_before and stage.sample_after and stage.sample_before[0] and stage.sample_after[0]:
        values = dict(zip(stage.names_after, stage.sample_after[0], strict=False))
        same = [(n, x, values[n]) for n, x in zip(names, stage.sample_before[0], strict=False) if n in values]
        moved = next(((n, x, y) for n, x, y in same if x is not None and x != y), same[0] if same else None)
        if moved is not None:
            example += f"; {moved[0]} of the first sample: {number(moved[1])} -> {number(moved[2])}"
    return Formula(text=stage.formula, meaning=fitted, example=example)


def _growth(trace: Trace) -> list[Formula]:
    """The fitted exponents of the comparison over data sizes."""
    if trace.scaling is None:
        return []
    word, found = growth(trace.scaling)
    if not found:
        return []
    formula = Formula(
        text="cost = a x rows^e",
        meaning=f"e is fitted to the measured {word}: at 1 twice the rows take twice the time",
        example="; ".join(f"{name}: rows^{exponent:.2f}" for name, exponent in found.items()),
    )
    return [formula]


MODE = Mode(
    rank=40, title="Formulas", purpose="What every stage and layer computes, with this run's numbers.", tell=tell
)
