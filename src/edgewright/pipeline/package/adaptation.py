"""What a package's devices may learn: the table `[adapt]` as limits and integers of the int8 network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import MEAN_BITS, Factory, arrays_of, read_factory
from edgewright.core.adaptation.learner import discriminant
from edgewright.core.adaptation.predictor import FORM, hidden_of, last_layer
from edgewright.core.adaptation.slots import memory_bytes
from edgewright.core.integer.qdq import integer_network
from edgewright.core.integer.reader import rounding_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.pipeline.material import Material
from edgewright.schema.adapt import AdaptSpec
from edgewright.schema.config import AdaptConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerOperator

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
        raise InputError(
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
        raise InputError(
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
        raise InputError(
            f"{minimum_bytes:,} bytes or more, for {classes} classes of {width} inputs and {_FEWEST_KEPT} examples",
            f"{config.ram:,}", "[adapt] ram", "Raise it, or use fewer units in the last hidden layer",
        )  # fmt: skip
    return msgspec.structs.replace(spec, pool=min(kept, _LARGEST))
