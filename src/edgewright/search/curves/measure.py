"""Measure errors at increasing training sizes, extrapolate with a power law, and optionally check the prediction."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.cluster.mapping import each
from edgewright.core.archive import decode_versioned
from edgewright.pipeline.cost.duration_estimate import Ahead, Progress, told_by_first
from edgewright.schema.advice import CURVE_VERSION, CurvePoint, CurveRecord, Curves
from edgewright.schema.errors import InputError
from edgewright.schema.trace import Interval
from edgewright.search.curves.noise import LEVEL, law_of, predict_interval, uncertainty_reason


def read_curves(path: Path) -> Curves:
    """Read a record of learning curves from a file.

    Raises:
        InputError: the file is not such a record, or a newer Edgewright wrote it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError("a record of learning curves", error.strerror or str(error), str(path)) from None
    return decode_versioned(
        content, Curves, CURVE_VERSION, "curve", "a record of learning curves (curve.json)", str(path),
        "Name a file that edgewright curve --out wrote",
    )  # fmt: skip


def comparable(before: Curves, fingerprint: str, size: float) -> None:
    """Check that an earlier record can be compared with the current data; needs no training.

    Args:
        before: earlier record.
        fingerprint: current fingerprint of data, model and metric.
        size: current number of training samples.

    Raises:
        InputError: data, model or metric differ, or there are less than 5 % more samples now.
    """
    if before.fingerprint != fingerprint:
        raise InputError(
            "a record of the same data, model and metric", f"one of {before.model} on {before.name}", "--against"
        )
    if size <= before.data.points[-1].size * 1.05:
        raise InputError(
            f"more than the {before.data.points[-1].size:,.0f} samples of the earlier record",
            f"{size:,.0f}",
            "--against",
        )


def compare_with_prediction(before: Curves, now: Curves) -> Curves:
    """Return the earlier record with its prediction for the current size and the error measured there.

    Raises:
        InputError: data, model or metric differ, or the later record has less than 5 % more samples.
    """
    size, error = now.data.points[-1].size, now.data.points[-1].mean
    comparable(before, now.fingerprint, size)
    interval = predict_interval(law_of(before.data.points), size)
    here = float(np.mean(before.data.points[-1].errors))
    wrong = before.data.points[-1].mean * before.judges if before.judges else None
    data = msgspec.structs.replace(
        before.data,
        unanswerable=uncertainty_reason(interval, wrong),
        at=size,
        predicted=interval,
        gain=_gain(here, interval),
        measured=error,
    )
    return verdict(msgspec.structs.replace(before, data=data, parameters=None))


def _gain(here: float, there: Interval) -> Interval:
    """Return how much a predicted error is below a known one."""
    return Interval(value=here - there.value, low=here - there.high, high=here - there.low, method=there.method)


class Learner(Protocol):
    """A model that can be trained on a subset of its data and evaluated on held-out samples.

    Attributes:
        name: name of the data.
        model: description of the model.
        error: description of the result of `judge`: 'error rate', 'root mean squared error'.
        share: whether the error is a fraction in 0..1.
        unit: unit that a subset keeps whole, such as 'group' or 'row'.
        samples: number of training samples in the full data, that of the smallest fold.
        pieces: number of pieces that subsets are drawn from, in the fold with the fewest.
        draws: factor on the number of draws per size; below 1 for models that train slowly.
        scalable: whether `width` has an effect.
        judges: number of test samples where the error is an error rate; 0 otherwise.
        fingerprint: hash of data, model and metric.
    """

    name: str
    model: str
    error: str
    share: bool
    unit: str
    samples: float
    pieces: int
    draws: float
    scalable: bool
    judges: int
    fingerprint: str

    def judge(self, share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        """Train on a subset of the data and return the error on held-out samples.

        Args:
            share: fraction of the full data. Each `repeat` draws a new subset of whole pieces, of which only the last
                is cut. Within one repeat, smaller subsets are parts of larger ones.
            repeat: index of the draw; also selects the seed of the model.
            pool: fraction of the full data that subsets are drawn from; the same for every repeat.
            width: factor on the width of every hidden layer.
        """

    def parameters(self, width: float) -> int:
        """Return the number of model parameters at a width factor."""


# 90 % of a normal distribution lies within this many standard deviations of the mean.
_Z_90 = 1.645
# Fractions of the available data and the number of draws of each; repeats of the full data differ only by seed.
SHARES = ((1 / 32, 12), (1 / 16, 12), (1 / 8, 12), (1 / 4, 10), (1 / 2, 8), (1.0, 4))
# Fewer than MIN_PIECES pieces (people, days) allow few different sizes, so DENSE_SHARES spaces the fractions more
# closely.
MIN_PIECES = 32
DENSE_SHARES = ((1 / 8, 12), (0.177, 12), (1 / 4, 12), (0.354, 10), (1 / 2, 10), (0.707, 8), (1.0, 4))
WIDTHS = ((0.25, 3), (0.5, 3), (1.0, 3), (2.0, 2))
# Probability of the intervals of a prediction that is checked at once.
CHECKED = 0.9
# With fewer training samples the error says nothing about larger subsets.
FEWEST = 16


@dataclass(frozen=True)
class CurveRequest:
    """Options of a learning curve measurement.

    Attributes:
        times: predicted size as a multiple of the data in the pool.
        pool: fraction of the data that may be used; below 1 to check the method itself.
        check: also measure the predicted size, where the data outside the pool suffices.
        parameters: also measure the curve against parameters, where the model has a width.
    """

    times: float = 2.0
    pool: float = 1.0
    check: bool = False
    parameters: bool = True


def measure(learner: Learner, request: CurveRequest, progress: Progress, ahead: Ahead = lambda _: None) -> Curves:
    """Measure the curves of a learner against data and, on request, against parameters.

    Args:
        learner: trains and evaluates the model.
        request: options of the measurement.
        progress: shows progress.
        ahead: receives the duration estimate of long work after its first part.

    Raises:
        InputError: the data is too small for three sizes, or the error is already zero.
    """
    started = time.process_time()
    data = _data(learner, request, progress, ahead)
    parameters = _parameters(learner, progress) if request.parameters and learner.scalable else None
    curves = Curves(
        name=learner.name,
        model=learner.model,
        error=learner.error,
        share=learner.share,
        unit=learner.unit,
        data=data,
        parameters=parameters,
        judges=learner.judges,
        fingerprint=learner.fingerprint,
        cpu_seconds=time.process_time() - started,
    )
    return verdict(curves)


def shares_of(learner: Learner, pool: float) -> list[tuple[float, int]]:
    """Return the fractions to train on with their repeats, smallest first.

    Each fraction has enough samples, at least one whole piece, and a different number of pieces from all others.
    """
    shares: list[tuple[float, int]] = []
    seen: set[int] = set()
    there = pool * learner.pieces
    for share, repeats in reversed(SHARES if there >= MIN_PIECES else DENSE_SHARES):
        pieces = round(share * there)
        if share * pool * learner.samples < FEWEST or pieces < 1 or pieces in seen:
            continue
        seen.add(pieces)
        shares.append((share * pool, max(2, round(repeats * learner.draws))))
    shares.reverse()
    if len(shares) < 3:
        raise InputError(
            "enough data for three training sizes",
            f"{learner.samples * pool:.0f} samples in {learner.pieces * pool:.0f} pieces",
            "learning curve",
            "Record more, or group by sessions or shorter days",
        )  # fmt: skip
    return shares


def _data(learner: Learner, request: CurveRequest, progress: Progress, ahead: Ahead) -> CurveRecord:
    shares = shares_of(learner, request.pool)
    total = sum(repeats for _, repeats in shares)
    with progress("Training on subsets of the data", total) as advance:
        # Every size trains for the same number of steps, so every size takes about as long.
        advance = told_by_first(advance, ahead, "Training on subsets of the data", total)
        points = points_of(learner, shares, request.pool, advance)
    wanted = request.times * request.pool
    measured = None
    if request.check and wanted <= 1.0:
        repeats = len(points[-1].errors)
        with progress("Measuring the predicted size", repeats) as advance:
            measured = points_of(learner, [(wanted, repeats)], 1.0, advance)[0].mean
    return record_of(points, wanted * learner.samples, measured, judges=learner.judges)


def points_of(
    learner: Learner, shares: Sequence[tuple[float, int]], pool: float, advance: Callable[[int], None]
) -> list[CurvePoint]:
    """Return the error of each draw; for the full pool, stop early where two repeats of the model are identical."""
    errors = _errors(learner, [(share, repeats, pool, 1.0) for share, repeats in shares], advance)
    return [
        CurvePoint(size=share * learner.samples, errors=tuple(own))
        for (share, _), own in zip(shares, errors, strict=True)
    ]


def _errors(
    learner: Learner, draws: Sequence[tuple[float, int, float, float]], advance: Callable[[int], None], *,
    settles: bool = True,
) -> list[list[float]]:  # fmt: skip
    """Return the errors of draws: share, repeats, pool and width of each; all of them are tasks of one stream.

    Where `settles`, two equal errors on the full pool stand for its other repeats.
    """
    errors: list[list[float]] = [[] for _ in draws]
    begun, settled = deque[int](), set[int]()

    def tasks() -> Iterator[tuple[float, int, float, float]]:
        for number, (share, repeats, pool, width) in enumerate(draws):
            for repeat in range(repeats):
                if number not in settled:
                    begun.append(number)
                    yield share, repeat, pool, width

    for error in each(_error, learner, tasks()):
        number = begun.popleft()
        if number in settled:
            continue  # it began on a cluster before the draw was settled
        share, repeats, pool, _ = draws[number]
        own = errors[number]
        own.append(error)
        if settles and share == pool and len(own) == 2 < repeats and own[0] == own[1]:
            settled.add(number)
        advance(repeats - 1 if number in settled else 1)
    return errors


def _error(learner: Learner, draw: tuple[float, int, float, float]) -> float:
    share, repeat, pool, width = draw
    return learner.judge(share, repeat, pool=pool, width=width)


def stratified_order(targets: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a number in [0, 1) per target; the targets below any threshold keep the proportions of all targets."""
    location = np.empty(len(targets))
    for target in np.unique(targets):
        own = rng.permutation(np.flatnonzero(targets == target))
        location[own] = (np.arange(len(own)) + rng.random()) / len(own)
    return location


def width_points(learner: Learner, advance: Callable[[int], None]) -> list[CurvePoint]:
    """Return the errors of networks of other widths on all of the data; sizes are parameters."""
    errors = _errors(learner, [(1.0, repeats, 1.0, width) for width, repeats in WIDTHS], advance, settles=False)
    return [
        CurvePoint(size=float(learner.parameters(width)), errors=tuple(own))
        for (width, _), own in zip(WIDTHS, errors, strict=True)
    ]


def check_split(learner: Learner, advance: Callable[[int], None] = lambda _: None) -> tuple[CurveRecord, CurvePoint]:
    """Predict from half of the data, then measure with all of it; intervals are of `CHECKED`.

    Args:
        learner: trains and evaluates the model; its pool of one half is a random half.
        advance: called with 1 after every training.

    Returns:
        The record of the half with the measured error, and the measured point.

    Raises:
        InputError: the data is too small for three sizes.
    """
    points = points_of(learner, shares_of(learner, 0.5), 0.5, advance)
    (whole,) = points_of(learner, [(1.0, len(points[-1].errors))], 1.0, advance)
    return record_of(points, whole.size, whole.mean, level=CHECKED), whole


def trainings(learner: Learner) -> int:
    """Return how many trainings `check_split` takes at most."""
    shares = shares_of(learner, 0.5)
    return sum(repeats for _, repeats in shares) + shares[-1][1]


def check_widths(learner: Learner, advance: Callable[[int], None] = lambda _: None) -> CurveRecord:
    """Predict the widest network from the narrower ones on all of the data, as `check_split`; sizes are parameters."""
    *points, whole = width_points(learner, advance)
    return record_of(points, whole.size, whole.mean, level=CHECKED)


def _parameters(learner: Learner, progress: Progress) -> CurveRecord | None:
    with progress("Training network widths", sum(repeats for _, repeats in WIDTHS)) as advance:
        points = width_points(learner, advance)
    if len({point.size for point in points}) < 3 or min(min(point.errors) for point in points) <= 0:
        return None
    own = float(learner.parameters(1.0))
    return record_of(points, 2 * own, None, own)


def record_of(
    points: Sequence[CurvePoint],
    at: float,
    measured: float | None,
    base: float | None = None,
    *,
    judges: int = 0,
    level: float = LEVEL,
) -> CurveRecord:
    """Fit a power law to measured points and predict the error at one size.

    Args:
        points: measured points.
        at: size to predict.
        measured: measured error at that size, if known.
        base: size relative to which the gain is computed; the largest measured size when None.
        judges: number of test samples where errors are error rates; 0 otherwise.
        level: probability of the intervals.

    Raises:
        InputError: an error is zero, or there are fewer than three sizes.
    """
    law = law_of(points)
    interval = predict_interval(law, at, level=level)
    here = predict_interval(law, base or law.last, measured=False, level=level).value
    low, high = law.exponents(level)
    largest = max(points, key=lambda point: point.size)
    return CurveRecord(
        points=tuple(points),
        exponent=Interval(value=law.exponent, low=low, high=high, method=interval.method),
        floor=law.floor,
        at=at,
        predicted=interval,
        gain=_gain(here, interval),
        single=_Z_90 * float(np.std(largest.errors, ddof=1)) if len(largest.errors) > 1 else 0.0,
        unanswerable=uncertainty_reason(interval, largest.mean * judges if judges else None),
        measured=measured,
    )


def verdict(curves: Curves) -> Curves:
    """Return the curves with their verdict."""
    data, parameters = curves.data, curves.parameters
    times = data.at / data.points[-1].size
    text = f"{_times(times)} the data ({data.at:,.0f} samples)"
    if data.unanswerable:
        lines = [f"the gain from {text} is unknown: {data.unanswerable}"]
    else:
        nothing = "" if data.gain.low > 0 else ", an interval that includes zero"
        lines = [f"{text} is worth {worth(data.gain, curves.share)}{nothing}"]
    if parameters is not None and not (data.unanswerable or parameters.unanswerable):
        lines.append(f"twice the parameters are worth {worth(parameters.gain, curves.share)}")
        lines.append(_which(data, parameters))
    if data.measured is not None:
        inside = "inside the interval" if data.inside else "OUTSIDE the interval"
        message = "no interval was predicted" if data.unanswerable else inside
        lines.append(f"measured afterwards: {figure(data.measured, curves.share)}, {message}")
    return msgspec.structs.replace(curves, verdict="; ".join(lines))


def law_words(record: CurveRecord, quantity: str, share: bool) -> str:
    """Describe the fitted power law; a floor above the lowest measured error is omitted."""
    power = record.exponent
    text = f"the error falls as {quantity}^-{power.value:.2f} ({power.low:.2f} to {power.high:.2f})"
    return f"{text} to a floor of {figure(record.floor, share)}" if record.floor <= record.lowest else text


def single_words(record: CurveRecord, share: bool) -> str:
    """Describe the spread between training runs; empty where the model is deterministic."""
    return f"9 of 10 training runs lie within {figure(record.single, share)} of the mean error" if record.single else ""


def worth(gain: Interval, share: bool) -> str:
    """Format a gain as '+1.30 points (+0.90 to +1.70)', or in the unit of the error."""
    if share:
        value, low, high = (round(100 * part, 2) + 0.0 for part in (gain.value, gain.low, gain.high))
        return f"{value:+.2f} points ({low:+.2f} to {high:+.2f})"
    return f"{gain.value:+.4g} ({gain.low:+.4g} to {gain.high:+.4g})"


def figure(error: float, share: bool) -> str:
    """Format an error as a percentage, or in its unit."""
    return f"{100 * error:.2f} %" if share else f"{error:.4g}"


def _times(times: float) -> str:
    return "twice" if abs(times - 2) < 0.02 else f"{times:.3g} times"


def _which(data: CurveRecord, parameters: CurveRecord) -> str:
    if data.gain.low > parameters.gain.high:
        return "labels are worth more than a bigger model"
    if parameters.gain.low > data.gain.high:
        return "a bigger model is worth more than labels"
    if data.gain.value > parameters.gain.value:
        return "labels are likely worth more than a bigger model"
    return "a bigger model is likely worth more than labels" if parameters.gain.value > 0 else "neither is worth much"
