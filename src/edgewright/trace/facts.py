"""Sentences and figures that the terminal and the page both tell, computed in one place from parts of the record."""

from __future__ import annotations

from edgewright.schema.compress import CompressRow
from edgewright.schema.trace import (
    BudgetRow,
    CompressionRecord,
    EvaluationRecord,
    GroupRow,
    Interval,
    RefitRecord,
    TrainingRecord,
    VariantRecord,
)
from edgewright.trace.observation_rules import best_of, watched_loss
from edgewright.trace.words import fraction, number, percent, plural, points, seconds_text

FRAGILE_CHANGE = -0.05
"""A disturbance that costs this much accuracy, or more, is marked."""


def interval_text(interval: Interval | None) -> str:
    """'.879 (.861 to .895)'; '-' where there is none."""
    if interval is None:
        return "-"
    return f"{fraction(interval.value)} ({fraction(interval.low)} to {fraction(interval.high)})"


def span(interval: Interval) -> str:
    """The interval of an amount: '12.1 to 15.3'."""
    return f"{number(interval.low)} to {number(interval.high)}"


def measured(evaluation: EvaluationRecord, name: str) -> str:
    """A measure of a regression with its interval where it has one: '13.6 (95 %: 12 to 15, bootstrap by group)'."""
    told, found = number(evaluation.regression[name]), evaluation.intervals.get(name)
    return told if found is None else f"{told} (95 %: {span(found)}, {found.method})"


def worst_groups(evaluation: EvaluationRecord) -> tuple[list[str], list[GroupRow]]:
    """Names of the figures that people or machines have, and their rows, the worst first."""
    if evaluation.accuracy is not None:
        return ["accuracy"], sorted(evaluation.groups, key=lambda g: (g.accuracy or 0.0, g.group))
    return ["mae", "rmse"], sorted(evaluation.groups, key=lambda g: (-g.regression.get("rmse", 0.0), g.group))


def group_figures(row: GroupRow) -> list[str]:
    """The figures of a person or machine, in the order of `worst_groups`."""
    return [number(row.regression[n]) for n in sorted(row.regression)] or [fraction(row.accuracy or 0.0)]


def scores_told(scores: dict[str, Interval], folds: int) -> str:
    """What folds judged a model by: 'balanced accuracy 0.9353 (0.8911 to 0.9795), cross-validated in 8 folds'."""
    told = ", ".join(f"{name} {one.value:.4g} ({one.low:.4g} to {one.high:.4g})" for name, one in scores.items())
    return f"{told}, cross-validated in {folds} folds"


def refit_told(refit: RefitRecord) -> str:
    """Which fit the figures are of, and which one the package holds."""
    if not refit.kept:
        return f"the package holds the fit that was judged; the one on all samples was not taken: {refit.why}"
    if refit.folds:
        return f"the figures are of {refit.folds} folds; the package holds a fit on all {refit.samples:,} samples"
    return (
        f"the figures are of a fit on {refit.judged:,} samples; the package holds one on all {refit.samples:,}, those "
        "that judged among them"
    )


def beside_accuracy(evaluation: EvaluationRecord) -> list[str]:
    """What an accuracy is judged by: the most frequent class, the calibration, ties."""
    told = []
    if evaluation.majority is not None:
        told.append(f"always the most frequent class: {fraction(evaluation.majority)}")
    if evaluation.calibration_error is not None:
        told.append(f"calibration error {percent(evaluation.calibration_error, 1)}")
    if evaluation.labels:
        told.append(f"{plural(evaluation.ties, 'tie') if evaluation.ties else 'no ties'} of the largest probability")
    return told


def frequent_confusions(evaluation: EvaluationRecord, most: int) -> list[tuple[int, str, str]]:
    """The most frequent (samples, truth, answer) where the answer is wrong."""
    labels = evaluation.labels or tuple(str(i) for i in range(len(evaluation.confusion)))
    pairs = [
        (count, labels[i], labels[j])
        for i, row in enumerate(evaluation.confusion)
        for j, count in enumerate(row)
        if count and i != j
    ]
    return sorted(pairs, key=lambda p: (-p[0], p[1], p[2]))[:most]


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


def int8_against_float(record: CompressionRecord) -> str:
    """What int8 saves against float, in one line; empty where one of them is missing."""
    whole = next((v for v in record.variants if v.name == "float"), None)
    small = next((v for v in record.variants if v.name == "int8"), None)
    if whole is None or small is None:
        return ""
    said = []
    if small.weight_bytes > 0:
        said.append(f"weights {whole.weight_bytes / small.weight_bytes:.1f}x smaller")
    if small.file_bytes > 0:
        said.append(f"file {whole.file_bytes / small.file_bytes:.1f}x smaller")
    if whole.latency_p50_us and small.latency_p50_us:
        said.append(_speed(whole, small))
    return f"int8 against float: {', '.join(said)}" if said else ""


def _speed(whole: VariantRecord, small: VariantRecord) -> str:
    ratio = (whole.latency_p50_us or 1.0) / (small.latency_p50_us or 1.0)
    return f"{ratio:.1f}x faster" if ratio >= 1 else f"{1 / ratio:.1f}x slower"


def limit_words(record: CompressionRecord) -> tuple[str, str, str]:
    """Whether the drop stays within the limit: ('accuracy lost: 0.2 points, ', 'within the limit of ', '2 points')."""
    classified = any(v.accuracy is not None for v in record.variants)
    size = points(abs(record.drop)) if classified else percent(abs(record.drop), 1)
    word = (
        ("accuracy lost" if record.drop >= 0 else "accuracy gained")
        if classified
        else ("error added" if record.drop >= 0 else "error taken off")
    )
    limit = points(record.max_drop) if classified else percent(record.max_drop, 1)
    return f"{word}: {size}, ", "within the limit of " if record.within else "ABOVE the limit of ", limit


def flips_text(variant: VariantRecord) -> str:
    """'int8 gives another class than float for 11 samples: running (3), walking (8)'; empty where none does."""
    by_class = ", ".join(f"{label} ({count:,})" for label, count in variant.flips_by_class if count)
    if not by_class:
        return ""
    return f"{variant.name} gives another class than float for {plural(variant.flips, 'sample')}: {by_class}"


def engine_flips_text(form: VariantRecord | CompressRow) -> str:
    """'int8 labels that differ from generated C: onnxruntime 12 of 300 (4 %)'; empty where nothing was counted."""
    by_engine = ", ".join(
        f"{one.engine} {one.flips:,} of {one.samples:,} ({percent(one.flips / max(one.samples, 1), 1)})"
        for one in form.engine_flips
    )
    return f"{form.name} labels that differ from generated C: {by_engine}" if by_engine else ""


def budget_share(row: BudgetRow) -> str:
    """Used of available; empty without a limit."""
    if row.available <= 0:
        return ""
    share = row.used / row.available
    return percent(share) if share >= 0.01 or share == 0 else "< 1 %"
