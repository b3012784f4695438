"""Sentences and figures that the terminal and the page both tell, computed in one place from parts of the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from msgspec import UnsetType

from edgewright.core.formatting import (
    fraction,
    microseconds_text,
    number,
    percent,
    plural,
    points,
    seconds_text,
    speed_text,
)
from edgewright.core.records.compress import CompressRow
from edgewright.core.records.trace import (
    BudgetRow,
    CompressionRecord,
    EvaluationRecord,
    Interval,
    LayerRecord,
    LayerTrace,
    PredictionRecord,
    RefitRecord,
    Trace,
    TrainingRecord,
    VariantRecord,
)
from edgewright.trace.sentences.observations import best_of, watched_loss

T = TypeVar("T")


def present(part: T | UnsetType | None) -> T | None:
    """Return a part of a record; None where the record lacks it."""
    return None if isinstance(part, UnsetType) else part


def sentence(text: str) -> str:
    """Begin with a capital, unless with a name such as int8 or a path, and end with a full stop."""
    if text.split(" ", 1)[0].rstrip(",.;").isalpha():
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def config_table(trace: Trace, key: str) -> dict[str, Any]:
    """Return a table of the configuration; empty in records of version 1."""
    table = trace.config.get(key)
    return table if isinstance(table, dict) else {}


percent_tenths = partial(percent, digits=1)


def interval_text(interval: Interval | None, write: Callable[[float], str] = fraction) -> str:
    """Return '.879 (.861 to .895)', or '-' without an interval."""
    return "-" if interval is None else f"{write(interval.value)} ({span(interval, write)})"


def span(interval: Interval, write: Callable[[float], str] = number) -> str:
    """Return the ends of an interval: '12.1 to 15.3'."""
    return f"{write(interval.low)} to {write(interval.high)}"


def ci_text(interval: Interval, write: Callable[[float], str] = percent_tenths) -> str:
    """Return '95 % CI 84.2 % to 91.1 %'."""
    return f"95 % CI {span(interval, write)}"


def score_text(interval: Interval, write: Callable[[float], str] = percent_tenths) -> str:
    """Return '87.9 % (95 % CI 84.2 % to 91.1 %)'."""
    return f"{write(interval.value)} ({ci_text(interval, write)})"


def measured(evaluation: EvaluationRecord, name: str) -> str:
    """Return a regression measure with its interval: '13.6 (95 % CI 12 to 15, t interval by group, ...)'."""
    text, interval = number(evaluation.regression[name]), evaluation.intervals.get(name)
    return text if interval is None else f"{text} ({ci_text(interval, number)}, {interval.method})"


def parameter_count(layers: Sequence[LayerRecord]) -> int:
    """Return the number of parameters of all layers."""
    return sum(layer.parameters for layer in layers)


def size_text(layers: Sequence[LayerRecord]) -> str:
    """Return how many parameters a model has, nodes of trees, or numbers that rules store."""
    (word, _), counts = layer_costs(layers)
    return f"{sum(size for size, _ in counts):,} {word}"


def layer_costs(layers: Sequence[LayerRecord]) -> tuple[tuple[str, str], list[tuple[int, int]]]:
    """Return what the size and the work of a model's layers are called, and both for each layer.

    Trees and rules multiply nothing: they have nodes, or stored numbers, and comparisons. Records of trees that were
    made before nodes were counted have stored numbers and no comparisons.
    """
    if any(layer.macs for layer in layers):
        return ("parameters", "MACs"), [(layer.parameters, layer.macs) for layer in layers]
    if any(layer.nodes for layer in layers):
        return ("nodes", "comparisons"), [(layer.nodes, layer.comparisons) for layer in layers]
    return ("stored numbers", "comparisons"), [(layer.parameters, layer.comparisons) for layer in layers]


def work_text(layers: Sequence[LayerRecord]) -> str:
    """Return what an inference takes: '4,992 multiply-accumulates', 'at most 60 comparisons'; empty if unknown."""
    (_, word), counts = layer_costs(layers)
    work = sum(count for _, count in counts)
    if not work:
        return ""
    return f"{work:,} multiply-accumulates" if word == "MACs" else f"at most {plural(work, 'comparison')}"


def scores_text(scores: dict[str, Interval], folds: int) -> str:
    """Return what folds scored: 'balanced accuracy 0.9353 (0.8911 to 0.9795), cross-validated in 8 folds'."""
    text = ", ".join(
        f"{name} {score.value:.4g} ({score.low:.4g} to {score.high:.4g})" for name, score in scores.items()
    )
    return f"{text}, cross-validated in {folds} folds"


def refit_text(refit: RefitRecord) -> str:
    """Return which fit the figures are of and which one the package holds, a line that packages carry."""
    if not refit.kept:
        return f"the package holds the fit that was judged; the one on all samples was not taken: {refit.why}"
    if refit.folds:
        return f"the figures are of {refit.folds} folds; the package holds a fit on all {refit.samples:,} samples"
    return (
        f"the figures are of a fit on {refit.judged_samples:,} samples; the package holds one on all "
        f"{refit.samples:,}, those that judged among them"
        + (
            ""
            if isinstance(refit.fit_rows, UnsetType)
            else f"; its model drew {refit.fit_rows:,} of them: memory holds no more"
        )
    )


def training_facts(training: TrainingRecord) -> tuple[list[str], list[str], list[str]]:
    """How training was set up, how it ended, what it cost; empty facts are left out.

    A model that is fitted without epochs has no batches, no optimiser and no kept epoch.
    """
    ran = len(training.epochs)
    cpu = f"{seconds_text(training.cpu_seconds)} of CPU" if training.cpu_seconds else ""
    if not ran:
        fitted = [f"trained on {plural(training.samples, 'sample')}", training.loss_name, training.stopped]
        return fitted, [], [fact for fact in (seconds_text(training.seconds), cpu) if fact]
    rate = training.seconds / ran
    lines = (
        [
            f"trained on {plural(training.samples, 'sample')}",
            f"validated on {training.validation_samples:,}" if training.validation_samples else "nothing held out",
            f"batch {training.batch}",
            training.optimiser,
            training.loss_name,
        ],
        [
            training.stopped,
            kept_epoch(training),
            f"temperature {number(training.temperature)}" if training.temperature != 1.0 else "",
        ],
        [
            f"{seconds_text(training.seconds)} for {plural(ran, 'epoch')} ({seconds_text(rate)} each)",
            cpu,
            f"compiling took {seconds_text(training.compile_seconds)}" if training.compile_seconds else "",
        ],
    )
    first, second, third = ([fact for fact in line if fact] for line in lines)
    return first, second, third


def kept_epoch(training: TrainingRecord) -> str:
    """Which epoch's weights were kept, with its loss."""
    kept = next((e for e in training.epochs if e.epoch == training.best_epoch), None)
    if kept is None:
        return ""
    name = "loss" if kept.validation_loss is None else "validation loss"
    last = training.epochs and kept is training.epochs[-1] and best_of(training.epochs) is not kept
    return f"kept epoch {kept.epoch}{' (the last)' if last else ''}, {name} {fraction(watched_loss(kept))}"


def engine_flips_text(form: VariantRecord | CompressRow) -> str:
    """'int8 labels that differ from generated C: onnxruntime 12 of 300 (4 %)'; empty where nothing was counted."""
    by_engine = ", ".join(
        f"{flips.engine} {flips.flips:,} of {flips.samples:,} ({percent(flips.flips / max(flips.samples, 1), 1)})"
        for flips in form.engine_flips
    )
    return f"{form.name} labels that differ from generated C: {by_engine}" if by_engine else ""


def latency_change(whole: VariantRecord, small: VariantRecord) -> Literal["faster", "slower", ""]:
    """Return whether a smaller form takes less or more time here; "" if their times overlap.

    A busy machine delays single calls: a form is faster only if its 99th percentile is below the other's median.
    """
    if not (whole.latency_p50_us and small.latency_p50_us and whole.latency_p99_us and small.latency_p99_us):
        return ""
    if small.latency_p99_us < whole.latency_p50_us:
        return "faster"
    return "slower" if whole.latency_p99_us < small.latency_p50_us else ""


def drop_text(record: CompressionRecord, form: VariantRecord) -> str:
    """Return how a form of the model scores against float: 'costs 0.2 points of accuracy', 'keeps the F1'."""
    figure = "F1" if not isinstance(form.f1, UnsetType) else "error" if form.accuracy is None else "accuracy"
    if abs(record.drop) < 0.0005:
        return f"keeps the {figure}"
    if figure == "error":
        return f"{'raises' if record.drop > 0 else 'lowers'} the error by {percent(abs(record.drop), 1)}"
    return f"{'costs' if record.drop > 0 else 'gains'} {points(record.drop)} of {figure}"


def compression_notes(record: CompressionRecord) -> tuple[str, ...]:
    """Return the notes of a compression; the last compares times of a large network and of this one."""
    reference = record.reference
    if reference is None:
        return record.notes
    own = [record.variants[0].latency_p50_us or 0.0, record.variants[-1].latency_p50_us or 0.0]
    if min(own) <= 0:
        return record.notes
    change = latency_change(record.variants[0], record.variants[-1])
    large, this = (
        f"{microseconds_text(small)} as int8 against {microseconds_text(whole)} as float"
        for whole, small in ((reference.float_us, reference.int8_us), own)
    )
    large += f", {speed_text(reference.float_us, reference.int8_us)}"
    this += f", {speed_text(*own)}" if change else ", a difference within the noise of this machine"
    why = ", because an answer reads every weight once" if reference.int8_us < reference.float_us else ""
    slower = ": its weights stay in the cache, and rounding to int8 and back takes time too"
    why_not = slower if change == "slower" else ""
    return (*record.notes, f"that large network answers here in {large}{why}; this one answers in {this}{why_not}")


def ranked(record: PredictionRecord) -> list[tuple[str, float]]:
    """Return classes and probabilities, the most probable first."""
    return sorted(record.probabilities, key=lambda pair: (-pair[1], pair[0]))


def answer_text(record: PredictionRecord) -> str:
    """Return the answer with its confidence, 'walking, 85 %'; a regression's answer has none."""
    return f"{record.answer}, {percent(record.confidence)}" if record.probabilities else record.answer


def layer_title(layer: LayerTrace) -> str:
    """Return a layer's name with its activation, 'hidden 1 (relu)'."""
    return f"{layer.name} ({layer.activation})" if layer.activation not in ("", "linear") else layer.name


def budget_share(row: BudgetRow) -> str:
    """Return the used share of a budget; empty without a limit."""
    if row.available <= 0:
        return ""
    share = row.used / row.available
    return percent(share) if share >= 0.01 or share == 0 else "< 1 %"


def unnoticed_text(missed: Sequence[str], maximum: int = 1000) -> str:
    """Return the line that names what a model cannot notice; of more than `maximum` changes it counts the others."""
    left = len(missed) - maximum
    rest = (f"and {left} more, which the page of the run lists",) if left > 0 else ()
    return f"this model cannot notice: {'; '.join((*missed[:maximum], *rest))}"
