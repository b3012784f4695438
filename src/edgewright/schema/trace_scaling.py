"""What growth costs, as the record of a run has it: points, exponents, and where the larger architecture pays."""

from __future__ import annotations

import msgspec

from edgewright.schema.trace_flow import Interval, Part


class ScalingPoint(Part, frozen=True, kw_only=True):
    """One training of one architecture at one data size."""

    architecture: str
    rows: int
    parameters: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    accuracy: float
    latency_us: float


class ErrorLaw(Part, frozen=True, kw_only=True):
    """How an architecture's error falls with the rows: a power law above a floor.

    Attributes:
        exponent: the error falls as rows to the power of minus that, with a 90 % interval.
        floor: error that no number of rows removes.
        at: rows that are predicted, twice the most that were measured; `predicted` the error there, 90 %.
    """

    exponent: Interval
    floor: float
    at: float
    predicted: Interval


class BreakEven(Part, frozen=True, kw_only=True):
    """Rows at which the largest and the smallest architecture are equally good, by interpolation, with a 90 % interval.

    Attributes:
        rows: None where neither crosses within the sizes measured.
        low, high: None where the interval goes beyond the smallest or the largest size.
    """

    rows: float | None
    low: float | None
    high: float | None


class ScalingRecord(Part, frozen=True, kw_only=True):
    """How cost grows with data: points, fitted exponents (cost ~ rows**exponent), and where the large one pays.

    Attributes:
        intervals: of the exponents, 90 %, where there are three sizes or more.
        laws: of the error, by architecture, where there are three sizes or more.
        break_even: of the largest and the smallest architecture; None where there is one only.
    """

    points: tuple[ScalingPoint, ...]
    exponents: dict[str, dict[str, float]]
    pays_from: int | None
    sentence: str
    intervals: dict[str, dict[str, Interval]] = msgspec.field(default_factory=dict)
    laws: dict[str, ErrorLaw] = msgspec.field(default_factory=dict)
    break_even: BreakEven | None = None
