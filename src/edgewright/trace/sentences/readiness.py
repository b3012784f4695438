"""The one policy of verdicts: no model, not ready, ready with a weakness, or ready; each with its reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import msgspec

from edgewright.core.formatting import amount, number, percent, plural, points
from edgewright.core.records.trace import (
    CompressionRecord,
    DeviceRecord,
    EvaluationRecord,
    Interval,
    LeftOutRecord,
    MetricRecord,
    SimplestRecord,
)
from edgewright.trace.sentences.facts import ci_text, drop_text, score_text, scores_text

NO_MODEL, NOT_READY, WEAK, READY = "no model", "not ready", "ready, with a weakness", "ready"
STATES = (NO_MODEL, NOT_READY, WEAK, READY)
"""Every verdict begins with one of these words."""
NOTHING = "nothing beats chance"
REMEDY = (
    "`edgewright check` looks for wrong labels and columns; else record other sensors, longer windows or more people"
)
# A plausible change of a sensor that costs more accuracy is a weakness.
FRAGILE = 0.05

# An answer that is more often wrong than right is of no use, whatever the number of classes.
HALF = 0.5
# So much of noise seems to agree with the truth.
_BY_CHANCE = 0.01
_LIMIT = NormalDist().inv_cdf(1 - _BY_CHANCE)
# Results on fewer samples may be chance.
_FEWEST = 30
# Two groups that happen to be alike say nothing of how unlike others are.
_TELLING = 3
_Z95 = NormalDist().inv_cdf(0.975)
# More test samples than so many times as many are not named.
_MORE = 10
AVERAGE_PRECISION = "average-precision"
MIN_RARE_SAMPLES = 5
"""Test samples of a rare class below which nothing is said of how well it is found."""


class _Shortfall(NamedTuple):
    """What a model's answers lack to be ready.

    Attributes:
        clause: a sentence's part that says it.
        figure: interval that is not above the limit; None where more samples cannot mend it.
        limit: what the interval has to be above.
    """

    clause: str
    figure: Interval | None = None
    limit: float = 0.0


def verdict(
    *,
    evaluation: EvaluationRecord | None = None,
    compression: CompressionRecord | None = None,
    device: DeviceRecord | None = None,
) -> str:
    """Return whether the package may go to its device, and why (not), in one sentence that begins with a state."""
    where = f" for {device.profile}" if device is not None else ""
    differs = compression is not None and bool(compression.disagreement)
    if evaluation is not None and is_chance(evaluation) and not differs:
        return f"{NO_MODEL}{where}: {NOTHING} ({chance_text(evaluation)}); {REMEDY}"
    problems = _problems(evaluation, compression, device)
    if problems:
        if evaluation is not None and evaluation.left_out is not None:
            problems.append(left_out_text(evaluation.left_out))
        if evaluation is not None and evaluation.scores:
            problems.append(scores_text(evaluation.scores, evaluation.folds))
        return f"{NOT_READY}{where}: {'; '.join(problems)}"
    records = _figures(evaluation, compression, device)
    weaknesses = _weaknesses(evaluation, compression)
    if not records:
        return f"built{where}; nothing was measured"
    if weaknesses:
        return f"{WEAK}{where}: {'; '.join(weaknesses)}; {', '.join(records)}"
    return f"{READY}{where}: {', '.join(records)}"


def state_of(verdict: str) -> str:
    """Return the state that a verdict begins with; empty where nothing was measured."""
    return next((state for state in STATES if verdict.startswith(state)), "")


def is_chance(evaluation: EvaluationRecord) -> bool:
    """Return whether neither the model nor the simplest one agrees with the truth more than by chance.

    The interval by group has to reach the most frequent class, and samples that each stand for themselves must not
    tell either model from chance: where groups or samples are merely few, a model is not ready, and that is all.
    """
    share, left = _share(evaluation), evaluation.left_out
    if share is None and "r2" not in evaluation.regression:
        return False
    if left is not None and left.majority.low > 0:
        return False
    if not isinstance(evaluation.metric, msgspec.UnsetType):
        return _is_chance_by(evaluation.metric, evaluation)
    if share is None:
        return _shows_amounts(evaluation.samples) and not _amounts_agree(evaluation)
    majority = evaluation.majority or 0.0
    if not _shows(majority, evaluation.samples):
        return False
    if left is None and share.low > majority:
        return False
    simplest = 0.0 if evaluation.simplest is None else evaluation.simplest.score
    error = math.sqrt(max(majority * (1 - majority), 1e-12) / max(evaluation.samples, 1))
    return simplest <= majority + _LIMIT * error and not agrees(evaluation.confusion)


def _is_chance_by(metric: MetricRecord, evaluation: EvaluationRecord) -> bool:
    """Return whether neither model beats a constant prediction in the metric of uneven classes."""
    if not _shows(evaluation.majority or 0.0, evaluation.samples) or metric.score.low > metric.constant:
        return False
    simplest = 0.0 if evaluation.simplest is None else evaluation.simplest.score
    return simplest <= (1 + metric.constant) / 2 and not agrees(evaluation.confusion)


def _shows(majority: float, samples: int) -> bool:
    """Return whether the samples would show a model that is right in half of what the majority gets wrong.

    On fewer samples a good model may look like chance, so nothing can be said of whether there is one.
    """
    useful = (1 + majority) / 2
    return samples >= _FEWEST and useful - majority > _LIMIT * math.sqrt(majority * (1 - majority) / samples)


def _shows_amounts(samples: int) -> bool:
    """Return whether the samples would show answers that correlate with the truth by a half."""
    return samples >= _FEWEST and math.atanh(HALF) * math.sqrt(samples - 3) > _LIMIT


def agrees(confusion: Sequence[Sequence[int]], comparisons: int = 1) -> bool:
    """Return whether answers agree with the truth more often than answers of the same frequencies would by chance.

    Args:
        confusion: counts, a row a true class.
        comparisons: so many models had the chance to.

    Returns:
        Whether the agreement is beyond its error under independence (Cohen's kappa; Fleiss, Cohen and Everitt, 1969).
    """
    total = sum(map(sum, confusion))
    if not total:
        return False
    true = [sum(row) / total for row in confusion]
    given = [sum(column) / total for column in zip(*confusion, strict=True)]
    right = sum(row[index] for index, row in enumerate(confusion)) / total
    chance = sum(p * q for p, q in zip(true, given, strict=True))
    spread = chance + chance**2 - sum(p * q * (p + q) for p, q in zip(true, given, strict=True))
    limit = NormalDist().inv_cdf(1 - _BY_CHANCE / comparisons)
    return bool(spread > 1e-12 and right - chance > limit * math.sqrt(spread / total))


def _amounts_agree(evaluation: EvaluationRecord) -> bool:
    """Return whether the model or the simplest one explains more of the variance than noise would."""
    r2, simplest = evaluation.regression["r2"], evaluation.simplest
    left = evaluation.left_out
    shares = [r2] if left is None or left.r2 is None else [r2, left.r2]
    if simplest is not None and r2 < 1 and evaluation.regression.get("rmse"):
        shares.append(1 - (1 - r2) * (simplest.score / evaluation.regression["rmse"]) ** 2)
    return explains(max(shares), evaluation.samples)


def explains(r2: float, samples: int, comparisons: int = 1) -> bool:
    """Return whether answers explain more of the variance than noise would (Fisher's transform of a correlation)."""
    correlation = math.sqrt(min(max(0.0, r2), 1 - 1e-12))
    limit = NormalDist().inv_cdf(1 - _BY_CHANCE / comparisons)
    return math.atanh(correlation) * math.sqrt(max(samples - 3, 1)) > limit


def chance_text(evaluation: EvaluationRecord) -> str:
    """Return the score beside that of the answer that is always the same."""
    share = _share(evaluation)
    if share is None:
        return f"R² {number(evaluation.regression['r2'])}, predicting the mean has 0"
    if evaluation.majority is None or evaluation.left_out is not None:
        return f"{percent(share.value, 1)} right, no better than always predicting the most frequent class"
    return (
        f"{percent(share.value, 1)} right, always predicting the most frequent class: {percent(evaluation.majority, 1)}"
    )


def _figures(
    evaluation: EvaluationRecord | None, compression: CompressionRecord | None, device: DeviceRecord | None
) -> list[str]:
    records = []
    if evaluation is not None and evaluation.left_out is not None:
        records.append(left_out_text(evaluation.left_out))
    elif evaluation is not None and evaluation.accuracy is not None:
        a = evaluation.accuracy
        records.append(f"{percent(a.value, 1)} right ({ci_text(a)})")
    elif evaluation is not None and evaluation.regression:
        records.append(", ".join(f"{name} {number(value)}" for name, value in sorted(evaluation.regression.items())))
    metric = msgspec.UNSET if evaluation is None else evaluation.metric
    if not isinstance(metric, msgspec.UnsetType) and metric.name == AVERAGE_PRECISION:
        records.insert(0, metric_text(metric))
    if evaluation is not None and evaluation.scores:
        records.append(scores_text(evaluation.scores, evaluation.folds))
    elif evaluation is not None and evaluation.known:
        records.append("of recordings that also trained, so expect less of new ones")
    if compression is not None and any(variant.name == "int8" for variant in compression.variants):
        records.append("int8 within the limit")
    if device is not None:
        records.append("fits every budget")
    return records


def _weaknesses(evaluation: EvaluationRecord | None, compression: CompressionRecord | None) -> list[str]:
    changes = () if compression is None else compression.robustness
    worst = min(changes, key=lambda change: (change.change, change.disturbance), default=None)
    weaknesses = []
    if worst is not None and worst.change < -FRAGILE:
        weaknesses.append(f"{worst.disturbance} costs {points(worst.change)}")
    simplest = None if evaluation is None else _simplest_of(evaluation)
    if evaluation is not None and simplest is not None and simplest.gain.low <= 0:
        weaknesses.append(f"not significantly better than {_simplest_text(simplest, evaluation)}")
    share = msgspec.UNSET if evaluation is None else evaluation.burst_share
    if not isinstance(share, msgspec.UnsetType) and share >= HALF:
        # 81 kinds of groceries: 57.5 % right in bursts that were left out, 35.5 % in other shops.
        weaknesses.append(f"{percent(share)} of the pictures are from bursts, and new places were not tested")
    return weaknesses


def _problems(
    evaluation: EvaluationRecord | None, compression: CompressionRecord | None, device: DeviceRecord | None
) -> list[str]:
    problems = []
    if evaluation is not None:
        problems += shortfalls(evaluation)
    if compression is not None and compression.disagreement:
        problems.append(compression.disagreement)
    if compression is not None and not compression.within:
        form = compression.variants[-1]
        limit = points(compression.max_drop) if form.error is None else percent(compression.max_drop, 1)
        problems.append(f"int8 {drop_text(compression, form)}, the limit is {limit}")
    if device is not None:
        over = [r for r in device.rows if r.available > 0 and r.used > r.available]
        problems += [f"{r.name} {amount(r.used, r.unit)} of {amount(r.available, r.unit)}" for r in over]
        if not device.fits and not over:
            problems.append("it does not fit the device")
    return problems


def left_out_text(record: LeftOutRecord) -> str:
    """Return what groups that were left out in turn say, with their caveat.

    '100 % right on 2 groups says little (95 % CI 34 % to 100 % by person)'.
    """
    score, groups = record.score, plural(len(record.groups), "fold" if record.by == "fold" else "group")
    span = f"{ci_text(score, percent if record.r2 is None else number)} by {record.by}"
    if record.r2 is not None:
        return f"rmse {number(score.value)} on {groups} left out in turn ({span}), R² {number(record.r2)}"
    if says_little(record):
        return f"{percent(score.value)} right on {groups} says little ({span})"
    return f"{percent(score.value)} right on {groups} left out in turn ({span})"


def says_little(record: LeftOutRecord) -> bool:
    """Return whether so few groups leave it open if most answers of another one are right."""
    return record.r2 is None and (record.score.low <= HALF or len(record.groups) < _TELLING)


def shortfalls(evaluation: EvaluationRecord) -> list[str]:
    """Return what a model's answers lack to be ready, a clause each; none where they are good enough."""
    simplest = _simplest_of(evaluation)
    short = [*_right(evaluation), *_usual(evaluation)]
    if simplest is not None and simplest.gain.value <= 0 and not short:
        short.append(_Shortfall(f"no better than {_simplest_text(simplest, evaluation)}"))
    short += _below_need(evaluation)
    clauses, counts = (
        [shortfall.clause for shortfall in short],
        [_missing(shortfall, evaluation) for shortfall in short],
    )
    if min(counts, default=0) > 0:
        clauses.append(f"about {plural(max(counts), 'more test sample')} with the same score would be enough")
    return clauses


def _share(evaluation: EvaluationRecord) -> Interval | None:
    """Return the share of right answers that counts: of groups left out, else of the test samples; None of amounts."""
    if evaluation.accuracy is None:
        return None
    return evaluation.accuracy if evaluation.left_out is None else evaluation.left_out.score


def _right(evaluation: EvaluationRecord) -> list[_Shortfall]:
    share = _share(evaluation)
    if share is None or share.low > HALF:
        return []
    if share.value <= HALF:
        return [_Shortfall(f"{percent(share.value, 1)} right: as often wrong as right, or more often")]
    return [_Shortfall(f"it may be wrong as often as right (95 % CI from {percent(share.low)})", share, HALF)]


def _usual(evaluation: EvaluationRecord) -> list[_Shortfall]:
    """Return whether always the most frequent class, or the mean, does as well."""
    share, left = _share(evaluation), evaluation.left_out
    if left is not None:
        usual = "predicting the mean" if share is None else "predicting the most frequent class"
        return [_Shortfall(f"not significantly better than always {usual}")] if left.majority.low <= 0 else []
    if not isinstance(evaluation.metric, msgspec.UnsetType):
        return _constant(evaluation.metric)
    if share is not None and evaluation.majority is not None and share.low <= evaluation.majority:
        clause = (
            f"accuracy {percent(share.value, 1)} is not significantly better than always predicting the most "
            f"frequent class ({percent(evaluation.majority, 1)})"
        )
        return [_Shortfall(clause, share, evaluation.majority)]
    if share is None and evaluation.regression.get("r2", 1.0) <= 0:
        return [_Shortfall("the answers are no better than always predicting the mean")]
    return []


def _constant(metric: MetricRecord) -> list[_Shortfall]:
    """Return whether a constant prediction scores as well in the metric of uneven classes, or too few samples tell."""
    name, count = metric.rare
    if metric.name == AVERAGE_PRECISION and count < MIN_RARE_SAMPLES:
        return [_Shortfall(f"only {plural(count, 'test sample')} of {name!r}: too few to judge how well it is found")]
    if metric.score.low > metric.constant:
        return []
    text = f"{metric_text(metric)} is not significantly better than a constant prediction ({number(metric.constant)})"
    return [_Shortfall(text)]


def metric_text(metric: MetricRecord) -> str:
    """Return the score in the metric of uneven classes, with its interval."""
    return f"{metric.name.replace('-', ' ')} {score_text(metric.score, number)}"


def _simplest_text(simplest: SimplestRecord, evaluation: EvaluationRecord) -> str:
    """Return the score of one column with thresholds, on the samples and in the metric of the model."""
    if evaluation.accuracy is None:
        return f"one column with thresholds (rmse {number(simplest.score)})"
    if isinstance(evaluation.metric, msgspec.UnsetType):
        return f"one column with thresholds ({percent(simplest.score, 1)} right)"
    return f"one column with thresholds ({evaluation.metric.name.replace('-', ' ')} {number(simplest.score)})"


def _simplest_of(evaluation: EvaluationRecord) -> SimplestRecord | None:
    return evaluation.simplest if evaluation.left_out is None else evaluation.left_out.simplest


def _missing(shortfall: _Shortfall, evaluation: EvaluationRecord) -> int:
    """Return how many more test samples would lift the interval of a figure above its limit if the figure stayed.

    0 where samples do not stand for themselves, the figure is not above the limit, or more than ten times as many are
    needed.
    """
    figure, limit, count = shortfall.figure, shortfall.limit, evaluation.samples
    if figure is None or evaluation.groups or evaluation.left_out is not None or figure.value <= limit:
        return 0
    # The lower end of Wilson's interval is the limit at this number of samples (Wilson, 1927).
    ratio = _Z95 * math.sqrt(limit * (1 - limit)) / (figure.value - limit)
    needed = ratio * ratio
    return math.floor(needed) + 1 - count if count < needed <= (1 + _MORE) * count else 0


def _below_need(evaluation: EvaluationRecord) -> list[_Shortfall]:
    share, left = _share(evaluation), evaluation.left_out
    if not evaluation.need:
        return []
    if share is not None:
        name = f"{percent(share.value, 1)} right (95 % CI from {percent(share.low, 1)})"
        clause = f"{name}, {percent(evaluation.need, 1)} was asked for"
        return [_Shortfall(clause, share, evaluation.need)] if share.low < evaluation.need else []
    key, title = ("f1", "F1") if "f1" in evaluation.regression else ("r2", "R²")
    figure = evaluation.regression.get(key, 0.0) if left is None else (left.r2 or 0.0)
    clause = f"{title} {number(figure)}, {number(evaluation.need)} was asked for"
    return [_Shortfall(clause)] if figure < evaluation.need else []
