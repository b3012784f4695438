"""Parts of the record of a run: data flow, layers, epochs, data sizes, samples of each class, windows that agree."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.core.records.package import ObjectMap


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
        kind: kind of the stage, as in the configuration; 'data', 'split', 'model', 'package', 'predict' for the ends.
        shape_in, shape_out: with the number of samples first; empty when nothing comes in.
        why: one sentence.
        fitted_on: number of training samples the stage was fitted on; 0 when it is not fitted.
        filled: missing values filled; dropped: names of columns dropped, with a reason each.
        sample_before, sample_after: three samples (rows; of a window the first channel's first values).
        columns_after: statistics of the columns that come out (first 32).
        scores: of each column that came in, by which a stage chose among them; left out where none did.
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
    scores: tuple[tuple[str, float], ...] | msgspec.UnsetType = msgspec.UNSET


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


Score = Literal["log-odds", "probability", "prediction"]


class Effect(Part, frozen=True, kw_only=True):
    """A column or feature of one sample: its value, and how much the answer's lead falls with its mean instead."""

    name: str
    value: float
    drop: float


class ClassSample(Part, frozen=True, kw_only=True):
    """One sample of a class (of a regression: of a part of its span) that was not used for testing.

    Attributes:
        row: number of the sample in the data, from 0.
        truth: its class or amount; `answer` that of the exported float model, `confidence` its probability.
        values: float32, little-endian, row by row: every `step`-th of each channel's values.
        step: 1 where `values` is the whole sample.
        drops: of a window, for each channel and part of it, how much the answer's lead falls when the channel's mean
            stands there instead; one row where all channels were replaced together; empty for rows.
        effects: the columns, or of windows the features, that matter most to this answer.
    """

    row: int
    truth: str
    answer: str
    confidence: float
    values: bytes
    step: int = 1
    drops: tuple[tuple[float, ...], ...] = ()
    effects: tuple[Effect, ...] = ()


class Channel(Part, frozen=True, kw_only=True):
    """A column or channel as the samples that may be looked at have it: its finite range, mean and deviation."""

    name: str
    unit: str = ""
    low: float
    high: float
    mean: float
    deviation: float


class ClassSamples(Part, frozen=True, kw_only=True):
    """A sample of each class.

    Attributes:
        side: where they are from: never the test samples.
        shape: of one sample: (columns,) or (channels, samples).
        channels: the columns, in order.
        samples: in the order of the classes.
        classes: how many there are; more than samples where some are not shown.
        score: what a lead over the next class is measured in; of a regression its prediction.
    """

    side: Literal["validation", "training"]
    shape: tuple[int, ...]
    channels: tuple[Channel, ...]
    samples: tuple[ClassSample, ...]
    classes: int
    score: Score = "probability"


TRAINABLE_PARAMETERS = 20_000
"""Parameters of a network that a page trains, at most."""
TRAINABLE_KINDS = frozenset(
    {"dense", "dropout", "conv1d", "depthwise_separable", "max_pool", "average_pool", "global_max_pool",
     "global_average_pool", "last_sample", "flatten"}
)  # fmt: skip
"""Kinds of layers of `model.layers` that a page trains."""


class TrainableLayer(Part, frozen=True, kw_only=True):
    """A layer as a page computes it.

    Attributes:
        kind: 'dense' takes all values; 'conv1d' and 'pointwise' (without a kernel) mix the channels of a window at each
            place; 'depthwise', 'max' and 'average' stay within each channel.
        units: outputs at each place; 0 where channels stay as many.
        activation: behind it; `dropout` the share of its outputs that a training step drops.
        kernel, stride, dilation: in samples, as in `model.layers`; `before` zeros come before the window.
        places: of the kernel.
    """

    kind: Literal["dense", "conv1d", "pointwise", "depthwise", "max", "average"] = "dense"
    units: int = 0
    activation: str = "linear"
    dropout: float = 0.0
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0
    places: int = 1


class TrainableNetwork(Part, frozen=True, kw_only=True):
    """A network with samples to train it on, for a page that trains it again.

    Attributes:
        names: of the columns or channels; a window has `samples` values of each, one channel after the other.
            Of columns `left` and `right` are the columns of each product that follows them as a feature.
        encoding: of `values`, training samples and then validation samples, row by row, little-endian. A number of
            'uint8' stands for `low` + `step` times it, by column or channel.
        low, step: empty for other encodings.
        targets: of the same samples: class numbers as uint8, or amounts as float32, of mean 0 and deviation 1.
        classes: in the order of their numbers; empty where an amount is predicted.
        training, validation: samples of each; `training_samples` and `validation_samples` those of the run.
        layers: the output layer last.
        balanced: whether classes weigh alike however many samples they have.
        differences: what the run does that a page does not; empty where the same samples give the same network.
    """

    names: tuple[str, ...]
    samples: int = 1
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    encoding: Literal["float32", "float16", "uint8"]
    low: tuple[float, ...] = ()
    step: tuple[float, ...] = ()
    values: bytes
    targets: bytes
    classes: tuple[str, ...] = ()
    training: int
    validation: int
    training_samples: int
    validation_samples: int
    layers: tuple[TrainableLayer, ...]
    loss: str
    optimiser: str
    learning_rate: float
    schedule: str
    warm_up: float
    weight_decay: float
    batch: int
    epochs: int
    label_smoothing: float
    dropout: float
    balanced: bool
    seed: int
    differences: tuple[str, ...] = ()


class DebounceRow(Part, frozen=True, kw_only=True):
    """Whole recordings under one number of windows that must agree.

    Attributes:
        debounce: the number.
        wrong: share of the labelled time in which the decision is not the label, delays included.
        false_per_hour: decisions for a label that no row of their window has.
        delay_s: median time from a change of label to the decision for it; None where none was found.
        missed: changes of label that were never decided.
        cost_s: wrong seconds an hour, with the price of each false switch and of each change that was never decided.
        hidden: labels of which it hides so many changes that it is not taken.
    """

    debounce: int
    wrong: float
    false_per_hour: float
    delay_s: float | None
    missed: int
    cost_s: float
    hidden: tuple[str, ...] = ()


class DebounceRecord(Part, frozen=True, kw_only=True):
    """The choice of `decision.debounce`.

    Attributes:
        chosen: number of windows that must agree; 1 where none could be chosen.
        why: the choice, or why there was none, in a sentence.
        false_switch_s: price of a false switch, and of a missed one: so many seconds of wrong decision.
        chosen_on: whose recordings chose.
        hours, changes: labelled hours of them, and changes of label within.
        rows: all numbers on these recordings.
        judged_on: whose recordings took no part in the choice; empty where there are none.
        judged_rows: 1 and the chosen number on those.
    """

    chosen: int
    why: str
    false_switch_s: float = 0.0
    chosen_on: str = ""
    hours: float = 0.0
    changes: int = 0
    rows: tuple[DebounceRow, ...] = msgspec.field(default=(), name="tried")
    judged_on: str = ""
    judged_rows: tuple[DebounceRow, ...] = msgspec.field(default=(), name="judged")


class SampleGain(Part, frozen=True, kw_only=True):
    """What one model answers better than another to the same samples.

    Attributes:
        better: samples that the second alone answers right.
        worse: samples that the first alone answers right.
        p: of the exact test of McNemar, two-sided.
        changes: of amounts: change of 'mae' and 'rmse' from the first to the second, with intervals.
    """

    better: int = 0
    worse: int = 0
    p: float = 1.0
    changes: dict[str, Interval] = msgspec.field(default_factory=dict)


class ObjectClass(Part, frozen=True, kw_only=True):
    """One class of objects: how well its centres are found; `true` are there, `detected` were found, right or wrong."""

    label: str
    precision: float
    recall: float
    f1: Interval
    true: int
    detected: int = msgspec.field(name="found")


class Spot(Part, frozen=True, kw_only=True):
    """The centre of an object in pixels; `chance` of a found one against the background, 1 of a true one."""

    label: str
    x: float
    y: float
    chance: float = 1.0


class Scene(Part, frozen=True, kw_only=True):
    """A test picture with the objects that are there and those that were found.

    Attributes:
        row: number of the sample in the data, from 0.
        name: name of the file.
        picture: PNG of the sample as it reaches the pipeline.
    """

    row: int
    name: str
    picture: bytes
    true: tuple[Spot, ...]
    detected: tuple[Spot, ...] = msgspec.field(name="found")


class ObjectsRecord(Part, frozen=True, kw_only=True):
    """What the test pictures say of objects.

    Attributes:
        spec: how the map is read.
        classes: in the order of the labels.
        crowded: true objects that share a cell of the map with one of their label: the map has one place for them.
        scenes: some of the pictures, the first ones.
    """

    spec: ObjectMap
    classes: tuple[ObjectClass, ...]
    crowded: int
    scenes: tuple[Scene, ...]


class OddScene(Part, frozen=True, kw_only=True):
    """A test picture with its map.

    Attributes:
        row: number of the sample in the data, from 0.
        name: name of the file.
        label: of the picture.
        picture: PNG of the sample as it reaches the pipeline.
        odds: log-odds of each cell in 1/16, row by row.
    """

    row: int
    name: str
    label: str
    picture: bytes
    odds: tuple[int, ...]


class AnomaliesRecord(Part, frozen=True, kw_only=True):
    """What the test pictures say of a model that finds odd ones.

    Attributes:
        spec: how the map is read.
        good: test pictures that are good; `odd` that are not.
        false_alarms: share of the good ones that raise an alarm.
        recall: share of the odd ones that do; None where there is none.
        auroc: chance that an odd picture scores above a good one, half of it where they are equal; None without odd
            ones.
        scenes: some of the pictures.
    """

    spec: ObjectMap
    good: int
    odd: int
    false_alarms: Interval
    recall: Interval | None = msgspec.field(name="found")
    auroc: Interval | None
    scenes: tuple[OddScene, ...] = ()
