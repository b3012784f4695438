"""A record as the activity pipeline gives it, made by hand for the tests of the trace."""

from __future__ import annotations

import math

import msgspec

from edgewright.core.records.trace import (
    BudgetRow,
    ClassRow,
    CompressionRecord,
    DeviceRecord,
    EpochRecord,
    EvaluationRecord,
    GroupRow,
    Insight,
    Interval,
    LayerRecord,
    LayerTrace,
    Mistake,
    PredictionRecord,
    Provenance,
    RobustnessRecord,
    ScalingPoint,
    ScalingRecord,
    StageRecord,
    Statistics,
    Trace,
    TrainingRecord,
    VariantRecord,
)
from edgewright.trace.sentences.insight import key_insight
from edgewright.trace.sentences.observations import observe
from edgewright.trace.sentences.readiness import verdict
from edgewright.training.metrics import wilson

NAMES = (
    "temperature", "humidity", "pressure", "light", "noise", "acceleration_x", "acceleration_y", "acceleration_z",
    "rotation_x", "rotation_y", "rotation_z", "motion_intensity", "heart_rate", "steps", "taps", "screen_on",
    "notifications", "battery", "temperature_trend", "humidity_trend",
)  # fmt: skip
KEPT = ("motion_intensity", "acceleration_x", "acceleration_y", "acceleration_z", "rotation_x", "rotation_y",
        "rotation_z", "heart_rate", "steps", "temperature_trend")  # fmt: skip
LABELS = ("running", "sitting", "walking")


def wave(seed: int, count: int, scale: float = 1.0, offset: float = 0.0) -> tuple[float, ...]:
    """Deterministic values that look like readings."""
    return tuple(round(offset + scale * math.sin(1.7 * seed + 0.61 * i), 4) for i in range(count))


def statistics(names: tuple[str, ...], low: float, high: float, missing: int = 0) -> tuple[Statistics, ...]:
    """Summaries that widen a little from column to column."""
    return tuple(
        Statistics(name=n, unit="°C" if n == "temperature" and high > 1 else "", minimum=low, mean=(low + high) / 2.2,
                   maximum=high, deviation=(high - low) / 6 + i / 100, missing=missing + i if missing else 0)
        for i, n in enumerate(names)
    )  # fmt: skip


def stages() -> tuple[StageRecord, ...]:
    """Return the six stages of the lesson."""
    raw = tuple((None, *wave(i, 19, 20.0, 25.0)) if i == 1 else wave(i, 20, 20.0, 25.0) for i in range(3))
    clean = tuple(tuple(abs(v) for v in wave(i, 20, 0.5, 0.5)) for i in range(3))
    return (
        StageRecord(name="Raw data collection", kind="data", shape_in=(), shape_out=(10_000, 20),
                    why="Readings of a wearable and a room, with the user's log; some values are missing.",
                    names_after=NAMES, sample_after=raw, columns_after=statistics(NAMES, 5.0, 45.0, 180),
                    seconds=0.41, peak_bytes=4_200_000),
        StageRecord(name="Preprocessing", kind="impute+scale", shape_in=(10_000, 20), shape_out=(10_000, 20),
                    why="Fills missing values with the column's median and brings every column to 0..1.",
                    formula="y = (x - min) * (1 / (max - min))", fitted_on=8_000, filled=3_812, names_after=NAMES,
                    sample_before=raw, sample_after=clean, columns_after=statistics(NAMES, 0.0, 1.0),
                    seconds=0.043, peak_bytes=1_600_000),
        StageRecord(name="Feature engineering", kind="select", shape_in=(10_000, 20), shape_out=(10_000, 10),
                    why="Keeps the 10 columns that tell most about the class (mutual information).",
                    fitted_on=8_000, names_after=KEPT,
                    dropped=tuple((n, "tells little about the class") for n in NAMES if n not in KEPT),
                    sample_before=clean, sample_after=tuple(row[:10] for row in clean),
                    columns_after=statistics(KEPT, 0.0, 1.0), seconds=0.38, peak_bytes=800_000),
        StageRecord(name="Training", kind="model", shape_in=(8_000, 10), shape_out=(8_000, 3),
                    why="A small network with two hidden layers learns the class from 8,000 samples; "
                    "no person of the other 2,000 is among them.", fitted_on=8_000, seconds=1.9, cpu_seconds=2.1,
                    peak_bytes=61_000_000),
        StageRecord(name="Deployment to the edge", kind="package", shape_in=(), shape_out=(),
                    why="Compresses the network to int8 and packs it with labels, units and test vectors.",
                    dtype="int8", seconds=0.2, notes=("the package proves itself on 16 test vectors",)),
        StageRecord(name="Local prediction", kind="predict", shape_in=(1, 10), shape_out=(1, 3),
                    why="Answers on the device, without a network.", seconds=0.000006),
    )  # fmt: skip


def layers() -> tuple[LayerRecord, ...]:
    """Return the table of 10-64-64-3."""
    sizes = (10, 64, 64, 3)
    return tuple(
        LayerRecord(name=name, kind="dense", shape_out=(b,), parameters=a * b + b, macs=a * b, activation_bytes=4 * b,
                    activation=activation, formula=f"y = {function}(W x + b)")
        for name, activation, function, a, b in zip(
            ("hidden 1", "hidden 2", "output"), ("relu", "relu", "softmax"), ("relu", "relu", "softmax"),
            sizes[:-1], sizes[1:], strict=True)
    )  # fmt: skip


def epochs(count: int = 20) -> tuple[EpochRecord, ...]:
    """Return a falling loss; from epoch 60 on the validation loss rises."""
    epochs = []
    for i in range(1, count + 1):
        loss = 0.22 - 0.0008 * i + 0.68 * math.exp(-i / 6.5) + 0.004 * math.sin(i)
        rise = 0.004 * max(0, i - 60)
        accuracy = 0.91 - 0.42 * math.exp(-i / 6.0)
        epochs.append(
            EpochRecord(epoch=i, loss=round(loss, 4), accuracy=round(accuracy, 4),
                        validation_loss=round(loss + 0.03 + rise + 0.006 * math.cos(2 * i), 4),
                        validation_accuracy=round(accuracy - 0.015 + 0.004 * math.cos(i), 4), seconds=0.05)
        )  # fmt: skip
    return tuple(epochs)


def training(count: int = 20) -> TrainingRecord:
    """Training with observations."""
    epoch_records = observe(epochs(count), classes=3)
    best = min(epoch_records, key=lambda e: e.validation_loss or 0.0).epoch
    return TrainingRecord(samples=6_400, validation_samples=1_600, batch=64, optimiser="adam",
                          loss_name="cross-entropy", epochs=epoch_records, best_epoch=best,
                          stopped=f"all {count} epochs done", temperature=1.08, seconds=1.02, cpu_seconds=1.3,
                          compile_seconds=0.6)  # fmt: skip


def evaluation() -> EvaluationRecord:
    """Two thousand samples of five people."""
    return EvaluationRecord(
        samples=2_000, split_by="group",
        accuracy=Interval(value=0.8795, low=0.842, high=0.911, method="t interval by group, 4 degrees of freedom"),
        macro_f1=Interval(value=0.874, low=0.833, high=0.907, method="t interval by group, 4 degrees of freedom"),
        majority=0.412, calibration_error=0.021, labels=LABELS,
        confusion=((560, 4, 61), (12, 790, 22), (98, 44, 409)),
        classes=(ClassRow(label="running", precision=0.836, recall=0.896, f1=0.865, support=625,
                          recall_interval=wilson(560, 625)),
                 ClassRow(label="sitting", precision=0.943, recall=0.959, f1=0.951, support=824,
                          recall_interval=wilson(790, 824)),
                 ClassRow(label="walking", precision=0.831, recall=0.742, f1=0.784, support=551,
                          recall_interval=wilson(409, 551))),
        groups=tuple(GroupRow(group=f"person {21 + i}", accuracy=0.83 + 0.02 * i, samples=400) for i in range(5)),
        mistakes=tuple(Mistake(row=812 + 131 * i, group=f"person {21 + i}", truth="walking", answer="running",
                               confidence=0.97 - 0.02 * i) for i in range(6)),
        ties=1,
    )  # fmt: skip


def compression() -> CompressionRecord:
    """Float against int8."""
    float_form = VariantRecord(name="float", accuracy=Interval(value=0.8795, low=0.842, high=0.911, method="group"),
                               flips=0, flips_by_class=(), weight_bytes=20_236, file_bytes=21_410,
                               latency_p50_us=4.3, latency_p99_us=9.8, engine="onnxruntime")  # fmt: skip
    int8 = VariantRecord(name="int8", accuracy=Interval(value=0.8775, low=0.840, high=0.909, method="group"),
                         flips=11, flips_by_class=(("running", 3), ("sitting", 0), ("walking", 8)),
                         weight_bytes=5_452, file_bytes=11_260, latency_p50_us=6.1, latency_p99_us=12.4,
                         engine="onnxruntime")  # fmt: skip
    rows = (("sampling rate +5 %", 0.861), ("gain -5 %", 0.874), ("swapped axes", 0.612))
    return CompressionRecord(
        variants=(float_form, int8), max_drop=0.02, drop=0.002, within=True,
        robustness=tuple(RobustnessRecord(disturbance=n, accuracy=a, change=a - 0.8775) for n, a in rows),
    )  # fmt: skip


def device() -> DeviceRecord:
    """Return the budgets of a phone."""
    rows = (
        BudgetRow(name="flash", used=9_500, low=6_500, high=29_500, available=64e6, unit="B", how="estimated"),
        BudgetRow(name="RAM", used=1_300, low=1_000, high=2_100, available=64_000, unit="B", how="estimated"),
        BudgetRow(name="package", used=31_400, low=31_400, high=31_400, available=2e6, unit="B", how="measured"),
        BudgetRow(name="latency", used=24.7, low=7.4, high=42.0, available=0, unit="us", how="estimated"),
    )
    return DeviceRecord(profile="phone-arm64", description="a low-cost phone", rows=rows, fits=True,
                        notes=("figures of estimates come from the profile's sources",))  # fmt: skip


def prediction(right: bool = True) -> PredictionRecord:
    """One sample, layer by layer."""
    hidden = tuple(max(0.0, v) for v in wave(4, 64, 2.0, -1.4))
    hidden_layers = tuple(
        LayerTrace(name=f"hidden {i}", kind="dense", activation="relu", values=hidden[i:] + hidden[:i],
                   active=sum(v > 0 for v in hidden), size=64)
        for i in (1, 2)
    )  # fmt: skip
    output = LayerTrace(name="output", kind="dense", activation="softmax", values=(0.1, 0.05, 0.85), active=3, size=3)
    return PredictionRecord(
        row=17, input_names=NAMES, raw=(None, *wave(2, 19, 20.0, 25.0)), features=wave(3, 10, 0.5, 0.5),
        layers=(*hidden_layers, output), probabilities=(("running", 0.1), ("sitting", 0.05), ("walking", 0.85)),
        answer="walking", confidence=0.85, truth="walking" if right else "running", right=right,
    )  # fmt: skip


def scaling() -> ScalingRecord:
    """Two architectures at three sizes."""
    points = tuple(
        ScalingPoint(architecture=name, rows=rows, parameters=parameters, seconds=rows * cost,
                     cpu_seconds=1.2 * rows * cost, peak_bytes=int(rows * 920 + 8 * parameters),
                     accuracy=top - 30 / rows, latency_us=latency)
        for name, parameters, cost, top, latency in (
            ("small", 14_151, 4e-5, 0.91, 5.2), ("large", 207_201, 3e-4, 0.93, 14.0))
        for rows in (1_000, 10_000, 100_000)
    )  # fmt: skip
    return ScalingRecord(points=points, exponents={"small": {"time": 0.98}, "large": {"time": 1.02}},
                         pays_from=10_000, sentence="")  # fmt: skip


def insight_of(**parts: object) -> Insight:
    """Return the key insight of a record that has these parts alone."""
    provenance = Provenance(command="", seed=0, config_hash="", data_hash="", versions={}, platform="", licences=())
    bare = Trace(name="", title="", task="", verdict="", insight=Insight(sentence="", numbers={}), stages=(), layers=(),
                 training=None, evaluation=None, compression=None, device=None, predictions=(),
                 provenance=provenance)  # fmt: skip
    return key_insight(msgspec.structs.replace(bare, **parts))


def trace(count: int = 20) -> Trace:
    """Return the whole record."""
    return Trace(
        name="activity", title="a small model on an edge device", task="classification",
        verdict=verdict(evaluation=evaluation(), compression=compression(), device=device()),
        insight=insight_of(stages=stages(), layers=layers(), evaluation=evaluation(), compression=compression()),
        stages=stages(), layers=layers(), training=training(count), evaluation=evaluation(),
        compression=compression(), predictions=(prediction(), prediction(right=False)), device=device(),
        provenance=Provenance(command="edgewright run activity", seed=0, config_hash="c0ffee" * 10 + "abcd",
                              data_hash="5eed" * 16, versions={"edgewright": "0.1.0"}, platform="linux",
                              licences=("simulated, no licence needed",), package_hash="ba5e" * 16),
        warnings=("light is constant in the recordings of person 3",),
        unnoticed=("gain of acc_x by 20 %", "offset of acc_z by 0.2 g", "mirrored across x",
                   "turned by 90 degrees about z"),
    )  # fmt: skip
