"""The record of learning curves, `curve.json`: what was measured, what it promises, what became of that. Versioned."""

from __future__ import annotations

import msgspec

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
        at: the size that is predicted, `predicted` its error with a 90 % interval.
        gain: how much the error falls from the largest size to that one, with a 90 % interval.
        measured: the error at that size where it was measured afterwards.
    """

    points: tuple[CurvePoint, ...]
    exponent: Interval
    floor: float
    at: float
    predicted: Interval
    gain: Interval
    measured: float | None = None

    @property
    def inside(self) -> bool | None:
        """Whether what was measured lies in the interval; None before."""
        if self.measured is None:
            return None
        return self.predicted.low <= self.measured <= self.predicted.high


class Curves(Part, frozen=True, kw_only=True):
    """What was looked at, and both curves.

    Attributes:
        name: of the data; `model` what was trained, `error` what is counted, in words.
        share: whether the error is a share of one, so that its changes are points.
        unit: what a subset keeps whole, such as 'group' or 'row'.
        data: against the amount of data; `parameters` against the size of the network, None for other models.
        verdict: in a sentence.
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
    fingerprint: str = ""
    cpu_seconds: float = 0.0


def encode_curves(record: Curves) -> bytes:
    """JSON, as `curve.json` holds it."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
