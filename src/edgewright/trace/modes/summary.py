"""Mode 'summary': what one has to know of a run, on one screen."""

from __future__ import annotations

from edgewright.core.formatting import amount, bytes_text, flow_text, percent, points
from edgewright.schema.lesson import Block, Facts, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.blocks.view_blocks import Line, line
from edgewright.trace.modes import Mode
from edgewright.trace.sentences.facts import measured, refit_text, size_text
from edgewright.trace.sentences.opening import opening
from edgewright.trace.sentences.readiness import left_out_text


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Verdict, key insight, and about ten figures."""
    blocks: list[Block] = []
    if trace.state != "finished":
        blocks.append(Paragraph(text=f"This run is {trace.state}{': ' + trace.reason if trace.reason else ''}."))
    blocks += [Paragraph(text=text) for text in (trace.title, trace.verdict, trace.insight.sentence) if text]
    rows = [*_flow(trace), *_training(trace), *_result(trace), *_form(trace)]
    rows += [("fit", refit_text(trace.refit))] if trace.refit is not None else []
    if rows:
        blocks.append(Facts(rows=tuple(rows)))
    blocks += [Paragraph(text=f"Warning: {text}") for text in trace.warnings]
    return tuple(blocks)


def _flow(trace: Trace) -> list[tuple[str, str]]:
    rows = [("task", trace.task)] if trace.task else []
    shaped = [stage for stage in trace.stages if stage.kind not in ("model", "package", "predict", "architecture")]
    if shaped:
        rows.append(("data", flow_text(shaped[0].shape_out, shaped[-1].shape_out)))
        rows.append(("stages", ", ".join(stage.name for stage in trace.stages)))
    if trace.layers:
        epochs = trace.training is None or trace.training.epochs
        structure = f"{len(trace.layers)} layers" if epochs else trace.layers[0].name
        rows.append(("network" if epochs else "model", f"{structure}, {size_text(trace.layers)}"))
    return rows


def _training(trace: Trace) -> list[tuple[str, str]]:
    if trace.training is None or not trace.training.epochs:
        return []
    training = trace.training
    return [("training", f"{len(training.epochs)} epochs, kept epoch {training.best_epoch}: {training.stopped}")]


def _result(trace: Trace) -> list[tuple[str, str]]:
    evaluation = trace.evaluation
    if evaluation is None:
        return []
    if evaluation.left_out is not None:
        return [(f"each {evaluation.left_out.by} left out once", f"{left_out_text(evaluation.left_out)}, measured")]
    if evaluation.accuracy is None:
        return [(name, measured(evaluation, name)) for name in sorted(evaluation.regression)]
    a = evaluation.accuracy
    return [("accuracy", f"{percent(a.value, 1)} (95 %: {percent(a.low, 1)} to {percent(a.high, 1)}), measured")]


def _form(trace: Trace) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    compression = trace.compression
    small = compression.form("int8") if compression is not None else None
    if compression is not None and small is not None:
        drop = f"{points(compression.drop)} {'lost' if compression.drop >= 0 else 'gained'}"
        if small.accuracy is None:
            drop = f"error {percent(compression.drop, 1)} larger"
        rows.append(("int8", f"{bytes_text(small.weight_bytes)} of weights, {drop}, measured"))
    if trace.device is not None:
        shares = [r for r in trace.device.rows if r.available > 0]
        top = max(shares, key=lambda r: r.used / r.available, default=None)
        text = "" if top is None else f"; fullest: {top.name}, {amount(top.used, top.unit)} of " + amount(
            top.available, top.unit
        ) + f" ({top.how})"  # fmt: skip
        rows.append(("device", f"{trace.device.profile}, {'fits' if trace.device.fits else 'does not fit'}{text}"))
    return rows


def _opening(trace: Trace) -> tuple[Line, ...]:
    """Return the run in a paragraph."""
    text = opening(trace)
    return (line(text),) if text else ()


MODE = Mode(20, "Quick summary", "The key facts on one screen.", mode_blocks, page=_opening)
