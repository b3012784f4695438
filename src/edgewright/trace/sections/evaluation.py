"""Evaluation: accuracy with its interval, confusion matrix, classes, groups and the most confident mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgewright.core.formatting import fraction, number, percent, plural
from edgewright.schema.trace import EvaluationRecord, GroupRow, RefitRecord
from edgewright.trace.facts import interval_text, refit_text, scores_text, span
from edgewright.trace.left_out_view import left_out_blocks
from edgewright.trace.sections import Section
from edgewright.trace.view_blocks import Beside, Cell, Fold, Items, Matrix, Row, Table, ViewBlock, line, row

_CONFUSIONS, _MISTAKES, _GROUPS = 10, 8, 8


def evaluation_blocks(found: EvaluationRecord | None, refit: RefitRecord | None = None) -> Sequence[ViewBlock]:
    """Build everything that the evaluation has."""
    if found is None:
        return ()
    made: list[ViewBlock] = [*left_out_blocks(found.left_out), *_headline(found)]
    made += [line(refit_text(refit), "quiet")] if refit is not None else []
    made += [Items(_baselines(found))] if _baselines(found) else []
    if found.regression:
        made.append(_measures(found))
    if found.confusion:
        labels = found.labels or tuple(str(i) for i in range(len(found.confusion)))
        made.append(Matrix(labels, found.confusion, _confusions(found, labels)))
    if found.classes:
        made.append(_classes(found))
    lists: list[ViewBlock] = [*([_mistakes(found)] if found.mistakes else []), *_groups(found)]
    return [*made, Beside(lists)] if lists else made


def _headline(found: EvaluationRecord) -> list[ViewBlock]:
    """Return the figures that come first, and what they were measured on."""
    if found.folds:
        return [line(scores_text(found.scores, found.folds), anchor="evaluation-headline")]
    # Samples that no split chose: who scores on them says what they are.
    of = f" on {plural(found.samples, f'test {found.unit}')}, split by {found.split_by}" if found.split_by else ""
    figures = [(name, one) for name, one in (("accuracy", found.accuracy), ("macro-F1", found.macro_f1)) if one]
    text = ", ".join(f"{name} {percent(one.value, 1)} (95 % CI {percent(one.low, 1)} to {percent(one.high, 1)})"
                     for name, one in figures)  # fmt: skip
    text = text or ", ".join(f"{name} {number(value)}" for name, value in sorted(found.regression.items()))
    # Where each group was left out once, those fits give the headline, and these are the figures of one split.
    alone = found.left_out is None
    said = line(f"{'' if alone else 'One split: '}{text}{of}", "strong" if alone else "", "evaluation-headline")
    made: list[ViewBlock] = [said] if text or of else []
    method = next((one.method for one in (*(one for _, one in figures), *found.intervals.values()) if one.method), "")
    return [*made, *([line(f"Confidence intervals: {method}.", "quiet")] if method else [])]


def _baselines(found: EvaluationRecord) -> list[str]:
    """Return what an accuracy is compared with: the most frequent class, the calibration, ties."""
    made = []
    if found.majority is not None:
        made.append(f"always the most frequent class: {fraction(found.majority)}")
    if found.calibration_error is not None:
        chance = found.calibration_chance
        beside = "" if isinstance(chance, msgspec.UnsetType) else f" (by chance alone {percent(chance, 1)})"
        made.append(f"calibration error {percent(found.calibration_error, 1)}{beside}")
    if found.labels and found.ties:
        made.append(f"{plural(found.ties, 'tie')} of the largest probability")
    return made


def _measures(found: EvaluationRecord) -> Table:
    rows = [
        row(name, number(value), span(found.intervals[name]) if name in found.intervals else "")
        for name, value in sorted(found.regression.items())
    ]
    title = "Errors" if "rmse" in found.regression else "Centres"
    return Table(title, ("measure", "#value", "#95 % CI"), rows, "measured")


def _confusions(found: EvaluationRecord, labels: Sequence[str]) -> Table:
    """List the most frequent confusions."""
    pairs = sorted(
        (-count, labels[i], labels[j])
        for i, counts in enumerate(found.confusion)
        for j, count in enumerate(counts)
        if count and i != j
    )
    rows = [row(truth, answer, f"{-count:,}") for count, truth, answer in pairs[:_CONFUSIONS]]
    return Table("Most frequent confusions", ("truth", "answer", "#samples"), rows, "measured")


def _classes(found: EvaluationRecord) -> Table:
    rows = []
    for one in found.classes:
        recall = fraction(one.recall) if one.recall_interval is None else interval_text(one.recall_interval)
        figures = (fraction(one.precision), recall if one.support else "-", fraction(one.f1), f"{one.support:,}")
        rows.append(row(one.label, *figures))
    return Table("By class", ("class", "#precision", "#recall (95 % CI)", "#F1", "#samples"), rows, "measured")


def _groups(found: EvaluationRecord) -> list[ViewBlock]:
    """List people or machines, the worst first; of many, the others are folded."""
    if not found.groups:
        return []
    names, better = ["accuracy"], "a higher accuracy"
    groups = sorted(found.groups, key=lambda one: (one.accuracy or 0.0, one.group))
    if found.accuracy is None:
        names = sorted(found.groups[0].regression)
        better = "smaller errors" if "rmse" in names else "a higher F1"
        groups = sorted(
            found.groups, key=lambda one: (one.regression.get("f1", 0.0), -one.regression.get("rmse", 0.0), one.group)
        )
    heads = ("group", *(f"#{name}" for name in names), "#samples")
    rows = [_group(one) for one in groups]
    table = Table("By group, the worst first", heads, rows[:_GROUPS], "measured")
    if len(rows) <= _GROUPS:
        return [table]
    title = f"{plural(len(rows) - _GROUPS, 'group')} with {better}"
    return [table, Fold(title, [Table("The other groups", heads, rows[_GROUPS:], "measured")], [line(title, "quiet")])]


def _group(one: GroupRow) -> Row:
    if one.accuracy is None:
        figures = [Cell(number(one.regression[name])) for name in sorted(one.regression)]
    else:
        figures = [Cell(fraction(one.accuracy), meter=one.accuracy)]
    return row(one.group, *figures, f"{one.samples:,}")


def _mistakes(found: EvaluationRecord) -> Table:
    worst = sorted(found.mistakes, key=lambda one: (-one.confidence, one.row))[:_MISTAKES]
    grouped = any(one.group for one in worst)
    rows = [
        row(
            Cell(f"{one.row + 1:,}", sample=one.row + 1), one.truth, Cell(one.answer, "bad"), percent(one.confidence),
            *([one.group] if grouped else []),
        )
        for one in worst
    ]  # fmt: skip
    heads = (found.unit, "truth", "answer", "#confidence", *(["group"] if grouped else []))
    return Table("Most confident mistakes", heads, rows, "measured")


SECTION = Section(
    50,
    "Evaluation",
    lambda trace: evaluation_blocks(trace.evaluation, trace.refit),
    missing="This run has no evaluation.",
)
