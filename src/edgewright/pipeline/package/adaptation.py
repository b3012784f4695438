"""What a package's devices may learn: the table `[adapt]` as limits and integers of the int8 network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import (
    AffineFactory,
    affine_files,
    board_bytes,
    distances,
    memory_bytes,
    moments,
    read_affine,
    summary,
)
from edgewright.core.adaptation.learner import MEAN_BITS, Factory, arrays_of, discriminant, read_factory
from edgewright.core.adaptation.predictor import FORM, hidden_of, last_layer
from edgewright.core.errors import AdaptationUnavailableError, BudgetExceededError, LabelUnknownError, UnknownNameError
from edgewright.core.integer.network import rounding_of
from edgewright.core.integer.qdq import integer_network
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.config import AdaptConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, IntegerOperator
from edgewright.core.records.package import AdaptSpec, AffineSpec
from edgewright.pipeline.material import Material

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
# Zero point of bytes that begin at 0, as the learner takes them.
_RELU_ZERO = -128
# Samples that the means and the scatter of the hidden layer are taken of.
_SAMPLES = 8192
# A weight has so many bits below its byte; the largest of a discriminant lies at 2**12.
_BITS, _DISCRIMINANT = 7, 4096.0
# Added to the scatter's diagonal, as a share of its mean; chosen on WISDM's training people (ADR 74).
_SHRINK = 0.1
_FEWEST_KEPT, _LARGEST = 8, 255
_ONE_BITS = 15


@dataclass(frozen=True)
class _Scales:
    """Scales of the last layer: of the hidden bytes, their zero point, and of the output bytes."""

    hidden: float
    zero: int
    out: float
    out_zero: int


def adaptation(
    config: AdaptConfig, models: dict[str, bytes], material: Material, vectors: Floats, seed: int
) -> tuple[AdaptSpec, dict[str, bytes]]:
    """Return what a manifest says of learning, and the files of the package beside it.

    Args:
        config: the table `[adapt]`.
        models: ONNX bytes by form; the one called 'int8' learns.
        material: samples that the model was fitted on.
        vectors: test vectors of the package, shape (n, *sample).
        seed: of the run; draws samples where there are very many.

    Raises:
        InputError: a model that cannot learn, with the reason, or too few bytes of RAM.
    """
    if FORM not in models or material.task != "classification":
        raise AdaptationUnavailableError(
            "a classifier with an int8 network", "another model", "[adapt]", "Leave out the table, or train a network"
        )
    graph = read_onnx(models[FORM])
    last, scales = _last(graph)
    hidden, outputs = hidden_of(graph, vectors)
    shared = _shared(scales, hidden, outputs)
    if config.layer == "output":
        factory = _output_factory(config, last, scales, shared)
    else:
        rows = _drawn_windows(material, seed)
        samples = material.samples
        seen, _ = hidden_of(graph, np.asarray(samples.X[rows], np.float32))
        labels = np.searchsorted(np.asarray(graph.labels), np.asarray(samples.y)[rows].astype(str))
        people = np.zeros(len(rows)) if samples.groups is None else samples.groups[rows]
        factory = _prototypes(
            config, seen.astype(np.float64), labels, people, last.arrays["weights"].shape, scales, shared
        )
    files = arrays_of(factory)
    read_factory(factory.spec, files, "[adapt]")
    return factory.spec, files


def _last(graph: Graph) -> tuple[IntegerOperator, _Scales]:
    network = integer_network(graph, rounding_of(graph))
    last = last_layer(network)
    source, target = network.values[last.inputs[0]], network.values[last.output]
    if source.zero != _RELU_ZERO:
        raise AdaptationUnavailableError(
            "a dense layer before the output, whose values are not negative", f"bytes with zero point {source.zero}",
            "[adapt]", "Add [[model.layers]] of kind 'dense' behind the last state or feature",
        )  # fmt: skip
    return last, _Scales(source.scale, source.zero, target.scale, target.zero)


def _shared(scales: _Scales, hidden: Numbers, outputs: NDArray[np.int8]) -> dict[str, Any]:
    """Return the arrays that both kinds of layers have."""
    exponentials = np.round(np.exp(-np.arange(256) * scales.out) * (1 << _ONE_BITS)).astype(np.int32)
    expected = outputs.argmax(axis=1).astype(np.uint8)
    return {"exponentials": exponentials, "vectors": hidden.astype(np.uint8), "expected": expected}


def _output_factory(config: AdaptConfig, last: IntegerOperator, scales: _Scales, shared: dict[str, Any]) -> Factory:
    real = last.arrays["weights"].astype(np.float64) * last.arrays["weight_scale"].astype(np.float64)[:, None]
    bias = last.arrays.get("bias", np.zeros(len(real))) * last.arrays["weight_scale"] * scales.hidden
    none = np.zeros((0, 0), np.int16)
    spec, weights, offsets = _output(config, real, bias, scales)
    return Factory(
        spec=spec, weights=weights, bias=offsets, prototypes=none, center=none.ravel(), precision=none, **shared
    )


def _drawn_windows(material: Material, seed: int) -> Numbers:
    rows = material.sides.train
    return rows if len(rows) <= _SAMPLES else np.sort(np.random.default_rng(seed).choice(rows, _SAMPLES, replace=False))


def _output(
    config: AdaptConfig, real: Array, bias: Array, scales: _Scales
) -> tuple[AdaptSpec, NDArray[np.int16], NDArray[np.int32]]:
    classes, width = real.shape
    bits = _BITS
    while bits and width * (127 << bits) * (1 + config.limit) * 255 >= 1 << 30:
        bits -= 1
    unit = (float(np.abs(real).max()) or 1.0) / (127 << bits)
    weights = np.round(real / unit).astype(np.int16)
    offsets = np.clip(np.round(bias / (scales.hidden * unit)), -(1 << 29), 1 << 29).astype(np.int32)
    step = round(-math.log2(config.rate * scales.hidden / unit / (1 << 15)))
    limit = round(config.limit * (127 << bits))
    spec = _spec(
        config, classes, width, scales, scales.hidden * unit / scales.out, limit,
        step=min(max(step, 1), 30), bias_step=min(round(1 / scales.hidden**2), (1 << 15) - 1),
    )  # fmt: skip
    return spec, weights, offsets


def _prototypes(
    config: AdaptConfig, hidden: Array, labels: Numbers, people: NDArray[np.generic], shape: tuple[int, int],
    scales: _Scales, shared: dict[str, Any],
) -> Factory:  # fmt: skip
    classes, width = shape
    means = np.array([hidden[labels == c].mean(axis=0) if (labels == c).any() else hidden.mean(0)
                      for c in range(classes)])  # fmt: skip
    scatter = _scatter(hidden, labels, people, width)
    precision = np.linalg.inv(scatter)
    center = means.mean(axis=0)
    real = (means - center) @ precision
    bias = -(real * (means + center)).sum(axis=1) / 2
    heat = _heat(hidden @ real.T + bias, labels)
    unit = heat * (float(np.abs(real).max()) or 1.0) / _DISCRIMINANT
    scaled = precision * heat / unit / (1 << MEAN_BITS)
    right = min(40, max(1, math.floor(math.log2(32767 / float(np.abs(scaled).max())))))
    whole = np.round(scaled * 2.0**right).astype(np.int16)
    prototypes = np.round(means * (1 << MEAN_BITS)).astype(np.int16)
    middle = np.round(center * (1 << MEAN_BITS)).astype(np.int16)
    weights, offsets = discriminant(prototypes.astype(np.int64), middle.astype(np.int64), whole.astype(np.int64), right)
    spec = _spec(
        config, classes, width, scales, unit / scales.out, round(config.limit * _DISCRIMINANT), precision_right=right,
    )  # fmt: skip
    return Factory(
        spec=spec, weights=weights.astype(np.int16), bias=offsets.astype(np.int32), prototypes=prototypes,
        center=middle, precision=whole, **shared,
    )  # fmt: skip


def _scatter(hidden: Array, labels: Numbers, people: NDArray[np.generic], width: int) -> Array:
    """Return the covariance within a person's class, its diagonal raised."""
    parts = [np.zeros((0, width))]
    for person in np.unique(people):
        for label in np.unique(labels):
            mine = hidden[(people == person) & (labels == label)]
            if len(mine) > 2:
                parts.append(mine - mine.mean(axis=0))
    every = np.concatenate(parts)
    scatter = every.T @ every / max(len(every), 1)
    mean = float(np.trace(scatter)) / width or 1.0
    raised: Array = scatter + _SHRINK * mean * np.eye(width)
    return raised


def _heat(scores: Array, labels: Numbers) -> float:
    """Return the factor of the scores with the smallest cross-entropy on the training samples."""
    best, temperature = math.inf, 1.0
    for power in range(-24, 5):
        scaled = scores * 2.0 ** (power / 4)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        loss = float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]).mean())
        if loss < best:
            best, temperature = loss, 2.0 ** (power / 4)
    return temperature


def _spec(
    config: AdaptConfig, classes: int, width: int, scales: _Scales, factor: float, limit: int, *, step: int = 1,
    bias_step: int = 0, precision_right: int = 1,
) -> AdaptSpec:  # fmt: skip
    right = min(62, max(1, 30 - math.floor(math.log2(factor))))
    spec = AdaptSpec(
        layer="output" if config.layer == "output" else "prototypes", classes=classes, width=width, zero=scales.zero,
        multiplier=min(round(factor * 2.0**right), (1 << 31) - 1), right=right, out_zero=scales.out_zero, step=step,
        bias_step=bias_step, weight_limit=min(limit, (1 << 15) - 1), bias_limit=1 << 29, prior=config.prior,
        precision_right=precision_right, pool=_FEWEST_KEPT, replays=config.replays, gain=round(100 * config.gain),
        drop=round(100 * config.drop),
    )  # fmt: skip
    minimum_bytes = memory_bytes(spec)
    kept = _FEWEST_KEPT + (config.ram - minimum_bytes) // (width + 1)
    if kept < _FEWEST_KEPT:
        raise BudgetExceededError(
            f"{minimum_bytes:,} bytes or more, for {classes} classes of {width} inputs and {_FEWEST_KEPT} examples",
            f"{config.ram:,}", "[adapt] ram", "Raise it, or use fewer units in the last hidden layer",
        )  # fmt: skip
    return msgspec.structs.replace(spec, pool=min(kept, _LARGEST))


_PART = 512
# Largest sample of the training data as an integer; a sensor may give twice as much.
_LARGEST_SAMPLE = 2047
# Added to each variance among people, as a share of the sensor's mean one; the second factor is of the largest distance
# of a training person. Chosen on HAPT's training people, leaving people out (docs/research/adaptation.md).
_AXES_SHRINK, _LIMIT = 0.3, 3.0


def affine_adaptation(
    config: AdaptConfig, material: Material, labels: Sequence[str]
) -> tuple[AffineSpec, dict[str, bytes]]:
    """Return what a manifest says of the axes, and the files of the package beside it.

    Args:
        config: the table `[adapt]`.
        material: samples that the model was fitted on.
        labels: of the model, in its order.

    Raises:
        InputError: samples that are no windows, or do not say whose they are.
        UnknownNameError: a channel that the data do not have.
    """
    samples, rows = material.samples, material.sides.train
    if material.task != "classification" or samples.X.ndim != 3:
        raise AdaptationUnavailableError(
            "windows with classes", "other samples", "[adapt] layer = 'affine'", "Leave out the table"
        )
    names = [column.name for column in samples.columns]
    axes = [[_column_index(name, names) for name in group] for group in (config.acceleration, config.rotation)]
    if len(axes[0]) != 3 or len(axes[1]) not in (0, 3):
        raise AdaptationUnavailableError(
            "three channels", ", ".join((*config.acceleration, *config.rotation)) or "none",
            "[adapt] acceleration and rotation", 'Name them: acceleration = ["x", "y", "z"]',
        )  # fmt: skip
    if samples.groups is None or len(np.unique(samples.groups[rows])) < 2:
        raise AdaptationUnavailableError(
            "data of two or more people, in a column with their name", "none", "[adapt] layer = 'affine'",
            "Name the column in [data] group",
        )  # fmt: skip
    parts = [rows[start : start + _PART] for start in range(0, len(rows), _PART)]
    truth = np.searchsorted(np.asarray(labels), np.asarray(samples.y)[rows].astype(str))
    factory = fit_affine(
        [np.ascontiguousarray(samples.X[part], np.float32) for part in parts], truth, samples.groups[rows],
        classes=len(labels), acceleration=axes[0], rotation=axes[1],
        gain=round(100 * config.gain),
    )  # fmt: skip
    if board_bytes(factory) > config.ram:
        raise LabelUnknownError(
            f"{board_bytes(factory):,} bytes or more, for {len(labels)} classes", f"{config.ram:,}", "[adapt] ram",
            "Raise it, or leave out the rotation",
        )  # fmt: skip
    files = affine_files(factory)
    read_affine(factory.spec, files, "[adapt]")
    return factory.spec, files


def fit_affine(
    chunks: Sequence[Floats], labels: Numbers, people: NDArray[np.generic], *, classes: int,
    acceleration: Sequence[int], rotation: Sequence[int], gain: int,
) -> AffineFactory:  # fmt: skip
    """Return the moments of windows.

    Args:
        chunks: windows of shape (n, channels, samples), part after part; those with missing values are left out.
        labels: class of each, shape (all,).
        people: whose each is.
        classes: of the model.
        acceleration: channel numbers of x, y, z.
        rotation: of the gyroscope, or none.
        gain: per cent, as in the spec.
    """
    axes = [*acceleration, *rotation]
    whole = np.concatenate([np.isfinite(part[:, axes]).all(axis=(1, 2)) for part in chunks])
    largest = [
        max(float(np.nanmax(np.abs(part[:, list(group)]))) for part in chunks) if group else 1.0
        for group in (acceleration, rotation)
    ]
    bits = [math.floor(math.log2(_LARGEST_SAMPLE / (value or 1.0))) for value in largest]
    spec = AffineSpec(
        classes=classes, samples=chunks[0].shape[2], acceleration=(axes[0], axes[1], axes[2]),
        rotation=tuple(rotation), bits=(bits[0], bits[1]), gain=gain, limit=1 << 40,
    )  # fmt: skip
    part_moments = [moments(spec, part[np.isfinite(part[:, axes]).all(axis=(1, 2))]) for part in chunks]
    means, powers = (np.concatenate([pair[k] for pair in part_moments]) for k in (0, 1))
    labels, people = labels[whole], people[whole]
    total = summary(*_class_sums(means, powers, labels, classes))
    own = [
        _class_sums(means[mine], powers[mine], labels[mine], classes)
        for mine in (people == p for p in np.unique(people))
    ]
    seen = [pair[0] > 0 for pair in own]
    scales = [_axes_scales([summary(*pair)[k] - total[k] for pair in own], seen) for k in (0, 1)]
    factory = AffineFactory(
        spec=spec, means=total[0].astype(np.int32), logs=total[1].astype(np.int32), mean_scales=scales[0],
        log_scales=scales[1],
    )  # fmt: skip
    worst = max(int(distances(factory, *pair)[0]) / int((pair[0] > 0).sum()) for pair in own)
    return dataclasses.replace(factory, spec=msgspec.structs.replace(spec, limit=round(_LIMIT * worst)))


def _column_index(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise UnknownNameError("channel", name, names, "[adapt]")
    return names.index(name)


def _class_sums(means: Numbers, powers: Numbers, labels: Numbers, classes: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return counts of the classes and sums of what each window gives."""
    counts = np.bincount(labels, minlength=classes)
    return counts, *(np.array([v[labels == c].sum(axis=0) for c in range(classes)]) for v in (means, powers))  # type: ignore[return-value]


def _axes_scales(differences: Sequence[Numbers], seen: Sequence[NDArray[np.bool_]]) -> NDArray[np.int32]:
    """Return 2**20 over the spread among people of each class and axis, its variance raised."""
    squares, counts = np.zeros(differences[0].shape), np.zeros((len(differences[0]), 1))
    for difference, here in zip(differences, seen, strict=True):
        squares += np.where(here[:, None], difference.astype(np.float64) ** 2, 0.0)
        counts += here[:, None]
    variance: Array = squares / np.maximum(counts, 1)
    groups = variance.reshape(len(variance), -1, 3)
    raised = (groups + _AXES_SHRINK * groups.mean(axis=(0, 2), keepdims=True)).reshape(variance.shape)
    scales: NDArray[np.int32] = np.minimum(np.round((1 << 20) / np.sqrt(np.maximum(raised, 1.0))), 1 << 20).astype(
        np.int32
    )
    return scales
