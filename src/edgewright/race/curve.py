"""Learning curve of a candidate: errors at growing training sizes, and a power law that predicts larger ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import learning_curve
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.core.errors import RaceError
from edgewright.core.records.race import CurvePoint, CurveRecord
from edgewright.core.records.trace import Interval
from edgewright.race.heats import Metric, codes
from edgewright.race.pipeline_end import Entrant, fit_candidate
from edgewright.race.problem import Indices, Problem, folds
from edgewright.race.stage_outputs import StageOutputs
from edgewright.trace.blocks.records import Block, Grid, Heading, Paragraph
from edgewright.training.power_law import PowerLaw, fit_power_law

FOLDS, REPEATS = 3, 4
_FRACTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
# With fewer training samples the error says nothing about larger sizes.
_MIN_SAMPLES = 16
_MIN_SIZES = 3
LEVEL = 0.8
# A wider prediction interval, relative to the error, decides nothing.
MAX_RELATIVE_WIDTH = 1 / 3
# A network trains for about as many steps on a subset as on all samples, within this factor of epochs.
_MAX_EPOCH_FACTOR = 8


class _Pipeline(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A candidate as a scikit-learn estimator whose samples are indices into a problem, shape (n, 1)."""

    def __init__(self, outputs: StageOutputs, entrant: Entrant, metric: Metric, largest: int) -> None:
        self.outputs, self.entrant, self.metric, self.largest = outputs, entrant, metric, largest
        self.codes = codes(outputs.problem)

    def __sklearn_clone__(self) -> _Pipeline:
        """Return a new estimator that shares the outputs of the stages."""
        return _Pipeline(self.outputs, self.entrant, self.metric, self.largest)

    def fit(self, X: Indices, y: object = None) -> _Pipeline:
        """Fit the stages and the model on samples."""
        rows = np.sort(X[:, 0])
        config = self.entrant.config
        factor = min(_MAX_EPOCH_FACTOR, self.largest / len(rows))
        training = msgspec.structs.replace(config.training, epochs=round(config.training.epochs * factor))
        config = msgspec.structs.replace(config, training=training)
        with threadpool_limits(1):
            self.fitted_ = fit_candidate(self.entrant.candidate, self.outputs.part(config, rows), config)
        return self

    def error(self, X: Indices, y: object = None) -> float:
        """Return the error on samples; lower is better for every metric."""
        rows = X[:, 0]
        score = float(self.metric.score(self.codes[rows], self.fitted_.answers(rows)))
        return 1.0 - score if self.metric.higher else score


def measure_curve(
    problem: Problem, entrant: Entrant, metric: Metric, *, seed: int = 0, times: float = 2.0,
    advance: Callable[[int], None] = lambda _: None,
) -> CurveRecord:  # fmt: skip
    """Measure the errors of a candidate at growing sizes and extrapolate them with a power law.

    Every repeat orders the units of each fold anew, and a size takes the first samples of that order, so subsets keep
    people, recordings or days whole but for the last one.

    Args:
        problem: samples and their units.
        entrant: candidate with its pipeline.
        metric: metric of the error.
        seed: random seed.
        times: predicted size, as a multiple of the largest measured one.
        advance: called with 1 after each fit.

    Raises:
        InputError: the data is too small for three sizes, or no sample is wrong at some size.
    """
    started = time.process_time()
    splits = list(_splits(problem, seed))
    largest = len(splits[0][0])
    sizes = sorted({size for part in _FRACTIONS if (size := round(part * largest)) >= _MIN_SAMPLES})
    if len(sizes) < _MIN_SIZES:
        raise RaceError(
            "enough samples for three training sizes",
            f"{largest} in each fold",
            "learning curve",
            "Record more samples",
        )
    estimator = _Pipeline(StageOutputs(problem), entrant, metric, largest)

    def error(fitted: _Pipeline, X: Indices, y: object) -> float:
        value = fitted.error(X)
        advance(1)
        return value

    every = np.arange(len(problem.y), dtype=np.int64)[:, None]
    scores = learning_curve(
        estimator, every, problem.y, train_sizes=np.array(sizes), cv=splits, scoring=error, error_score="raise"
    )[2]
    by_repeat = np.asarray(scores).reshape(len(sizes), REPEATS, -1).mean(axis=2)
    points = tuple(
        CurvePoint(size=size, errors=tuple(map(float, own))) for size, own in zip(sizes, by_repeat, strict=True)
    )
    return _record(problem, entrant, metric, points, times, time.process_time() - started)


def fits_of(problem: Problem) -> int:
    """Return the number of evaluations of a curve at most: each fit is scored on training and test samples."""
    return 2 * len(_FRACTIONS) * REPEATS * min(FOLDS, int(problem.units.max()) + 1)


def _splits(problem: Problem, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield training and test indices of each repeat and fold; all training parts have the same length."""
    parts = folds(problem, FOLDS, seed=seed)
    length = min(len(fold.train) for fold in parts)
    for repeat in range(REPEATS):
        rng = np.random.default_rng((seed, repeat))
        for fold in parts:
            rank = rng.permutation(int(problem.units.max()) + 1)[problem.units[fold.train]]
            order = np.lexsort((rng.random(len(fold.train)), rank))
            yield fold.train[order][:length], fold.test


def _record(
    problem: Problem, entrant: Entrant, metric: Metric, points: tuple[CurvePoint, ...], times: float, spent_s: float
) -> CurveRecord:
    law, at = _law(points), times * points[-1].size
    predicted, here = _predict(law, at), law.at(law.last, LEVEL, measured=False).value
    half = [point for point in points if point.size <= 0.55 * points[-1].size]
    low, high = law.exponents(LEVEL)
    relative = (predicted.high - predicted.low) / predicted.value
    reason = ""
    if relative > MAX_RELATIVE_WIDTH:
        limit = f"at most {100 * MAX_RELATIVE_WIDTH:.0f} % is allowed"
        reason = f"its interval spans {100 * relative:.0f} % of the error; {limit}"
    return CurveRecord(
        name=problem.name, model=entrant.candidate.title,
        error="error rate" if metric.name == "accuracy" else f"1 - {metric.title}" if metric.higher else metric.title,
        share=metric.higher, unit=problem.by, points=points,
        exponent=Interval(value=law.exponent, low=low, high=high, method=predicted.method), floor=law.floor, at=at,
        predicted=predicted,
        gain=Interval(value=here - predicted.value, low=here - predicted.high, high=here - predicted.low,
                      method=predicted.method),
        half=_predict(_law(half), points[-1].size) if len(half) >= _MIN_SIZES else None,
        reason=reason, cpu_seconds=spent_s,
    )  # fmt: skip


def _law(points: tuple[CurvePoint, ...] | list[CurvePoint]) -> PowerLaw:
    """Fit the power law, each point weighted by the deviation between its repeats.

    The repeats at the largest size have the same samples. A draw of twice the samples has about half the variance, so
    the deviation there is that of the size before, divided by the square root of two.
    """
    means = np.array([point.mean for point in points])
    relative: NDArray[np.float64] = np.array([np.std(point.errors, ddof=1) for point in points]) / np.maximum(
        means, 1e-12
    )
    noise = float(relative[-2] / np.sqrt(2))
    deviations = relative / np.sqrt(REPEATS)
    deviations[-1] = noise
    sizes = np.array([point.size for point in points])
    return fit_power_law(sizes, means, deviations * means, noise)


def _predict(law: PowerLaw, size: float) -> Interval:
    prediction = law.at(size, LEVEL)
    return Interval(
        value=prediction.value,
        low=prediction.low,
        high=prediction.high,
        method=f"weighted power laws, {100 * LEVEL:.0f} %",
    )


def curve_blocks(record: CurveRecord) -> tuple[Block, ...]:
    """Return the curve as a table with the prediction, and what follows from it."""
    rows = [(f"{point.size:,.0f}", _figure(point.mean, record), "measured") for point in record.points]
    rows.append(
        (f"{record.at:,.0f}", _figure(record.predicted.value, record), f"predicted ({_span(record.predicted, record)})")
    )
    return (
        Heading(text=f"{record.name}: {record.model}"),
        Paragraph(text=f"{record.error}; subsets keep each {record.unit} whole. Intervals: {100 * LEVEL:.0f} %."),
        Grid(headers=("samples", record.error, ""), rows=tuple(rows), figures=(0, 1)),
        Paragraph(text=" ".join(curve_sentences(record))),
    )


def curve_sentences(record: CurveRecord) -> tuple[str, ...]:
    """Return what more data is worth, the law, and how a prediction from half of the data compares."""
    times, gain = record.at / record.points[-1].size, record.gain
    scale, unit = (100.0, " points") if record.share else (1.0, "")
    value, low, high = (scale * part for part in (gain.value, gain.low, gain.high))
    first = (
        f"The gain from {times:.3g} times the data is unknown: {record.reason}."
        if record.reason
        else f"{times:.3g} times the data is worth {value:.3g}{unit} ({low:.3g} to {high:.3g})."
    )
    power = record.exponent
    law = f"The error falls as samples^-{power.value:.2f} ({power.low:.2f} to {power.high:.2f})"
    sentences = [first, f"{law} to a floor of {_figure(record.floor, record)}."]
    if record.half is not None:
        measured = record.points[-1].mean
        side = "inside" if record.half.low <= measured <= record.half.high else "outside"
        sentences.append(
            f"Half of the data predicts {_figure(record.half.value, record)} ({_span(record.half, record)}) for all of "
            f"them; {_figure(measured, record)} was measured, {side} the interval."
        )
    return tuple(sentences)


def _figure(error: float, record: CurveRecord) -> str:
    return f"{100 * error:.2f} %" if record.share else f"{error:.4g}"


def _span(interval: Interval, record: CurveRecord) -> str:
    return f"{_figure(interval.low, record)} to {_figure(interval.high, record)}"
