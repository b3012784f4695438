"""Mode 'trace': the whole record, part after part, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.core.formatting import (
    amount,
    bytes_text,
    fraction,
    microseconds_text,
    percent,
    seconds_text,
    shape_text,
)
from edgewright.schema.lesson import Block, Facts, Grid, Heading, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.facts import compression_notes, layer_costs, measured, training_facts
from edgewright.trace.lesson_parts import epoch_grid, prediction_blocks, prediction_title, stage_blocks
from edgewright.trace.modes import Mode
from edgewright.trace.observations import FOLD_ABOVE, notable
from edgewright.trace.readiness import left_out_text


def tell(trace: Trace) -> tuple[Block, ...]:
    """Every part the record has."""
    blocks: list[Block] = [Paragraph(text=text) for text in (trace.verdict, trace.insight.sentence) if text]
    for index, stage in enumerate(trace.stages, 1):
        blocks += [Heading(text=f"{index}. {stage.name}", anchor=f"data_flow-{index}"), *stage_blocks(stage)]
    for title, anchor, part in _PARTS:
        if found := part(trace):
            blocks += [Heading(text=title, anchor=anchor), *found]
    return tuple(blocks)


def _model(trace: Trace) -> list[Block]:
    if not trace.layers:
        return []
    words, counts = layer_costs(trace.layers)
    known = any(work for _, work in counts)
    rows = tuple(
        (one.name, shape_text(one.shape_out), f"{size:,}", f"{work:,}" if known else "-",
         bytes_text(one.activation_bytes), one.formula)
        for one, (size, work) in zip(trace.layers, counts, strict=True)
    )  # fmt: skip
    headers = ("layer", "output", *words, "activations", "formula")
    return [Grid(headers=headers, rows=rows, figures=(1, 2, 3, 4))]


def _training(trace: Trace) -> list[Block]:
    training = trace.training
    if training is None:
        return []
    if not training.epochs:
        return [Paragraph(text=f"{'; '.join(fact for line in training_facts(training) for fact in line)}.")]
    shown = notable(training.epochs)
    folded = len(training.epochs) - len(shown)
    blocks: list[Block] = [epoch_grid(shown)]
    if folded:
        blocks.append(Paragraph(text=f"{folded:,} further epochs without an event are hidden (over {FOLD_ABOVE})."))
    blocks.append(
        Paragraph(text=f"Training ended: {training.stopped}. Kept: the weights of epoch {training.best_epoch}.")
    )
    return blocks


def _evaluation(trace: Trace) -> list[Block]:
    found = trace.evaluation
    if found is None:
        return []
    left = found.left_out
    facts = [] if left is None else [(f"each {left.by} left out once", left_out_text(left))]
    facts += [("test samples", f"{found.samples:,}, split by {found.split_by}")]
    for name, interval in (("accuracy", found.accuracy), ("macro-F1", found.macro_f1)):
        if interval is not None:
            low, high = percent(interval.low, 1), percent(interval.high, 1)
            facts.append((name, f"{percent(interval.value, 1)} (95 %: {low} to {high}, {interval.method})"))
    if found.majority is not None:
        facts.append(("most frequent class", percent(found.majority, 1)))
    facts += [(name, measured(found, name)) for name in sorted(found.regression)]
    blocks: list[Block] = [Facts(rows=tuple(facts))]
    if found.classes:
        rows = tuple(
            (c.label, fraction(c.precision), fraction(c.recall), fraction(c.f1), f"{c.support:,}")
            for c in found.classes
        )
        headers = ("class", "precision", "recall", "F1", "samples")
        blocks.append(Grid(headers=headers, rows=rows, figures=(1, 2, 3, 4)))
    if found.mistakes:
        wrong = tuple(
            (f"{found.unit} {m.row + 1:,}", m.truth, m.answer, percent(m.confidence)) for m in found.mistakes[:5]
        )
        blocks.append(Grid(headers=("worst mistakes", "truth", "answer", "confidence"), rows=wrong, figures=(3,)))
    return blocks


def _predictions(trace: Trace) -> list[Block]:
    blocks: list[Block] = []
    for one in trace.predictions:
        blocks += [Paragraph(text=f"{prediction_title(one)}:"), *prediction_blocks(one)]
    return blocks


def _compression(trace: Trace) -> list[Block]:
    found = trace.compression
    if found is None:
        return []
    rows = tuple(
        (form.name, "-" if form.accuracy is None else percent(form.accuracy.value, 1), f"{form.flips:,}",
         bytes_text(form.weight_bytes) if form.weight_bytes else "-", bytes_text(form.file_bytes),
         microseconds_text(form.latency_p50_us), form.how)
        for form in found.variants
    )  # fmt: skip
    headers = ("form", "accuracy", "flips", "weights", "file", "p50 here", "")
    return [
        Grid(headers=headers, rows=rows, figures=(1, 2, 3, 4, 5)),
        *(Paragraph(text=note) for note in compression_notes(found)),
    ]


def _scaling(trace: Trace) -> list[Block]:
    found = trace.scaling
    if found is None:
        return []
    rows = tuple(
        (p.architecture, f"{p.rows:,}", f"{p.parameters:,}", seconds_text(p.cpu_seconds), bytes_text(p.peak_bytes),
         percent(p.accuracy, 1), microseconds_text(p.latency_us))
        for p in found.points
    )  # fmt: skip
    headers = ("architecture", "rows", "parameters", "CPU time an epoch", "memory", "accuracy", "latency")
    grid = Grid(headers=headers, rows=rows, figures=(1, 2, 3, 4, 5, 6))
    return [grid, *([Paragraph(text=found.sentence)] if found.sentence else [])]


def _device(trace: Trace) -> list[Block]:
    found = trace.device
    if found is None:
        return []
    rows = tuple(
        (r.name, amount(r.used, r.unit), amount(r.available, r.unit) if r.available else "no limit",
         percent(r.used / r.available, 1) if r.available else "-", r.how)
        for r in found.rows
    )  # fmt: skip
    grid = Grid(headers=("budget", "used", "available", "share", ""), rows=rows, figures=(1, 2, 3))
    message = f"{found.profile}: {found.description}" if found.description else found.profile
    fits = "It fits." if found.fits else "It does not fit."
    return [Paragraph(text=f"{message}. {fits}"), grid]


_PARTS: tuple[tuple[str, str, Callable[[Trace], list[Block]]], ...] = (
    ("Model", "model", _model),
    ("Training trace", "training", _training),
    ("Evaluation", "evaluation", _evaluation),
    ("Prediction trace", "prediction", _predictions),
    ("Compression", "compression", _compression),
    ("Scaling", "scaling", _scaling),
    ("Device fit", "device", _device),
)


MODE = Mode(10, "Pipeline trace", "Every part of the record, from the data to the device.", tell)
