"""The record of a compression, `compress.json`: every form side by side, and which one was chosen. Versioned."""

from __future__ import annotations

import msgspec

from edgewright.core.records.trace import BudgetRow, EngineFlips, Part
from edgewright.core.records.trace_flow import Interval

COMPRESS_VERSION = 1


class CompressRow(Part, frozen=True, kw_only=True):
    """One form of the model.

    Attributes:
        name: 'float', 'int8', 'qat', 'structured-50-int8', ...
        recipe: how, in words.
        file: of the form in the folder.
        validation: accuracy on the validation samples, on which was chosen; `validation_error` of a regression.
        accuracy: on the test samples, looked at once, with the interval by group; `error` of a regression.
        drop: what it loses against float on the test samples: accuracy, or the relative growth of the error.
        drop_interval: of `drop`, by group where groups are known; None of float.
        p: of an exact test over few groups that the form loses nothing, corrected for the other forms.
        validation_drop: the same on the validation samples.
        flips: test samples whose class differs from float, by class of float in `flips_by_class`.
        engine_flips: test samples to which another engine gives another class than generated C, by engine.
        weight_bytes: of the network's constants.
        file_bytes: of the ONNX file; `compressed_bytes` of it after zlib.
        tflite_bytes: of the network alone as .tflite; None where it has no such form.
        macs: multiply-accumulates of the network, zeros counted.
        latency_p50_us, latency_p99_us: one sample here, with `engine`.
        front: whether no other form is at least as good in every figure and better in one.
        seconds: of training.
    """

    name: str
    recipe: str = msgspec.field(name="made")
    file: str
    validation: Interval | None = None
    validation_error: float | None = None
    accuracy: Interval | None = None
    error: float | None = None
    drop: float
    drop_interval: Interval | None = None
    p: float | None = None
    validation_drop: float
    flips: int = 0
    flips_by_class: tuple[tuple[str, int], ...] = ()
    engine_flips: tuple[EngineFlips, ...] = ()
    weight_bytes: int
    file_bytes: int
    compressed_bytes: int
    tflite_bytes: int | None = None
    macs: int
    latency_p50_us: float
    latency_p99_us: float
    engine: str
    front: bool = False
    seconds: float = 0.0


class CompressRecord(Part, frozen=True, kw_only=True):
    """A compression.

    Attributes:
        name: name of the model.
        source: 'run' or 'model'.
        task: 'classification' or 'regression'.
        options: what was asked for, as on the command line.
        rows: of the table, float first.
        chosen: name of the form in the package; the best there was when `refused` is not empty.
        max_drop: largest loss of accuracy allowed, as a fraction.
        refused: why there is no package; empty when there is one.
        device: profile; `budget` its rows for the chosen form.
        split: how many samples of which side were used for what.
        data_hash: SHA-256 of the samples.
        data_path: absolute path they were read from; empty where they are made up or a public set's own.
        notes: what a reader must know to read the table.
    """

    version: int = COMPRESS_VERSION
    name: str
    source: str
    task: str
    options: tuple[str, ...] = msgspec.field(name="asked")
    rows: tuple[CompressRow, ...]
    chosen: str
    max_drop: float
    refused: str = ""
    device: str = ""
    budget: tuple[BudgetRow, ...] = ()
    split: str = ""
    data_hash: str = ""
    data_path: str = ""
    notes: tuple[str, ...] = ()
