"""Parts of the record of a run: cards of the data flow, layers, epochs, and the comparison over data sizes."""

from __future__ import annotations

from typing import Literal

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Base of the parts of a record."""


def encode_record(record: Part) -> bytes:
    """Return a record as its file holds it: indented JSON."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


class Interval(Part, frozen=True, kw_only=True):
    """A figure with its 95 % interval and how that was computed ('wilson', 't interval by group, ...')."""

    value: float
    low: float
    high: float
    method: str


class Statistics(Part, frozen=True, kw_only=True):
    """Summary of one column: over the finite values, with the number of missing ones."""

    name: str
    unit: str
    minimum: float
    mean: float
    maximum: float
    deviation: float
    missing: int


class StageRecord(Part, frozen=True, kw_only=True):
    """A card of the data flow.

    Attributes:
        name: as shown: 'Raw data collection', 'Normalise', ...
        kind: of the stage, as in the configuration; 'data', 'split', 'model', 'package', 'predict' for the ends.
        shape_in, shape_out: with the number of samples first; empty when nothing comes in.
        why: one sentence.
        fitted_on: number of training samples the stage was fitted on; 0 when it is not fitted.
        filled: missing values filled; dropped: names of columns dropped, with a reason each.
        sample_before, sample_after: three samples (rows; of a window the first channel's first values).
        columns_after: statistics of the columns that come out (first 32).
        seconds: of wall clock; cpu_seconds; peak_bytes: rise of the process's peak memory in this stage.
    """

    name: str
    kind: str
    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    why: str
    dtype: str = "float32"
    formula: str = ""
    fitted_on: int = 0
    filled: int = 0
    dropped: tuple[tuple[str, str], ...] = ()
    names_after: tuple[str, ...] = ()
    sample_before: tuple[tuple[float | None, ...], ...] = ()
    sample_after: tuple[tuple[float | None, ...], ...] = ()
    columns_after: tuple[Statistics, ...] = ()
    settings: dict[str, object] = {}
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


class LayerRecord(Part, frozen=True, kw_only=True):
    """A row of the model's table; `macs` are multiply-accumulates an inference, `activation_bytes` in float32.

    Trees have `nodes`, and trees and rules make at most so many `comparisons` an inference; 0 of other models and in
    older records.
    """

    name: str
    kind: str
    shape_out: tuple[int, ...]
    parameters: int
    macs: int
    activation_bytes: int
    activation: str
    formula: str
    nodes: int = 0
    comparisons: int = 0


class EpochRecord(Part, frozen=True, kw_only=True):
    """One epoch. Validation figures are None when nothing was held out; accuracy is None for regression."""

    epoch: int
    loss: float
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float | None = None
    seconds: float = 0.0
    observation: str = ""


class TrainingRecord(Part, frozen=True, kw_only=True):
    """How the network was trained; `stopped` says why training ended, `best_epoch` whose weights were kept."""

    samples: int
    validation_samples: int
    batch: int
    optimiser: str
    loss_name: str
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    stopped: str
    temperature: float
    seconds: float
    cpu_seconds: float
    compile_seconds: float = 0.0
    compile_cpu_seconds: float = 0.0


class ScalingPoint(Part, frozen=True, kw_only=True):
    """One training of one architecture at one data size.

    Attributes:
        seconds, cpu_seconds: of one epoch, the median of all.
        peak_bytes: of the training with its stages.
        latency_us: of one answer.
    """

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


How = Literal["measured", "estimated"]
