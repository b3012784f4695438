"""The forms of the model side by side: float and int8, each with accuracy, flips, bytes and latency."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.compression.weights import flips_by_class, missing_integer_form, variant, weight_bytes
from edgewright.core.engines import Engine, choose, get
from edgewright.core.errors import PipelineError
from edgewright.core.input.recordings import ANSWERED_BYTES, parts
from edgewright.core.integer.qdq import has_integer_form
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.objects import METADATA, oddest, read_objects
from edgewright.core.records.config import CompressionConfig
from edgewright.core.records.data import Floats, Labels
from edgewright.core.records.network import Graph
from edgewright.core.records.package import IntervalSpec, ObjectMap
from edgewright.core.records.trace import (
    CompressionRecord,
    EngineFlips,
    EvaluationRecord,
    Interval,
    ReferenceRecord,
    RobustnessRecord,
    VariantRecord,
)
from edgewright.data.near_duplicates import is_odd
from edgewright.data.targets import as_text
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.cost import latency
from edgewright.pipeline.evaluation.evaluate import LABELS
from edgewright.pipeline.evaluation.robustness import graph_f1, plausible_changes
from edgewright.pipeline.material import Material
from edgewright.training import metrics

_CALIBRATION = 2048


@dataclass(frozen=True)
class Form:
    """A form of the model: its graph and bytes."""

    name: str
    graph: Graph
    model: bytes


def make_forms(compression: CompressionConfig, graph: Graph, material: Material) -> list[Form]:
    """Return the float form and, where it is wanted and can be, the int8 form, calibrated on training samples."""
    forms = [Form("float", graph, to_onnx(graph))]
    if compression.int8 and not missing_integer_form(graph):
        small = quantise(
            graph,
            material.samples.X[calibration_rows(material)],
            method=compression.method,
            percentile=compression.percentile,
            per_channel=compression.per_channel,
        )
        forms.append(Form("int8", small, to_onnx(small)))
    return forms


def calibration_rows(material: Material) -> NDArray[np.int64]:
    """Return the training samples that the ranges of values come from, chosen by the seed where there are many."""
    train = material.sides.train
    if len(train) <= _CALIBRATION:
        return train
    return np.sort(np.random.default_rng(material.plan.seed).choice(train, _CALIBRATION, replace=False))


def answering(model: bytes) -> Callable[[Floats], Floats]:
    """Return a function from samples to probabilities (n, classes) or predictions (n, 1), by the records' engine."""
    return _asked_of(recording_engine(model), model)


def recording_engine(model: bytes) -> Engine:
    """Return the engine whose answers stand in records, the same on every machine.

    An int8 network is asked as integers, which is what generated C and the microcontroller answer; any other model by
    the first engine present.
    """
    return get("numpy") if has_integer_form(read_onnx(model)) else choose(None)


def engine_flips(model: bytes, X: Floats, answers: Floats) -> tuple[EngineFlips, ...]:
    """Sample to which an engine with a rounding of its own gives another label than the integers of generated C.

    Args:
        model: of a classifier.
        X: samples, shape (n, ...).
        answers: of `asked`, shape (n, classes).

    Returns:
        An entry for each engine here that runs any ONNX; none for a model without integers.
    """
    if not has_integer_form(read_onnx(model)):
        return ()
    others = [choose(None)] if choose(None).name != "numpy" else []
    label = np.argmax(answers, axis=1)
    return tuple(
        EngineFlips(
            engine=engine.name,
            flips=int(np.count_nonzero(np.argmax(_asked_of(engine, model)(X), axis=1) != label)),
            samples=len(X),
        )
        for engine in others
    )


def _asked_of(engine: Engine, model: bytes) -> Callable[[Floats], Floats]:
    ask = engine.load(model)

    def answer(X: Floats) -> Floats:
        pieces = []
        for part in parts(X.shape, size_bytes=ANSWERED_BYTES):
            given = ask(np.ascontiguousarray(X[part], np.float32))
            outputs = given["probabilities"] if "probabilities" in given else given["prediction"]
            pieces.append(np.asarray(outputs, np.float32).reshape(len(outputs), -1))
        return np.concatenate(pieces)

    return answer


def compare(compression: CompressionConfig, forms: list[Form], material: Material) -> CompressionRecord:
    """Every form on the test samples, and the last one under disturbances.

    The drop is that of accuracy or F1, or for a regression the relative growth of the root mean squared error.
    """
    test = material.compared
    X, y = material.samples.X[test], material.samples.y[test]
    groups = None if material.samples.groups is None else material.samples.groups[test]
    variants: list[VariantRecord] = []
    first: NDArray[Any] | None = None
    for form in forms:
        answer = answering(form.model)(X)
        first = answer if first is None else first
        variants.append(_variant(form, answer, first, y, groups, X))
    last, worse = variants[-1], 0.0
    scores = [variant.f1.value for variant in variants if not isinstance(variant.f1, msgspec.UnsetType)]
    if scores:
        worse = scores[0] - scores[-1]
    elif last.accuracy is not None and variants[0].accuracy is not None:
        worse = variants[0].accuracy.value - last.accuracy.value
    elif last.error is not None and variants[0].error:
        worse = last.error / variants[0].error - 1
    limit, size = compression.max_drop, compression.reference_megabytes
    notes, reference = _notes(forms), None
    if size and len(forms) > 1:
        note, reference = _reference(size, material.plan.seed)
        notes += (note,)
    return CompressionRecord(
        variants=tuple(variants),
        max_drop=limit,
        drop=worse,
        within=worse <= limit,
        robustness=_robustness(forms[-1], material, last),
        notes=notes,
        reference=reference,
    )


def _variant(
    form: Form, answer: Floats, first: NDArray[Any], y: NDArray[Any], groups: NDArray[Any] | None, X: Floats
) -> VariantRecord:
    engine = choose(None)
    ask = engine.load(form.model)
    accuracy: Interval | None = None
    error: float | None = None
    flips: tuple[tuple[str, int], ...] = ()
    others: tuple[EngineFlips, ...] = ()
    f1: Interval | msgspec.UnsetType = msgspec.UNSET
    spec = read_objects(form.graph.metadata)
    if spec is not None and spec.false_alarms is not msgspec.UNSET:
        alarms = _alarms(spec, answer)
        accuracy = metrics.accuracy_interval(is_odd(y).astype(np.int64), alarms, groups)
        flips = flips_by_class(_alarms(spec, first), alarms, LABELS)
    elif METADATA in form.graph.metadata:
        f1 = graph_f1(y, answer, form.graph, groups)
    elif form.graph.labels:
        names = np.asarray(form.graph.labels)
        true = np.searchsorted(names, as_text(y))
        accuracy = metrics.accuracy_interval(true, np.argmax(answer, axis=1), groups)
        flips = flips_by_class(np.argmax(first, axis=1), np.argmax(answer, axis=1), form.graph.labels)
        others = engine_flips(form.model, X, answer)
    else:
        error = metrics.regression(np.asarray(y, np.float64), np.ravel(answer))["rmse"]
    measured = variant(
        form.name,
        accuracy=accuracy,
        flips=flips,
        graph=form.graph,
        file_bytes=len(form.model),
        latency_us=latency(lambda: ask(X[:1])),
        engine=engine.name,
        error=error,
        engine_flips=others,
    )
    return msgspec.structs.replace(measured, f1=f1)


def _alarms(spec: ObjectMap, maps: Floats) -> NDArray[np.int64]:
    """Return the number among `LABELS` for each map of a model that finds odd pictures."""
    return np.asarray(oddest(maps, spec) >= spec.threshold, np.int64)


def alarm_accuracy(y: Labels, maps: Floats, form: Form) -> float:
    """Return the share of pictures with the right answer, alarm or none, for maps of a form."""
    spec = read_objects(form.graph.metadata)
    if spec is None:
        raise PipelineError("a graph that says how its map is read", "none", form.graph.name)
    return float(np.mean(is_odd(y) == _alarms(spec, maps)))


def _robustness(form: Form, material: Material, undisturbed: VariantRecord) -> tuple[RobustnessRecord, ...]:
    """Accuracy of the form under each plausible change, and its difference to the unchanged test samples."""
    if undisturbed.accuracy is None or not form.graph.labels:
        return ()
    names = np.asarray(form.graph.labels)
    test = material.compared
    groups: frozenset[str] = frozenset()
    if material.sides.by == "group" and material.samples.groups is not None:
        groups = frozenset(str(g) for g in np.unique(material.samples.groups[test]))
    answer = answering(form.model)
    results = []
    for name, X, y in plausible_changes(material.dataset, material.samples, material.plan.window, groups, test):
        scores = answer(X)
        # What has no answer misleads nobody: a device that misses too many readings says so.
        given = scores.sum(axis=1) > 0
        if not given.any():
            continue
        accuracy = float(np.mean(names[np.argmax(scores[given], axis=1)] == as_text(y)[given]))
        results.append(
            RobustnessRecord(disturbance=name, accuracy=accuracy, change=accuracy - undisturbed.accuracy.value)
        )
    return tuple(results)


def _notes(forms: list[Form]) -> tuple[str, ...]:
    if len(forms) < 2:
        return ()
    big, small = weight_bytes(forms[0].graph), weight_bytes(forms[-1].graph)
    notes = [
        f"weights {big:,} -> {small:,} bytes, {big / max(small, 1):.2f}x smaller; int32 biases and scales keep a small "
        "network below the 4x of its weights"
    ]
    return tuple(notes)


def _reference(megabytes: float, seed: int) -> tuple[str, ReferenceRecord]:
    """Return what int8 saves of a large network in bytes of file, in a sentence, and its times here."""
    whole, small, sample = reference_models(megabytes, seed=seed)
    engine = choose(None)
    times = [latency(partial(engine.load(model), sample))[0] for model in (whole, small)]
    note = (
        f"a dense network shrinks from {len(whole) / 1e6:.2f} to {len(small) / 1e6:.2f} MB, "
        f"{len(whole) / len(small):.2f}x smaller, measured in bytes of file"
    )
    return note, ReferenceRecord(float_us=times[0], int8_us=times[1])


INPUTS, OUTPUTS, HIDDEN = 10, 3, 3


def reference_graph(megabytes: float, seed: int = 0) -> Graph:
    """Return a dense network of a given size with three hidden layers of equal width and normally distributed weights.

    Args:
        megabytes: approximate size of the float32 parameters in 10^6 bytes.
        seed: seed of the random weights.
    """
    # The network has 2 w² + (inputs + outputs + 3) w parameters of 4 bytes each; this is solved for the width w.
    linear = INPUTS + OUTPUTS + HIDDEN
    width = max(1, round((math.sqrt(linear**2 + 8 * megabytes * 250_000) - linear) / 4))
    rng = np.random.default_rng(seed)
    sizes = (INPUTS, *(width,) * HIDDEN, OUTPUTS)
    builder = Builder("reference", (INPUTS,))
    value = builder.input
    builder.boundary(value)
    for layer, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        weights = (rng.standard_normal((inputs, outputs)) * math.sqrt(2.0 / inputs)).astype(np.float32)
        bias = (rng.standard_normal(outputs) * 0.01).astype(np.float32)
        value = builder.op("Gemm", value, builder.constant(weights), builder.constant(bias))
        value = builder.op("Relu", value) if layer <= HIDDEN else value
    return builder.finish({"probabilities": (builder.op("Softmax", value, axis=1), "float32", (OUTPUTS,))})


def reference_models(megabytes: float, *, seed: int = 0) -> tuple[bytes, bytes, Floats]:
    """Return the ONNX files of the float and the int8 form, and a sample, shape (1, inputs)."""
    graph = reference_graph(megabytes, seed)
    samples = np.random.default_rng([seed, 1]).standard_normal((64, INPUTS)).astype(np.float32)
    return to_onnx(graph), to_onnx(quantise(graph, samples)), samples[:1]


LEVEL = 0.9
"""Share of the truth that the interval is to hold."""
MIN_SAMPLES = math.ceil(2 / (1 - LEVEL)) - 1
"""Test samples below which no finite interval holds that share."""


def conformal_interval(evaluation: EvaluationRecord) -> IntervalSpec | msgspec.UnsetType:
    """Return the interval of a regression; unset for other tasks, for too few errors, and if they were not recorded.

    New samples that are drawn as the test samples were lie in it with a probability of at least `LEVEL`.
    """
    recorded = evaluation.answers
    if isinstance(recorded, msgspec.UnsetType) or len(recorded.errors) < 4 * MIN_SAMPLES:
        return msgspec.UNSET
    residuals = np.sort(-np.frombuffer(recorded.errors, "<f4").astype(np.float64))
    tail = math.floor((len(residuals) + 1) * (1 - LEVEL) / 2 + 1e-9)
    low, high = float(residuals[tail - 1]), float(residuals[-tail])
    return IntervalSpec(level=LEVEL, edges=(), low=(min(low, 0.0),), high=(max(high, 0.0),))
