"""Measures errors at growing sizes, lets a power law say the next, and where asked measures that too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # of scikit-learn, without types

from edgewright.core.versioned_json import decode_versioned
from edgewright.pipeline.duration_estimate import Ahead, told_by_first
from edgewright.schema.curve import CURVE_VERSION, CurvePoint, CurveRecord, Curves
from edgewright.schema.errors import InputError
from edgewright.schema.trace import Interval
from edgewright.search.curves.noise import LEVEL, METHOD, law_of, promised, why_unanswerable
from edgewright.search.curves.verdict import verdict


def read_curves(path: Path) -> Curves:
    """Return the record in a file.

    Raises:
        InputError: it is none, or a newer Edgewright's.
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
    """Whether an earlier record may be held against what is measured now; can be asked before anything is trained.

    Args:
        before: the earlier record.
        fingerprint: of data, model and metric now.
        size: samples of the whole now.

    Raises:
        InputError: they are not of the same thing, or there is not more data now.
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


def came_true(before: Curves, now: Curves) -> Curves:
    """Return the earlier record with its prediction of the size that is measured now.

    Raises:
        InputError: they are not of the same thing, or the later has not more data.
    """
    size, error = now.data.points[-1].size, now.data.points[-1].mean
    comparable(before, now.fingerprint, size)
    interval = promised(law_of(before.data.points), size)
    here = float(np.mean(before.data.points[-1].errors))
    wrong = before.data.points[-1].mean * before.judges if before.judges else None
    data = msgspec.structs.replace(
        before.data,
        unanswerable=why_unanswerable(interval, wrong),
        at=size,
        predicted=interval,
        gain=Interval(value=here - interval.value, low=here - interval.high, high=here - interval.low, method=METHOD),
        measured=error,
    )
    return verdict(msgspec.structs.replace(before, data=data, parameters=None))


class Learner(Protocol):
    """Something that can be trained on a part of its data and judged on what stays out.

    Attributes:
        name: of the data.
        model: what is trained, in words.
        error: what `judge` gives, in words: 'error rate', 'root mean squared error'.
        share: whether that is a share of one.
        unit: what a subset keeps whole.
        samples: training samples of the whole, the mean over folds.
        pieces: wholes that a subset is drawn from; in the fold that has fewest.
        draws: factor on how often each size is drawn; less for what takes long to train.
        scalable: whether `width` has a meaning.
        judges: samples that judge, where the error is the share of them that is wrong; 0 where it is not.
        fingerprint: of data, model and metric.
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
        """Measure the error of a model trained on a part of the data, on samples that no training sees.

        Args:
            share: of the whole; drawn anew for every `repeat`, in whole pieces but for the last, smaller ones within
                larger ones.
            repeat: number of the draw and of the model's seed.
            pool: share of the whole that subsets are drawn from; it is the same for every repeat.
            width: factor on the width of every hidden layer.
        """

    def parameters(self, width: float) -> int:
        """Return parameters of the model at a width."""


Doing = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
# A single training is said to lie within so many deviations of the mean over seeds: nine of ten do.
_NINE_OF_TEN = 1.645
# Shares of what there is, and how often each is drawn; of the whole there is one draw, and its repeats are seeds.
SHARES = ((1 / 32, 12), (1 / 16, 12), (1 / 8, 12), (1 / 4, 10), (1 / 2, 8), (1.0, 4))
# Few people or days give few sizes of whole ones; these are then taken closer together.
FEW = 32
CLOSER = ((1 / 8, 12), (0.177, 12), (1 / 4, 12), (0.354, 10), (1 / 2, 10), (0.707, 8), (1.0, 4))
WIDTHS = ((0.25, 3), (0.5, 3), (1.0, 3), (2.0, 2))
# Fewer samples than this teach nothing, and their errors say nothing of larger parts.
FEWEST = 16


@dataclass(frozen=True)
class CurveRequest:
    """What curves are told.

    Attributes:
        times: size that is predicted, in what there is.
        pool: share of the data that may be used; less is for checking the method itself.
        check: measure the whole afterwards, where the pool is less.
        parameters: the curve against parameters too, where the model has a width.
    """

    times: float = 2.0
    pool: float = 1.0
    check: bool = False
    parameters: bool = True


def measure(learner: Learner, request: CurveRequest, doing: Doing, ahead: Ahead = lambda _: None) -> Curves:
    """Both curves of a learner.

    Args:
        learner: trains and judges.
        request: what is told.
        doing: shows progress.
        ahead: told what long work takes, by its first part.

    Raises:
        InputError: too little data for three sizes, or no error that could fall.
    """
    started = time.process_time()
    with threadpool_limits(1):
        data = _data(learner, request, doing, ahead)
        parameters = _parameters(learner, doing) if request.parameters and learner.scalable else None
    made = Curves(
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
    return verdict(made)


def shares_of(learner: Learner, pool: float) -> list[tuple[float, int]]:
    """Return shares that are worth training on, with their repeats, smallest first.

    Each has enough samples, at least a whole piece, and another number of pieces than the next.
    """
    made: list[tuple[float, int]] = []
    seen: set[int] = set()
    there = pool * learner.pieces
    for share, repeats in reversed(SHARES if there >= FEW else CLOSER):
        pieces = round(share * there)
        if share * pool * learner.samples < FEWEST or pieces < 1 or pieces in seen:
            continue
        seen.add(pieces)
        made.append((share * pool, max(2, round(repeats * learner.draws))))
    made.reverse()
    if len(made) < 3:
        raise InputError(
            "enough data for three training sizes",
            f"{learner.samples * pool:.0f} samples in {learner.pieces * pool:.0f} pieces",
            "learning curve",
            "Record more, or group by sessions or shorter days",
        )  # fmt: skip
    return made


def _data(learner: Learner, request: CurveRequest, doing: Doing, ahead: Ahead) -> CurveRecord:
    shares = shares_of(learner, request.pool)
    points: list[CurvePoint] = []
    total = sum(repeats for _, repeats in shares)
    with doing("Parts of the data", total) as advance:
        # Every size gets as many steps of training, and takes as long.
        advance = told_by_first(advance, ahead, "The curve over parts of the data", total)
        for share, repeats in shares:
            errors = _repeated(learner, share, repeats, request.pool, advance)
            points.append(CurvePoint(size=share * learner.samples, errors=errors))
    wanted = request.times * request.pool
    measured = None
    if request.check and wanted <= 1.0:
        repeats = len(points[-1].errors)
        with doing("The size that was predicted", repeats) as advance:
            measured = float(np.mean(_repeated(learner, wanted, repeats, 1.0, advance)))
    return record_of(points, wanted * learner.samples, measured, judges=learner.judges)


def _repeated(
    learner: Learner, share: float, repeats: int, pool: float, advance: Callable[[int], None]
) -> tuple[float, ...]:
    """Return errors of some draws; of the whole pool one is enough where the model has nothing random."""
    errors: list[float] = []
    for repeat in range(repeats):
        errors.append(learner.judge(share, repeat, pool=pool))
        advance(1)
        if share == pool and repeat == 1 and errors[0] == errors[1]:
            advance(repeats - 2)
            break
    return tuple(errors)


def _parameters(learner: Learner, doing: Doing) -> CurveRecord | None:
    points: list[CurvePoint] = []
    with doing("Widths of the network", sum(repeats for _, repeats in WIDTHS)) as advance:
        for width, repeats in WIDTHS:
            count = learner.parameters(width)
            errors = []
            for repeat in range(repeats):
                errors.append(learner.judge(1.0, repeat, width=width))
                advance(1)
            points.append(CurvePoint(size=float(count), errors=tuple(errors)))
    if len({point.size for point in points}) < 3 or min(min(point.errors) for point in points) <= 0:
        return None
    own = float(learner.parameters(1.0))
    return record_of(points, 2 * own, None, own)


def record_of(
    points: Sequence[CurvePoint], at: float, measured: float | None, base: float | None = None, *, judges: int = 0
) -> CurveRecord:
    """Return the law of some points, and what it says of a size.

    Args:
        points: measured.
        at: size that is asked about.
        measured: the error there, where that is known.
        base: size from which the gain counts; the largest measured when None.
        judges: samples that judge, where errors are shares of them; 0 where they are not.

    Raises:
        InputError: an error of nothing, or fewer than three sizes.
    """
    law = law_of(points)
    interval, here = promised(law, at), promised(law, base or law.last, measured=False)
    low, high = law.exponents(LEVEL)
    largest = max(points, key=lambda point: point.size)
    return CurveRecord(
        points=tuple(points),
        exponent=Interval(value=law.exponent, low=low, high=high, method=METHOD),
        floor=law.floor,
        at=at,
        predicted=interval,
        gain=Interval(
            value=here.value - interval.value,
            low=here.value - interval.high,
            high=here.value - interval.low,
            method=METHOD,
        ),
        single=_NINE_OF_TEN * float(np.std(largest.errors, ddof=1)) if len(largest.errors) > 1 else 0.0,
        unanswerable=why_unanswerable(interval, largest.mean * judges if judges else None),
        measured=measured,
    )
