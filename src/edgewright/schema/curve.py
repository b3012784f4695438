"""The record of learning curves, `curve.json`: what was measured, what it promises, what became of that. Versioned."""

from __future__ import annotations

from edgewright.schema.trace import Interval, Part

CURVE_VERSION = 1


class CurvePoint(Part, frozen=True, kw_only=True):
    """One size.

    Attributes:
        size: samples that were trained on, or parameters of the network.
        errors: of every repeat.
    """

    size: float
    errors: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the repeats."""
        return sum(self.errors) / len(self.errors)


class CurveRecord(Part, frozen=True, kw_only=True):
    """Error against size, and what the fitted power law says of another.

    Attributes:
        points: smallest size first.
        exponent: of the power law; `floor` the error that no size removes.
        at: the size that is predicted, `predicted` its error with its interval, as the mean over seeds of the model.
        gain: how much the error falls from the largest size to that one, with its interval.
        single: how far one training lies from the mean over seeds, in nine of ten, in the unit of the error.
        unanswerable: why the prediction says too little, before anything is measured; empty where it says enough.
        measured: the error at that size where it was measured afterwards.
    """

    points: tuple[CurvePoint, ...]
    exponent: Interval
    floor: float
    at: float
    predicted: Interval
    gain: Interval
    single: float = 0.0
    unanswerable: str = ""
    measured: float | None = None

    @property
    def inside(self) -> bool | None:
        """Whether what was measured lies in the interval; None before."""
        if self.measured is None:
            return None
        return self.predicted.low <= self.measured <= self.predicted.high

    @property
    def broken(self) -> bool:
        """Whether something was promised and did not come true."""
        return not self.unanswerable and self.inside is False

    @property
    def lowest(self) -> float:
        """The lowest error that was measured; no floor lies above it."""
        known = [point.mean for point in self.points]
        return min(known if self.measured is None else [*known, self.measured])


class Curves(Part, frozen=True, kw_only=True):
    """What was looked at, and both curves.

    Attributes:
        name: of the data; `model` what was trained, `error` what is counted, in words.
        share: whether the error is a share of one, so that its changes are points.
        unit: what a subset keeps whole, such as 'group' or 'row'.
        data: against the amount of data; `parameters` against the size of the network, None for other models.
        verdict: in a sentence.
        judges: samples that judge, where the error is a share of them; else 0.
        fingerprint: of data, model and metric: another record's prediction is of the same thing only where it agrees.
        cpu_seconds: spent in all.
    """

    version: int = CURVE_VERSION
    name: str
    model: str
    error: str
    share: bool
    unit: str
    data: CurveRecord
    parameters: CurveRecord | None = None
    verdict: str = ""
    judges: int = 0
    fingerprint: str = ""
    cpu_seconds: float = 0.0
