"""Evaluation: accuracy with its interval, confusion matrix, classes, worst mistakes, people or machines."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.schema.trace import EvaluationRecord, Trace
from edgewright.trace.facts import (
    beside_accuracy,
    frequent_confusions,
    group_figures,
    refit_told,
    scores_told,
    span,
    worst_groups,
)
from edgewright.trace.sections import Section
from edgewright.trace.words import number, percent

_MATRIX_CLASSES, _CONFUSIONS, _MISTAKES, _GROUPS = 24, 20, 10, 12
_SHADES = 9


def view(trace: Trace) -> Mapping[str, object] | None:
    """Everything the evaluation has: parts that are empty are not shown."""
    evaluation = trace.evaluation
    if evaluation is None:
        return None
    measures, groups = worst_groups(evaluation)
    shown = [(g, group_figures(g)) for g in groups]
    matrix = _matrix(evaluation)
    mistakes = sorted(evaluation.mistakes, key=lambda m: (-m.confidence, m.row))[:_MISTAKES]
    return {
        "evaluation": evaluation,
        "figures": [
            (name, interval)
            for name, interval in (("accuracy", evaluation.accuracy), ("macro-F1", evaluation.macro_f1))
            if interval is not None
        ],
        "beside": beside_accuracy(evaluation),
        "regression": [
            (name, number(value), span(evaluation.intervals[name]) if name in evaluation.intervals else "")
            for name, value in sorted(evaluation.regression.items())
        ],
        "matrix": matrix,
        "confusions": frequent_confusions(evaluation, _CONFUSIONS) if evaluation.confusion and matrix is None else [],
        "mistakes": mistakes,
        "grouped": any(m.group for m in mistakes),
        "measures": measures,
        "scores": scores_told(evaluation.scores, evaluation.folds) if evaluation.folds else "",
        "groups": shown[:_GROUPS],
        "more_groups": shown[_GROUPS:],
        "better": "a higher accuracy" if measures == ["accuracy"] else "smaller errors",
        "method": next((i.method for i in (evaluation.accuracy, *evaluation.intervals.values()) if i is not None), ""),
        "unit": evaluation.unit,
        "refit": refit_told(trace.refit) if trace.refit is not None else "",
    }


def _matrix(evaluation: EvaluationRecord) -> list[tuple[str, list[tuple[int, str, str]]]] | None:
    """Rows of (truth, cells of count, share of the row, class of shading); None for very many classes."""
    size = len(evaluation.confusion)
    if not 0 < size <= _MATRIX_CLASSES:
        return None
    labels = evaluation.labels or tuple(str(i) for i in range(size))
    rows = []
    for i, counts in enumerate(evaluation.confusion):
        total = sum(counts) or 1
        cells = []
        for j, count in enumerate(counts):
            share = count / total
            # Even one wrong answer in a thousand is seen.
            shade = 0 if not count else max(1, min(_SHADES, round(_SHADES * share)))
            said = percent(share) if share >= 0.01 or not count else "< 1 %"
            cells.append((count, said, f"{'right' if i == j else 'wrong'} s{shade}"))
        rows.append((labels[i], cells))
    return rows


SECTION = Section(50, "Evaluation", view, missing="Nothing was evaluated in this run.")
