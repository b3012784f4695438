"""Learning modes that read a run: summary, trace, steps, comparison, quiz and glossary."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib.resources import files

from msgspec import UnsetType

from edgewright.core.formatting import amount, bytes_text, flow_text, percent
from edgewright.core.records.trace import Trace
from edgewright.trace import questions
from edgewright.trace.blocks.records import Block, Code, Facts, Heading, Paragraph, lesson_blocks
from edgewright.trace.blocks.view_blocks import Cards, Line, line
from edgewright.trace.modes import Mode
from edgewright.trace.sections import sections
from edgewright.trace.sections.data import stage_cards
from edgewright.trace.sections.results import prediction_card
from edgewright.trace.sections.training import epoch_table
from edgewright.trace.sentences.facts import (
    answer_text,
    config_table,
    drop_text,
    measured,
    refit_text,
    score_text,
    size_text,
)
from edgewright.trace.sentences.observations import notable
from edgewright.trace.sentences.opening import opening, receiver
from edgewright.trace.sentences.readiness import left_out_text


def summary_blocks(trace: Trace) -> tuple[Block, ...]:
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
    return [("accuracy", f"{score_text(evaluation.accuracy)}, measured")]


def _form(trace: Trace) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    compression = trace.compression
    small = compression.form("int8") if compression is not None else None
    if compression is not None and small is not None:
        drop = drop_text(compression, small)
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
    text = opening(trace)
    return (line(text),) if text else ()


SUMMARY = Mode(20, "Quick summary", "The key facts on one screen.", summary_blocks, page=_opening)


def trace_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return the sections of the record, each below its heading."""
    blocks: list[Block] = [Paragraph(text=text) for text in (trace.verdict, trace.insight.sentence) if text]
    for anchor, section in sections().items():
        if parts := lesson_blocks(section.blocks(trace)):
            blocks += [Heading(text=section.title, anchor=anchor), *parts]
    return tuple(blocks)


TRACE = Mode(10, "Pipeline trace", "Every part of the record, from the data to the device.", trace_blocks)


_FEW = 8


def steps_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return a heading a stage, what it does under it; after training the epochs, at the end one prediction."""
    blocks: list[Block] = []
    predicted = [(prediction_card(first, anchor="prediction"), first) for first in trace.predictions[:1]]
    for stage, card in zip(trace.stages, stage_cards(trace), strict=True):
        title = f"Stage {card.step} of {len(trace.stages)}: {card.title}"
        blocks += lesson_blocks([replace(card, title=title, step=0)])
        if stage.kind == "model":
            blocks += _training_steps(trace)
        if stage.kind == "predict":
            blocks += [
                Paragraph(text=f"{shown.title} of the data: {answer_text(first)}.") for shown, first in predicted
            ]
    for shown, first in predicted:
        blocks += lesson_blocks([replace(shown, title=f"Inside the {receiver(first)}: {shown.title} of the data")])
    return tuple(blocks) or (Paragraph(text="This trace has no stages."),)


def _training_steps(trace: Trace) -> list[Block]:
    if trace.training is None or not trace.training.epochs:
        return []
    epochs = notable(trace.training.epochs)
    few = epochs if len(epochs) <= _FEW else (*epochs[: _FEW - 1], epochs[-1])
    blocks = lesson_blocks([epoch_table("Epochs with an event", few, trace.training.best_epoch)])
    evaluation = trace.evaluation
    if evaluation is not None and evaluation.left_out is not None:
        blocks.append(Paragraph(text=f"{left_out_text(evaluation.left_out)}.", how="measured"))
    elif evaluation is not None and evaluation.accuracy is not None:
        blocks.append(
            Paragraph(
                text=f"On {evaluation.samples:,} test samples {percent(evaluation.accuracy.value, 1)} are right.",
                how="measured",
            )
        )
    return blocks


def _travelling(trace: Trace) -> tuple[Cards, ...]:
    return tuple(Cards([prediction_card(first)]) for first in trace.predictions[:1])


STEPS = Mode(30, "Step through", "Stage by stage, as the data flow.", steps_blocks, page=_travelling)


def compare_blocks(trace: Trace) -> tuple[Block, ...]:
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


COMPARE = Mode(rank=70, title="Compare", purpose="Compare this run with others.", blocks=compare_blocks)


def quiz_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return the questions, or a sentence where the record gives none."""
    quiz = questions.quiz(trace)
    return quiz or (Paragraph(text="This trace has too little data for questions."),)


QUIZ = Mode(rank=80, title="Quiz", purpose="Questions made from this run, with reasons.", blocks=quiz_blocks)


TERMS: dict[str, dict[str, str]] = tomllib.loads((files(__package__) / "glossary.toml").read_text("utf-8"))
"""What a record has, see `marks` -> the words that it uses then, with what they mean."""


def marks(trace: Trace) -> set[str]:
    """Return what a record has: its parts, kinds of stages and layers, and facts of its training and evaluation."""
    evaluation, training = trace.evaluation, trace.training
    accuracy = None if evaluation is None else evaluation.accuracy
    kinds = [(stage, kind) for stage in trace.stages for kind in stage.kind.split("+")]
    classes = evaluation is not None and bool(evaluation.labels)
    validated = training is not None and training.validation_samples > 0
    parts = ("layers", "training", "evaluation", "compression", "device", "scaling")
    odd = evaluation is not None and not isinstance(evaluation.anomalies, UnsetType)
    facts = {
        "always": True,
        "classes": classes,
        "validated": validated,
        "temperature": classes and validated and not odd,
        "patience": validated and bool(config_table(trace, "training").get("patience")),
        "regression": evaluation is not None and "rmse" in evaluation.regression,
        "objects": evaluation is not None and "f1" in evaluation.regression,
        "anomalies": odd,
        "grouped": evaluation is not None and evaluation.split_by == "group",
        "calibrated": evaluation is not None and evaluation.calibration_error is not None,
        "interval": accuracy is not None,
        "t interval": accuracy is not None and "t interval" in accuracy.method,
        "entropy": training is not None and "entropy" in training.loss_name,
        "data hash": bool(trace.provenance.data_hash),
        "min-max": any(stage.settings.get(f"{kind}.method") == "minmax" for stage, kind in kinds),
        "windows": any(len(stage.shape_out) == 3 for stage in trace.stages),
        "convolution": any(layer.kind in ("conv1d", "depthwise_separable") for layer in trace.layers),
    }
    names = {name for name in parts if getattr(trace, name)} | {name for name, there in facts.items() if there}
    names |= {f"stage {kind}" for _, kind in kinds}
    names |= {name for layer in trace.layers for name in (f"layer {layer.kind}", f"activation {layer.activation}")}
    return names | {f"form {form.name}" for form in (trace.compression.variants if trace.compression else ())}


def glossary_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return terms that occur in the record, in alphabetical order, with their definitions."""
    known = marks(trace)
    terms_here = [term for mark, terms in TERMS.items() if mark in known for term in terms.items()]
    return (Facts(rows=tuple(sorted(terms_here, key=lambda term: term[0].casefold()))),)


GLOSSARY = Mode(rank=90, title="Glossary", purpose="The words this run uses.", blocks=glossary_blocks)


MODES = {
    "summary": SUMMARY,
    "trace": TRACE,
    "steps": STEPS,
    "compare": COMPARE,
    "quiz": QUIZ,
    "glossary": GLOSSARY,
}
