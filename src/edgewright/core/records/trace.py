"""The record of a run: what every stage received, did and gave on. Versioned; figures carry how they were got."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.core.formatting import html_table
from edgewright.core.records.data import LabelRecord
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace_flow import (
    AnomaliesRecord,
    ClassSamples,
    DebounceRecord,
    EpochRecord,
    How,
    Interval,
    LayerRecord,
    ObjectsRecord,
    Part,
    ScalingPoint,
    ScalingRecord,
    StageRecord,
    Statistics,
    TrainableNetwork,
    TrainingRecord,
)

__all__ = [
    "TRACE_VERSION",
    "BudgetRow",
    "ClassRow",
    "CompressionRecord",
    "DeviceRecord",
    "EpochRecord",
    "EvaluationRecord",
    "Explained",
    "GroupRow",
    "How",
    "Insight",
    "Interval",
    "LayerRecord",
    "LayerTrace",
    "LeftOutRecord",
    "Mistake",
    "Part",
    "PredictionRecord",
    "Provenance",
    "RefitRecord",
    "RobustnessRecord",
    "ScalingPoint",
    "ScalingRecord",
    "SimplestRecord",
    "StageRecord",
    "Statistics",
    "Trace",
    "TrainingRecord",
    "VariantRecord",
]


# 2: the configuration, and how the run ended. Records of version 1 are read; both are then empty or "finished".
TRACE_VERSION = 2
# Raised when the page of a record changes: `edgewright show` makes pages of another version anew.
PAGE_VERSION = 4


class ClassRow(Part, frozen=True, kw_only=True):
    """One class of the evaluation; the interval is that of the recall, of independent samples."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    recall_interval: Interval | None = None


class GroupRow(Part, frozen=True, kw_only=True):
    """One person or machine of the evaluation.

    Attributes:
        regression: its 'mae' and 'rmse', where an amount is told.
        confusion: of its samples, in the order of the labels; empty in records from before that was kept.
    """

    group: str
    accuracy: float | None = None
    samples: int
    regression: dict[str, float] = msgspec.field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()


class Mistake(Part, frozen=True, kw_only=True):
    """A confident wrong answer: number of the sample in the data, from 0, truth, answer and its probability."""

    row: int
    group: str
    truth: str
    answer: str
    confidence: float


class MetricRecord(Part, frozen=True, kw_only=True):
    """Score of a classifier of uneven classes, in the metric by which its kind was chosen.

    Attributes:
        name: 'balanced-accuracy' or 'average-precision'.
        score: of the model on the test samples, with its interval.
        constant: score of a constant prediction.
        rare: the rarest class, and how many test samples have it.
    """

    name: str
    score: Interval
    constant: float
    rare: tuple[str, int]


class SimplestRecord(Part, frozen=True, kw_only=True):
    """What one column with thresholds scores on the same samples, the simplest model that looks at them.

    Attributes:
        score: its accuracy, or the metric of the evaluation; its root mean squared error for amounts.
        gain: of the model over it, positive where the model is better, with its interval.
    """

    score: float
    gain: Interval


class LeftOutRecord(Part, frozen=True, kw_only=True):
    """Leave-one-group-out: the pipeline was fitted once for each group without it, and scored on it.

    Attributes:
        groups: those that were left out, with their scores.
        known: number of all groups; more than those left out where time did not suffice.
        by: what a group is, the column's name.
        score: mean over the groups, each counting alike: accuracy, or root mean squared error.
        majority: mean gain over always the most frequent class, or the mean, of the other groups; for uneven classes in
            the metric of the evaluation, over all samples that were left out.
        simplest: one column with thresholds, fitted as often.
        r2: of an amount, over all samples that were left out.
        seconds: it took.
    """

    groups: tuple[GroupRow, ...]
    known: int
    by: str
    score: Interval
    majority: Interval
    simplest: SimplestRecord | None = None
    r2: float | None = None
    seconds: float = 0.0


class SampleAnswers(Part, frozen=True, kw_only=True):
    """What a model answered to each test sample, so that two models are compared by pairs.

    Attributes:
        samples: hash of the number and the truth of each sample, in their order; equal for the same samples.
        right: a bit a sample, 1 for a right answer, the highest bit first; empty for amounts.
        errors: answer minus truth of each sample, little-endian float32; empty for classes.
    """

    samples: str
    right: bytes = b""
    errors: bytes = b""


class EvaluationRecord(Part, frozen=True, kw_only=True):
    """What the test samples, evaluated once, say. Regression fills `regression` and leaves the classes empty.

    Attributes:
        accuracy: with the interval by group where groups are known.
        calibration_error: expected calibration error over 10 bins of confidence.
        calibration_chance: the same of answers that are exactly as sure as they are right, by chance alone.
        ties: samples whose largest probability is shared by two classes.
        regression: 'mae', 'rmse', 'r2' by name; of found objects 'f1', 'precision', 'recall'.
        intervals: of 'mae' and 'rmse', or 'f1', by group where groups are known.
        unit: what a sample is: 'row' or 'window'.
        folds: so many judged all samples in turn, each by a fit that had not seen them; 0 where test samples did.
        scores: cross-validated scores by title.
        simplest: one column with thresholds on the same test samples; None where the model is no more than that.
        left_out: each group left out once, where groups are few.
        need: share of right answers (R² of an amount) that was asked for; 0 for none.
        known: whether the recordings of test samples also trained.
        objects: what was found in pictures; left out where nothing is looked for.
        anomalies: of odd pictures; left out for other tasks.
        answers: to each sample; left out of records of before, of many amounts and of other tasks.
        metric: what counts for uneven classes; left out where accuracy does.
        burst_share: share of pictures with a near-duplicate, whose bursts are sessions; unset for other data.
    """

    samples: int
    split_by: str
    accuracy: Interval | None = None
    macro_f1: Interval | None = None
    majority: float | None = None
    calibration_error: float | None = None
    confusion: tuple[tuple[int, ...], ...] = ()
    labels: tuple[str, ...] = ()
    classes: tuple[ClassRow, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    ties: int = 0
    regression: dict[str, float] = msgspec.field(default_factory=dict)
    intervals: dict[str, Interval] = msgspec.field(default_factory=dict)
    unit: str = "row"
    folds: int = 0
    scores: dict[str, Interval] = msgspec.field(default_factory=dict)
    simplest: SimplestRecord | None = None
    left_out: LeftOutRecord | None = None
    need: float = 0.0
    known: bool = False
    objects: ObjectsRecord | msgspec.UnsetType = msgspec.UNSET
    anomalies: AnomaliesRecord | msgspec.UnsetType = msgspec.UNSET
    calibration_chance: float | msgspec.UnsetType = msgspec.UNSET
    answers: SampleAnswers | msgspec.UnsetType = msgspec.UNSET
    metric: MetricRecord | msgspec.UnsetType = msgspec.UNSET
    burst_share: float | msgspec.UnsetType = msgspec.UNSET


class RefitRecord(Part, frozen=True, kw_only=True):
    """The fit on all samples that was made once another one was judged; the figures of a record are of that other one.

    Attributes:
        samples: it was fitted on, those that judged among them; `judged_samples` those of the fit that was judged.
        epochs: as many as the judged fit kept; 0 for a model without.
        folds: that gave the figures, where those are of folds; 0 otherwise.
        kept: whether the package holds it; `why` not.
        seconds, cpu_seconds: it took.
        fit_rows: samples of either fit that the model drew, where its memory holds no more; unset where it took all.
    """

    samples: int
    judged_samples: int = msgspec.field(name="judged")
    epochs: int = 0
    folds: int = 0
    kept: bool = True
    why: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    fit_rows: int | msgspec.UnsetType = msgspec.UNSET


class LayerTrace(Part, frozen=True, kw_only=True):
    """One layer of one prediction: its output values (first 64), how many are above zero, of how many."""

    name: str
    kind: str
    activation: str
    values: tuple[float, ...]
    active: int
    size: int


class PredictionRecord(Part, frozen=True, kw_only=True):
    """One sample, layer by layer.

    Attributes:
        row: number of the sample in the data.
        input_names: of the values in `raw` (of a window: the first channel, once); `feature_names` of `features`.
        raw: as the sensors gave it, the first 64 values; None where missing. Of a window the first channel.
        features: as the network takes it, the first 64 values.
        raw_shape, feature_shape: of the whole sample, (columns,) or (channels, samples); empty where not recorded.
    """

    row: int
    input_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()
    raw: tuple[float | None, ...]
    features: tuple[float, ...]
    layers: tuple[LayerTrace, ...]
    probabilities: tuple[tuple[str, float], ...]
    answer: str
    confidence: float
    truth: str = ""
    right: bool | None = None
    raw_shape: tuple[int, ...] = ()
    feature_shape: tuple[int, ...] = ()


class Explained(Part, frozen=True, kw_only=True):
    """A prediction with the place its sample came from.

    Attributes:
        run: name of the pipeline that answers.
        origin: 'row 17 of the data', 'new.csv line 18'; rows and windows are counted from 1.
        prediction: layer by layer; its own `row` counts from 0.
        outside: columns with a value outside the declared range, each as a sentence.
        notes: what a reader must know.
    """

    run: str
    origin: str = msgspec.field(name="place")
    prediction: PredictionRecord
    outside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class EngineFlips(Part, frozen=True, kw_only=True):
    """Samples, of all that were tested, to which an engine gives another label than the integers of generated C."""

    engine: str
    flips: int
    samples: int


class VariantRecord(Part, frozen=True, kw_only=True):
    """A form of the model: float, int8, ...; `flips` are samples whose class differs from float, by class of float.

    `latency_p50_us` and `latency_p99_us` are measured on this machine, `device_us` is estimated for the profile; so are
    `device_flash` and `device_ram` of a microcontroller, bytes of the whole program.
    `engine_flips` are of engines that round in their own way, empty where the form has no integers. `f1` is of objects
    found in pictures, left out elsewhere.
    """

    name: str
    accuracy: Interval | None
    flips: int
    flips_by_class: tuple[tuple[str, int], ...]
    weight_bytes: int
    file_bytes: int
    latency_p50_us: float | None
    latency_p99_us: float | None
    engine: str
    how: How = "measured"
    error: float | None = None
    device_us: Interval | None = None
    device_flash: Interval | None = None
    device_ram: Interval | None = None
    engine_flips: tuple[EngineFlips, ...] = ()
    f1: Interval | msgspec.UnsetType = msgspec.UNSET


class RobustnessRecord(Part, frozen=True, kw_only=True):
    """Accuracy of the int8 form when the test samples are disturbed: 'sampling rate +5 %', 'gain -5 %', ..."""

    disturbance: str
    accuracy: float
    change: float


class ReferenceRecord(Part, frozen=True, kw_only=True):
    """Median time of one answer of a large network on this machine, where its weights are nearly all of the work."""

    float_us: float
    int8_us: float


class CompressionRecord(Part, frozen=True, kw_only=True):
    """The variants side by side, and whether the drop stays within the limit; `device` is the profile estimated for.

    `disagreement` says where the exported float model differs from the Python pipeline; empty where it does not.
    """

    variants: tuple[VariantRecord, ...]
    max_drop: float
    drop: float
    within: bool
    robustness: tuple[RobustnessRecord, ...] = ()
    notes: tuple[str, ...] = ()
    device: str = ""
    disagreement: str = ""
    reference: ReferenceRecord | None = None

    def form(self, name: str) -> VariantRecord | None:
        """Return the variant of a name, None where there is none."""
        return next((variant for variant in self.variants if variant.name == name), None)


class BudgetRow(Part, frozen=True, kw_only=True):
    """One budget of the device: used against available, in `unit` ('B', 'us'), with an error bar where estimated.

    `available` 0 means that no limit is set: a figure to know, which nothing fits or exceeds.
    """

    name: str
    used: float
    low: float
    high: float
    available: float
    unit: str
    how: How


class DeviceRecord(Part, frozen=True, kw_only=True):
    """The model against a profile."""

    profile: str
    description: str
    rows: tuple[BudgetRow, ...]
    fits: bool
    notes: tuple[str, ...] = ()


class Insight(Part, frozen=True, kw_only=True):
    """The key insight: one sentence and the numbers it rests on, by name."""

    sentence: str
    numbers: dict[str, float]


class Provenance(Part, frozen=True, kw_only=True):
    """Everything needed to build the same bytes again.

    Attributes:
        data_path: absolute path the data were read from; empty where they are made up or a public set's own. It enters
            no hash and no package.
        backbone: name and SHA-256 of the file that the network began with; empty where it began with random weights.
        labels: who labelled the data, and the audit of what a machine labelled; none where it had no hand in them.
    """

    command: str
    seed: int
    config_hash: str
    data_hash: str
    data_path: str = ""
    versions: dict[str, str]
    platform: str
    licences: tuple[str, ...]
    origin: str = ""
    citation: str = ""
    backbone: str = ""
    labels: tuple[LabelRecord, ...] = ()
    started: str = ""
    package_hash: str = ""


class Trace(Part, frozen=True, kw_only=True):
    """The whole record, `trace.json`.

    Attributes:
        race: that the model won; None where a pipeline names its model.
        refit: the fit that is packaged where it is not the one that was judged; None where nothing was refitted.
        debounce: how the windows that must agree were chosen; None where that was not asked for.
        samples: one of each class with what its answer rests on; None where they are too large to be shown.
        trainable: the network with samples of the run; None where no page can train it.
        unnoticed: kinds of drift that the checks of its package cannot see, in words; none without a package.
        config: the checked configuration as tables, defaults included; empty in records of version 1.
        state: a record that is not 'finished' was put together from the journal of a run that goes on or broke off.
        reason: why it broke off.
    """

    version: int = TRACE_VERSION
    name: str
    title: str = ""
    task: str
    verdict: str
    insight: Insight
    stages: tuple[StageRecord, ...]
    layers: tuple[LayerRecord, ...]
    training: TrainingRecord | None
    evaluation: EvaluationRecord | None
    predictions: tuple[PredictionRecord, ...]
    compression: CompressionRecord | None
    device: DeviceRecord | None
    scaling: ScalingRecord | None = None
    race: RaceRecord | None = None
    refit: RefitRecord | None = None
    debounce: DebounceRecord | None = None
    samples: ClassSamples | None = None
    trainable: TrainableNetwork | None = None
    provenance: Provenance
    warnings: tuple[str, ...] = ()
    unnoticed: tuple[str, ...] = ()
    config: dict[str, object] = msgspec.field(default_factory=dict)
    state: Literal["finished", "running", "cancelled", "failed"] = "finished"
    reason: str = ""

    def _repr_html_(self) -> str:
        rows = [("verdict", self.verdict), ("key insight", self.insight.sentence)]
        evaluation = self.evaluation
        if evaluation is not None:
            rows.append(("test samples", f"{evaluation.samples:,}, split by {evaluation.split_by}"))
            if evaluation.accuracy is not None:
                accuracy = evaluation.accuracy
                rows.append(("accuracy", f"{accuracy.value:.3f} (95 % CI {accuracy.low:.3f} to {accuracy.high:.3f})"))
            rows += [(name, f"{value:.4g}") for name, value in evaluation.regression.items()]
        return html_table(f"Run {self.name}: {self.title or self.task}", ("record", ""), rows)
