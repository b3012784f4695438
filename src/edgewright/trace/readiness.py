"""The floor below which a model is not ready: mostly right, better than the simplest answers, as good as asked."""

from __future__ import annotations

from edgewright.core.formatting import number, percent, plural
from edgewright.schema.trace import EvaluationRecord, Interval, LeftOutRecord, SimplestRecord

# An answer that is more often wrong than right is of no use, whatever the number of classes.
HALF = 0.5
# So few test groups leave most differences open.
_FEW = 6


def left_out_text(record: LeftOutRecord) -> str:
    """Return what groups that were left out in turn say, with their caveat.

    '100 % right on 2 groups says little (95 % CI 34 % to 100 % by person)'.
    """
    score, groups = record.score, plural(len(record.groups), "group")
    if record.r2 is not None:
        span = f"95 % CI {number(score.low)} to {number(score.high)} by {record.by}"
        return f"rmse {number(score.value)} on {groups} left out in turn ({span}), R² {number(record.r2)}"
    span = f"95 % CI {percent(score.low)} to {percent(score.high)} by {record.by}"
    if says_little(record):
        return f"{percent(score.value)} right on {groups} says little ({span})"
    return f"{percent(score.value)} right on {groups} left out in turn ({span})"


def says_little(record: LeftOutRecord) -> bool:
    """Return whether so few groups leave it open if most answers of another one are right."""
    return record.r2 is None and record.score.low <= HALF


def shortfalls(evaluation: EvaluationRecord) -> list[str]:
    """Return what a model's answers lack to be ready, a clause each; none where they are good enough."""
    left = evaluation.left_out
    simplest = evaluation.simplest if left is None else left.simplest
    made = [*_right(evaluation), *_usual(evaluation)]
    if simplest is not None and simplest.gain.low <= 0 and not made:
        made.append(_no_gain(simplest, evaluation))
    return [*made, *_asked(evaluation)]


def _share(evaluation: EvaluationRecord) -> Interval | None:
    """Return the share of right answers that counts: of groups left out, else of the test samples; None of amounts."""
    if evaluation.accuracy is None:
        return None
    return evaluation.accuracy if evaluation.left_out is None else evaluation.left_out.score


def _right(evaluation: EvaluationRecord) -> list[str]:
    share = _share(evaluation)
    if share is None or share.low > HALF:
        return []
    if share.value <= HALF:
        return [f"{percent(share.value, 1)} right: as often wrong as right, or more often"]
    return [f"it may be wrong as often as right (95 % CI from {percent(share.low)})"]


def _usual(evaluation: EvaluationRecord) -> list[str]:
    """Return whether always the most frequent class, or the mean, does as well."""
    share, left = _share(evaluation), evaluation.left_out
    if left is not None:
        usual = "predicting the mean" if share is None else "predicting the most frequent class"
        return [f"not significantly better than always {usual}"] if left.majority.low <= 0 else []
    if share is not None and evaluation.majority is not None and share.low <= evaluation.majority:
        return [
            f"accuracy {percent(share.value, 1)} is not significantly better than always predicting the most "
            f"frequent class ({percent(evaluation.majority, 1)})"
        ]
    if share is None and evaluation.regression.get("r2", 1.0) <= 0:
        return ["the answers are no better than always predicting the mean"]
    return []


def _no_gain(simplest: SimplestRecord, evaluation: EvaluationRecord) -> str:
    score = (
        f"{percent(simplest.score, 1)} right" if evaluation.accuracy is not None else f"rmse {number(simplest.score)}"
    )
    text = f"not significantly better than one column with thresholds ({score}; --set model.kind=threshold trains it)"
    if simplest.gain.value > 0 and evaluation.left_out is None and 1 < len(evaluation.groups) < _FEW:
        text += f"; {len(evaluation.groups)} groups test, and more may tell (--set split.test=0.4)"
    return text


def _asked(evaluation: EvaluationRecord) -> list[str]:
    """Return whether fewer answers are right than was asked for, or less of the variance is explained."""
    share, left = _share(evaluation), evaluation.left_out
    if not evaluation.need:
        return []
    if share is not None:
        figure, name = share.value, f"{percent(share.value, 1)} right"
    else:
        key, title = ("f1", "F1") if "f1" in evaluation.regression else ("r2", "R²")
        figure = evaluation.regression.get(key, 0.0) if left is None else (left.r2 or 0.0)
        name = f"{title} {number(figure)}"
    asked = percent(evaluation.need, 1) if share is not None else number(evaluation.need)
    return [f"{name}, {asked} was asked for"] if figure < evaluation.need else []
