"""The evaluation: accuracy with its interval, confusion matrix, classes, people or machines, worst mistakes."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from edgewright.schema.trace import EvaluationRecord
from edgewright.trace.facts import (
    beside_accuracy,
    frequent_confusions,
    group_figures,
    interval_text,
    scores_told,
    span,
    worst_groups,
)
from edgewright.trace.page import BAD, GOOD, QUIET, WARN, Page, add, note, table
from edgewright.trace.words import fraction, number, percent, plural, shorten

MATRIX_CLASSES, CONFUSIONS, MISTAKES, GROUPS, LABEL = 12, 8, 5, 8, 14


def evaluation_parts(evaluation: EvaluationRecord, page: Page) -> list[RenderableType]:
    """All blocks of the evaluation that have something to show."""
    headline = _headline(evaluation, page)
    parts: list[RenderableType] = [headline, Text("")] if headline.plain else []
    if evaluation.regression:
        parts += [_regression(evaluation), Text("")]
    if evaluation.confusion:
        parts += [*_confusion(evaluation, page), Text("")]
    if evaluation.classes:
        parts += [_classes(evaluation, page), Text("")]
    if evaluation.groups:
        parts += [*_groups(evaluation, page), Text("")]
    if evaluation.mistakes:
        parts += [*_mistakes(evaluation, page), Text("")]
    return parts[:-1]


def _headline(evaluation: EvaluationRecord, page: Page) -> Text:
    """The figures that come first."""
    split = f", split by {evaluation.split_by}" if evaluation.split_by else ""
    looked = f"{plural(evaluation.samples, 'test sample')}, looked at once{split}"
    if evaluation.folds and evaluation.samples:
        looked = scores_told(evaluation.scores, evaluation.folds)
    # Samples that no split chose: who scores on them says what they are.
    lines = [Text(looked, style=QUIET)] if split else []
    figures = []
    if evaluation.accuracy is not None:
        figures.append(("accuracy", evaluation.accuracy))
    if evaluation.macro_f1 is not None:
        figures.append(("macro-F1", evaluation.macro_f1))
    for name, interval in figures:
        method = f"   95 % interval, {interval.method}" if interval.method else ""
        lines.append(Text.assemble(f"{name:<10}", (interval_text(interval), "bold"), (method, QUIET)))
    beside = page.facts(*beside_accuracy(evaluation))
    if beside:
        lines.append(Text(beside))
    return Text("\n").join(lines)


def _regression(evaluation: EvaluationRecord) -> RenderableType:
    """Each measure, with its interval where it has one."""
    made = table(["measure", "value", "95 % interval", "method"], (1,))
    for name, value in sorted(evaluation.regression.items()):
        found = evaluation.intervals.get(name)
        add(made, name, number(value), *(("", "") if found is None else (span(found), found.method)))
    return made


def _confusion(evaluation: EvaluationRecord, page: Page) -> list[RenderableType]:
    """The matrix, or for many classes the most frequent confusions."""
    labels = evaluation.labels or tuple(str(i) for i in range(len(evaluation.confusion)))
    if len(labels) > MATRIX_CLASSES or len(labels) * 8 + LABEL > page.width:
        return _frequent(evaluation)
    short = [shorten(label, max(6, (page.width - LABEL - 4) // len(labels) - 2), page.ellipsis) for label in labels]
    made = table(["truth \\ answer", *short], range(1, len(labels) + 1))
    for i, row in enumerate(evaluation.confusion):
        cells = [_cell(count, i == j) for j, count in enumerate(row)]
        add(made, shorten(labels[i], LABEL, page.ellipsis), *cells)
    return [made]


def _cell(count: int, right: bool) -> Text:
    return Text(f"{count:,}", style=GOOD if right else WARN if count else QUIET)


def _frequent(evaluation: EvaluationRecord) -> list[RenderableType]:
    pairs = frequent_confusions(evaluation, CONFUSIONS)
    if not pairs:
        return [Text("no sample was confused with another class")]
    made = table(["truth", "answer", "samples"], (2,))
    for count, truth, answer in pairs:
        add(made, truth, answer, f"{count:,}")
    return [note("the most frequent confusions"), made]


def _classes(evaluation: EvaluationRecord, page: Page) -> RenderableType:
    made = table(["class", "precision", "recall (95 %)", "F1", "samples"], (1, 2, 3, 4))
    for row in evaluation.classes:
        recall = fraction(row.recall) if row.support else "-"
        if row.support and row.recall_interval is not None:
            recall = interval_text(row.recall_interval)
        figures = (fraction(row.precision), recall, fraction(row.f1))
        add(made, shorten(row.label, page.width // 3, page.ellipsis), *figures, f"{row.support:,}")
    return made


def _groups(evaluation: EvaluationRecord, page: Page) -> list[RenderableType]:
    """The groups from the worst to the best; of many, the worst few."""
    names, rows = worst_groups(evaluation)
    made = table(["group", *names, "samples"], range(1, len(names) + 2))
    for row in rows[:GROUPS]:
        add(made, shorten(row.group, page.width // 3, page.ellipsis), *group_figures(row), f"{row.samples:,}")
    if len(rows) <= GROUPS:
        return [made]
    best = group_figures(rows[-1])[-1]
    return [made, note(f"the {GROUPS} worst of {len(rows)} groups; the best has {names[-1]} {best}")]


def _mistakes(evaluation: EvaluationRecord, page: Page) -> list[RenderableType]:
    """The wrong answers the model was surest of."""
    worst = sorted(evaluation.mistakes, key=lambda m: (-m.confidence, m.row))
    grouped = any(m.group for m in worst)
    made = table(["worst mistakes", "truth", "answer", "confidence", *(["group"] if grouped else [])], (3,))
    for m in worst[:MISTAKES]:
        answer = Text(m.answer, style=BAD)
        add(
            made,
            f"{evaluation.unit} {m.row + 1:,}",
            m.truth,
            answer,
            percent(m.confidence),
            *([m.group] if grouped else []),
        )
    return [made]
