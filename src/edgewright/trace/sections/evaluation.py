"""Evaluation: accuracy with its interval, groups left out in turn, confusion matrix, classes and mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgewright.core.formatting import duration_text, fraction, number, percent, plural
from edgewright.schema.trace import EvaluationRecord, GroupRow, Interval, LeftOutRecord, RefitRecord
from edgewright.trace.blocks.view_blocks import Cell, Fold, Items, Matrix, Row, SideBySide, Table, ViewBlock, line, row
from edgewright.trace.sections import Section
from edgewright.trace.sentences.facts import interval_text, refit_text, scores_text, span
from edgewright.trace.sentences.readiness import left_out_text


def left_out_blocks(record: LeftOutRecord | None) -> Sequence[ViewBlock]:
    """Return the mean with its caveat, what it was compared with, and each group, the worst first."""
    if record is None:
        return ()
    classify = record.r2 is None
    gains = [("always the most frequent class" if classify else "always the mean", record.majority)]
    gains += [] if record.simplest is None else [("one column with thresholds", record.simplest.gain)]
    text = "; ".join(f"{_gain(gain, classify=classify)} over {name}" for name, gain in gains)
    some = f" {len(record.groups)} of {record.known} groups: time ended." if len(record.groups) < record.known else ""
    return (
        line(left_out_text(record), "strong", "evaluation-left-out"),
        line(f"Gain: {text}.", "quiet"),
        line(
            f"Each {record.by} was left out once; stages and model were fitted on the others, as those of the package "
            f"are on all ({duration_text(record.seconds)}).{some} Confidence intervals: {record.score.method}; of "
            f"gains, {record.majority.method}.",
            "quiet",
        ),
        Table("Left out, the worst first", _heads(record), _rows(record), "measured"),
    )


def _gain(gain: Interval, *, classify: bool) -> str:
    value, low, high = (f"{100 * x:+.1f}" if classify else f"{x:+.3g}" for x in (gain.value, gain.low, gain.high))
    return f"{value}{' points' if classify else ''} (95 % CI {low} to {high})"


def _heads(record: LeftOutRecord) -> tuple[str, ...]:
    figures = ("accuracy",) if record.r2 is None else tuple(sorted(record.groups[0].regression))
    return (record.by, *(f"#{name}" for name in figures), "#samples")


def _rows(record: LeftOutRecord) -> list[Row]:
    if record.r2 is None:
        ordered = sorted(record.groups, key=lambda group: (group.accuracy or 0.0, group.group))
        return [
            row(group.group, Cell(fraction(group.accuracy or 0.0), meter=group.accuracy), f"{group.samples:,}")
            for group in ordered
        ]
    ordered = sorted(record.groups, key=lambda group: (-group.regression["rmse"], group.group))
    figures = sorted(ordered[0].regression)
    return [
        row(group.group, *(number(group.regression[name]) for name in figures), f"{group.samples:,}")
        for group in ordered
    ]


_CONFUSIONS, _MISTAKES, _GROUPS = 10, 8, 8


def evaluation_blocks(evaluation: EvaluationRecord | None, refit: RefitRecord | None = None) -> Sequence[ViewBlock]:
    """Build everything that the evaluation has."""
    if evaluation is None:
        return ()
    blocks: list[ViewBlock] = [*left_out_blocks(evaluation.left_out), *_headline(evaluation)]
    blocks += [line(refit_text(refit), "quiet")] if refit is not None else []
    blocks += [Items(_baselines(evaluation))] if _baselines(evaluation) else []
    if evaluation.regression:
        blocks.append(_measures(evaluation))
    if evaluation.confusion:
        labels = evaluation.labels or tuple(str(i) for i in range(len(evaluation.confusion)))
        blocks.append(Matrix(labels, evaluation.confusion, _confusions(evaluation, labels)))
    if evaluation.classes:
        blocks.append(_classes(evaluation))
    lists: list[ViewBlock] = [*([_mistakes(evaluation)] if evaluation.mistakes else []), *_groups(evaluation)]
    return [*blocks, SideBySide(lists)] if lists else blocks


def _headline(evaluation: EvaluationRecord) -> list[ViewBlock]:
    """Return the figures that come first, and what they were measured on."""
    if evaluation.folds:
        return [line(scores_text(evaluation.scores, evaluation.folds), anchor="evaluation-headline")]
    # Samples that no split chose: who scores on them says what they are.
    of = (
        f" on {plural(evaluation.samples, f'test {evaluation.unit}')}, split by {evaluation.split_by}"
        if evaluation.split_by
        else ""
    )
    figures = [
        (name, interval)
        for name, interval in (("accuracy", evaluation.accuracy), ("macro-F1", evaluation.macro_f1))
        if interval
    ]
    text = ", ".join(f"{name} {percent(part.value, 1)} (95 % CI {percent(part.low, 1)} to {percent(part.high, 1)})"
                     for name, part in figures)  # fmt: skip
    text = text or ", ".join(f"{name} {number(value)}" for name, value in sorted(evaluation.regression.items()))
    # Where each group was left out once, those fits give the headline, and these are the figures of one split.
    alone = evaluation.left_out is None
    headline = line(f"{'' if alone else 'One split: '}{text}{of}", "strong" if alone else "", "evaluation-headline")
    blocks: list[ViewBlock] = [headline] if text or of else []
    method = next(
        (
            interval.method
            for interval in (*(interval for _, interval in figures), *evaluation.intervals.values())
            if interval.method
        ),
        "",
    )
    return [*blocks, *([line(f"Confidence intervals: {method}.", "quiet")] if method else [])]


def _baselines(evaluation: EvaluationRecord) -> list[str]:
    """Return what an accuracy is compared with: the most frequent class, the calibration, ties."""
    baselines = []
    if evaluation.majority is not None:
        baselines.append(f"always the most frequent class: {fraction(evaluation.majority)}")
    if evaluation.calibration_error is not None:
        chance = evaluation.calibration_chance
        by_chance = "" if isinstance(chance, msgspec.UnsetType) else f" (by chance alone {percent(chance, 1)})"
        baselines.append(f"calibration error {percent(evaluation.calibration_error, 1)}{by_chance}")
    if evaluation.labels and evaluation.ties:
        baselines.append(f"{plural(evaluation.ties, 'tie')} of the largest probability")
    return baselines


def _measures(evaluation: EvaluationRecord) -> Table:
    rows = [
        row(name, number(value), span(evaluation.intervals[name]) if name in evaluation.intervals else "")
        for name, value in sorted(evaluation.regression.items())
    ]
    title = "Errors" if "rmse" in evaluation.regression else "Centres"
    return Table(title, ("measure", "#value", "#95 % CI"), rows, "measured")


def _confusions(evaluation: EvaluationRecord, labels: Sequence[str]) -> Table:
    """List the most frequent confusions."""
    pairs = sorted(
        (-count, labels[i], labels[j])
        for i, counts in enumerate(evaluation.confusion)
        for j, count in enumerate(counts)
        if count and i != j
    )
    rows = [row(truth, answer, f"{-count:,}") for count, truth, answer in pairs[:_CONFUSIONS]]
    return Table("Most frequent confusions", ("truth", "answer", "#samples"), rows, "measured")


def _classes(evaluation: EvaluationRecord) -> Table:
    rows = []
    for scores in evaluation.classes:
        recall = fraction(scores.recall) if scores.recall_interval is None else interval_text(scores.recall_interval)
        figures = (
            fraction(scores.precision),
            recall if scores.support else "-",
            fraction(scores.f1),
            f"{scores.support:,}",
        )
        rows.append(row(scores.label, *figures))
    return Table("By class", ("class", "#precision", "#recall (95 % CI)", "#F1", "#samples"), rows, "measured")


def _groups(evaluation: EvaluationRecord) -> list[ViewBlock]:
    """List people or machines, the worst first; of many, the others are folded."""
    if not evaluation.groups:
        return []
    names, better = ["accuracy"], "a higher accuracy"
    groups = sorted(evaluation.groups, key=lambda group: (group.accuracy or 0.0, group.group))
    if evaluation.accuracy is None:
        names = sorted(evaluation.groups[0].regression)
        better = "smaller errors" if "rmse" in names else "a higher F1"
        groups = sorted(
            evaluation.groups,
            key=lambda group: (group.regression.get("f1", 0.0), -group.regression.get("rmse", 0.0), group.group),
        )
    heads = ("group", *(f"#{name}" for name in names), "#samples")
    rows = [_group(group) for group in groups]
    table = Table("By group, the worst first", heads, rows[:_GROUPS], "measured")
    if len(rows) <= _GROUPS:
        return [table]
    title = f"{plural(len(rows) - _GROUPS, 'group')} with {better}"
    return [table, Fold(title, [Table("The other groups", heads, rows[_GROUPS:], "measured")], [line(title, "quiet")])]


def _group(group: GroupRow) -> Row:
    if group.accuracy is None:
        figures = [Cell(number(group.regression[name])) for name in sorted(group.regression)]
    else:
        figures = [Cell(fraction(group.accuracy), meter=group.accuracy)]
    return row(group.group, *figures, f"{group.samples:,}")


def _mistakes(evaluation: EvaluationRecord) -> Table:
    worst = sorted(evaluation.mistakes, key=lambda mistake: (-mistake.confidence, mistake.row))[:_MISTAKES]
    grouped = any(mistake.group for mistake in worst)
    rows = [
        row(
            Cell(f"{mistake.row + 1:,}", sample=mistake.row + 1), mistake.truth, Cell(mistake.answer, "bad"),
            percent(mistake.confidence),
            *([mistake.group] if grouped else []),
        )
        for mistake in worst
    ]  # fmt: skip
    heads = (evaluation.unit, "truth", "answer", "#confidence", *(["group"] if grouped else []))
    return Table("Most confident mistakes", heads, rows, "measured")


SECTION = Section(
    50,
    "Evaluation",
    lambda trace: evaluation_blocks(trace.evaluation, trace.refit),
    missing="This run has no evaluation.",
)
