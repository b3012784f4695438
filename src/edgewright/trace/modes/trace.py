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
from edgewright.trace.modes import Mode, epoch_grid, prediction_blocks, prediction_title, stage_blocks
from edgewright.trace.sentences.facts import compression_notes, layer_costs, measured, training_facts
from edgewright.trace.sentences.observations import FOLD_ABOVE, notable
from edgewright.trace.sentences.readiness import left_out_text


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Every part the record has."""
    blocks: list[Block] = [Paragraph(text=text) for text in (trace.verdict, trace.insight.sentence) if text]
    for index, stage in enumerate(trace.stages, 1):
        blocks += [Heading(text=f"{index}. {stage.name}", anchor=f"data_flow-{index}"), *stage_blocks(stage)]
    for title, anchor, part in _PARTS:
        if part_blocks := part(trace):
            blocks += [Heading(text=title, anchor=anchor), *part_blocks]
    return tuple(blocks)


def _model(trace: Trace) -> list[Block]:
    if not trace.layers:
        return []
    words, counts = layer_costs(trace.layers)
    known = any(work for _, work in counts)
    rows = tuple(
        (layer.name, shape_text(layer.shape_out), f"{size:,}", f"{work:,}" if known else "-",
         bytes_text(layer.activation_bytes), layer.formula)
        for layer, (size, work) in zip(trace.layers, counts, strict=True)
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
    evaluation = trace.evaluation
    if evaluation is None:
        return []
    left = evaluation.left_out
    facts = [] if left is None else [(f"each {left.by} left out once", left_out_text(left))]
    facts += [("test samples", f"{evaluation.samples:,}, split by {evaluation.split_by}")]
    for name, interval in (("accuracy", evaluation.accuracy), ("macro-F1", evaluation.macro_f1)):
        if interval is not None:
            low, high = percent(interval.low, 1), percent(interval.high, 1)
            facts.append((name, f"{percent(interval.value, 1)} (95 %: {low} to {high}, {interval.method})"))
    if evaluation.majority is not None:
        facts.append(("most frequent class", percent(evaluation.majority, 1)))
    facts += [(name, measured(evaluation, name)) for name in sorted(evaluation.regression)]
    blocks: list[Block] = [Facts(rows=tuple(facts))]
    if evaluation.classes:
        rows = tuple(
            (c.label, fraction(c.precision), fraction(c.recall), fraction(c.f1), f"{c.support:,}")
            for c in evaluation.classes
        )
        headers = ("class", "precision", "recall", "F1", "samples")
        blocks.append(Grid(headers=headers, rows=rows, figures=(1, 2, 3, 4)))
    if evaluation.mistakes:
        wrong = tuple(
            (f"{evaluation.unit} {m.row + 1:,}", m.truth, m.answer, percent(m.confidence))
            for m in evaluation.mistakes[:5]
        )
        blocks.append(Grid(headers=("worst mistakes", "truth", "answer", "confidence"), rows=wrong, figures=(3,)))
    return blocks


def _predictions(trace: Trace) -> list[Block]:
    blocks: list[Block] = []
    for prediction in trace.predictions:
        blocks += [Paragraph(text=f"{prediction_title(prediction)}:"), *prediction_blocks(prediction)]
    return blocks


def _compression(trace: Trace) -> list[Block]:
    record = trace.compression
    if record is None:
        return []
    rows = tuple(
        (form.name, "-" if form.accuracy is None else percent(form.accuracy.value, 1), f"{form.flips:,}",
         bytes_text(form.weight_bytes) if form.weight_bytes else "-", bytes_text(form.file_bytes),
         microseconds_text(form.latency_p50_us), form.how)
        for form in record.variants
    )  # fmt: skip
    headers = ("form", "accuracy", "flips", "weights", "file", "p50 here", "")
    return [
        Grid(headers=headers, rows=rows, figures=(1, 2, 3, 4, 5)),
        *(Paragraph(text=note) for note in compression_notes(record)),
    ]


def _scaling(trace: Trace) -> list[Block]:
    record = trace.scaling
    if record is None:
        return []
    rows = tuple(
        (p.architecture, f"{p.rows:,}", f"{p.parameters:,}", seconds_text(p.cpu_seconds), bytes_text(p.peak_bytes),
         percent(p.accuracy, 1), microseconds_text(p.latency_us))
        for p in record.points
    )  # fmt: skip
    headers = ("architecture", "rows", "parameters", "CPU time an epoch", "memory", "accuracy", "latency")
    grid = Grid(headers=headers, rows=rows, figures=(1, 2, 3, 4, 5, 6))
    return [grid, *([Paragraph(text=record.sentence)] if record.sentence else [])]


def _device(trace: Trace) -> list[Block]:
    device = trace.device
    if device is None:
        return []
    rows = tuple(
        (r.name, amount(r.used, r.unit), amount(r.available, r.unit) if r.available else "no limit",
         percent(r.used / r.available, 1) if r.available else "-", r.how)
        for r in device.rows
    )  # fmt: skip
    grid = Grid(headers=("budget", "used", "available", "share", ""), rows=rows, figures=(1, 2, 3))
    message = f"{device.profile}: {device.description}" if device.description else device.profile
    fits = "It fits." if device.fits else "It does not fit."
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


MODE = Mode(10, "Pipeline trace", "Every part of the record, from the data to the device.", mode_blocks)
