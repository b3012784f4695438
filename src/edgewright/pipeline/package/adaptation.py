"""What a package's devices may learn: the table `[adapt]` as limits and integers of the int8 network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import memory_bytes
from edgewright.core.adaptation.learner import MEAN_BITS, Factory, arrays_of, discriminant, read_factory
from edgewright.core.adaptation.predictor import FORM, hidden_of, last_layer
from edgewright.core.errors import AdaptationUnavailableError, BudgetExceededError
from edgewright.core.integer.network import rounding_of
from edgewright.core.integer.qdq import integer_network
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.config import AdaptConfig
from edgewright.core.records.data import Column, DataSet, Floats, Samples
from edgewright.core.records.network import Graph, IntegerOperator
from edgewright.core.records.package import AdaptSpec, MotionReference
from edgewright.data.sensor_kinds import motion_sensors
from edgewright.monitor.drift.motion_estimates import (
    AT,
    FEWEST,
    STANDARD_GRAVITY,
    TURNING,
    Pieces,
    estimates,
    joined,
    pose,
    structures,
)
from edgewright.monitor.drift.motion_monitor import MotionNames
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


Sums = NDArray[np.void]
# Rows a second at which two seconds are enough rows, and not too many to keep.
_RATES = (10.0, 500.0)
# Units of accelerometers by what 1 g is in them, and how far the size of gravity may lie off.
_GRAVITIES, _NEAR = (1.0, STANDARD_GRAVITY, 1000.0), 0.25
_DEGREES = ("deg/s", "°/s", "dps")
# Wearers are as different as they were seen to be, and a little more: a spread of few of them may be small by chance.
_MORE, _POSE_FLOOR = 1.1, 0.003
# A change that this share of the wearers of training shows is noticed.
_NOTICED = 0.9
# Pieces of a unit at least: 40 s.
_FEWEST_PIECES = 20
# Rows of units as float64 that are held at once; of more units so many are drawn at least.
_UNIT_BYTES, _FEWEST_DRAWN = 2**26, 40


def motion_reference(dataset: DataSet, samples: Samples, rows: NDArray[np.int64]) -> MotionReference | None:
    """Return the reference of a package; None without an accelerometer that feels gravity, few people, or no time.

    Args:
        dataset: recordings.
        samples: cut from them.
        rows: samples that were fitted on; recordings of other people or machines are left out.
    """
    acceleration, rotation = motion_sensors(dataset.columns)
    if not acceleration or dataset.rate is None or not _RATES[0] <= dataset.rate <= _RATES[1]:
        return None
    names = units_of(dataset, samples, rows)
    channels = [*acceleration, *rotation]
    units = [[part[:, channels] for part in parts_of_unit(dataset, name, samples)] for name in names]
    every = np.concatenate([part for unit in units for part in unit])
    parts = iter(np.split(every, np.cumsum([len(part) for unit in units for part in unit])[:-1]))
    units = [[next(parts) for _ in unit] for unit in units]  # no second copy of their rows
    gravity = _gravity(every[:, :3]) if len(units) >= FEWEST_UNITS else None
    if gravity is None:
        return None
    radian = 180 / np.pi if rotation and dataset.columns[rotation[0]].unit in _DEGREES else 1.0
    pieces = Pieces(dataset.rate, gravity, radian)
    sums = [joined([_sums(part, pieces) for part in unit if len(part) >= pieces.rows]) for unit in units]
    sums = [unit for unit in sums if unit["rows"] >= _FEWEST_PIECES * pieces.rows]
    if len(sums) < FEWEST_UNITS:
        return None
    level = float(np.mean([estimates(unit, pieces.lags, 0.0)[0] for unit in sums]))
    seen = np.asarray([estimates(unit, pieces.lags, level) for unit in sums])
    seen = np.where(np.isfinite(seen).sum(0) >= FEWEST_UNITS, seen, 0.0)
    poses = np.asarray([pose(unit, np.eye(3)) for unit in sums if unit["walk"][0] >= FEWEST])
    posed = bool(rotation) and len(poses) >= FEWEST_UNITS
    highest = [float(np.abs(every[:, base : base + 3]).max()) for base in range(0, len(channels), 3)]
    reference = MotionReference(
        units=len(sums),
        acceleration=(acceleration[0], acceleration[1], acceleration[2]),
        rotation=tuple(rotation),
        gravity=gravity,
        radian=float(radian),
        rate=dataset.rate,
        mean=tuple(np.nanmean(seen, axis=0).tolist()),
        spread=tuple((_MORE * np.nanstd(seen, axis=0, ddof=1)).tolist()),
        turning=_inverse(seen[:, TURNING]) if rotation else (),
        pose=tuple(poses.mean(0).tolist()) if posed else (),
        pose_spread=tuple(np.sqrt(poses.var(0, ddof=1) + _POSE_FLOOR).tolist()) if posed else (),
        highest=tuple(highest),
    )
    return msgspec.structs.replace(reference, unnoticed=_unnoticed(reference, dataset.columns, sums))


def _inverse(turning: Array) -> tuple[float, ...]:
    """Return the inverse covariance of a few wearers, whose correlations count a little less than they seem."""
    covariance = _MORE**2 * np.cov(turning.T)
    covariance = 0.9 * covariance + 0.1 * np.diag(np.diag(covariance))
    return tuple(float(number) for number in np.linalg.inv(covariance).ravel())


def _gravity(acceleration: Array) -> float | None:
    """Return what 1 g is in the units of an accelerometer; None where it does not feel gravity."""
    size = float(np.median(np.linalg.norm(acceleration, axis=1)))
    return next((gravity for gravity in _GRAVITIES if abs(size / gravity - 1) <= _NEAR), None)


def _sums(unit: Array, pieces: Pieces) -> Sums:
    whole = len(unit) // pieces.rows
    padded = np.zeros((whole, pieces.rows, 6), np.float32)
    padded[..., : unit.shape[1]] = unit[: whole * pieces.rows].reshape(whole, pieces.rows, -1)
    return pieces.sums(padded)


def _changes(names: list[str]) -> Iterator[tuple[str, str, Array, Array]]:
    """Yield changes in words and as they are named, each with the matrix and the offset of six channels that it is."""
    none = np.zeros(6)

    def on(channels: tuple[int, ...], factor: float) -> Array:
        return np.diag(np.where(np.isin(np.arange(6), channels), factor, 1.0))

    for channel, name in enumerate(names):
        yield f"gain of {name} by 20 %", f"gain of {name}", on((channel,), 1.2), none
    for channel in range(3):
        text = f"offset of {names[channel]}"
        yield f"{text} by 0.2 g", text, np.eye(6), 0.2 * np.eye(6)[channel]
    for base in range(0, len(names), 3):
        text = f"gain of {', '.join(names[base : base + 3])}"
        yield f"{text} by 10 %", text, on((base, base + 1, base + 2), 1.1), none
    if len(names) < 6:
        return
    for structure in structures(tuple(names))[1:]:
        matrix = np.zeros((6, 6))
        matrix[:3, :3], matrix[3:, 3:] = structure.acceleration.T, structure.rotation.T
        yield structure.text, structure.text, matrix, none
    for axis, letter in enumerate("xyz"):
        mirror = np.where(np.arange(3) == axis, -1.0, 1.0)
        yield f"mirrored across {letter}", "mirrored", np.diag([*mirror, *-mirror]), none
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[[i, j]] = turn[[j, i]] * np.array([[-1.0], [1.0]])
        yield f"turned by 90 degrees about {letter}", "turned", np.asarray(np.kron(np.eye(2), turn), np.float64), none


def _changed(sums: Sums, matrix: Array, offset: Array) -> Sums:
    """Return the sums of changed sensors; each channel becomes one channel times a factor, and an offset."""
    changed = sums.copy()
    acceleration, rotation, shift = matrix[:3, :3], matrix[3:, 3:], offset[:3]
    monomials = np.zeros((7, 7))
    monomials[0, 0] = 1
    monomials[1:4, 0], monomials[1:4, 1:4] = shift, acceleration
    monomials[4:, 0], monomials[4:, 1:4] = shift**2, 2 * shift[:, None] * acceleration
    monomials[4:, 4:] = acceleration**2
    turning = np.zeros((12, 12))
    turning[:3, :3], turning[3:, 3:] = acceleration, np.kron(acceleration, rotation)
    both = np.kron(np.eye(2), matrix)
    changed["size"] = monomials @ sums["size"] @ monomials.T
    changed["turning"] = turning @ sums["turning"] @ turning.T
    changed["movement"] = both @ sums["movement"] @ both.T
    changed["walk"][1:] = acceleration @ sums["walk"][1:] + sums["walk"][0] * shift
    for name in ("floor", "step"):
        # A channel that never changes has no steps.
        changed[name] = np.abs(matrix) @ np.minimum(sums[name], 1e9)
    changed["tops"] = 0
    return changed


def _unnoticed(reference: MotionReference, columns: tuple[Column, ...], sums: list[Sums]) -> tuple[str, ...]:
    """Return the changes that too few wearers of training would show, in words.

    Tried are gains of 20 % (10 % of all axes), offsets of 0.2 g, swapped axes, signs, and ways to wear the sensor.
    """
    channels = (*reference.acceleration, *reference.rotation)
    names = [columns[channel].name for channel in channels]
    naming = MotionNames(reference, names)
    missed = []
    for words, text, matrix, offset in _changes(names):
        named = [naming.name(_changed(unit, matrix, offset)) for unit in sums]
        if sum(change is not None and change.text == text for change in named) < _NOTICED * len(sums):
            missed.append(words)
    if not reference.rotation:
        axes = ", ".join(names)
        missed += [f"swapped axes, signs and another mounting of {axes}: no gyroscope says how it turns"]
    elif 5 * reference.spread[AT["delay"]] > 0.1 * reference.rate:
        missed.append("delay between sensors of 0.1 s")
    return (*missed, "a wrong sampling rate, where rows carry no times")


FEWEST_UNITS = 8
"""Fewer people, machines or recordings do not show how much they differ."""


def units_of(dataset: DataSet, samples: Samples, rows: NDArray[np.int64]) -> list[str]:
    """Return the people, machines or sessions of samples, by name; of more than memory holds some, drawn by chance."""
    names = np.unique((samples.groups if samples.groups is not None else samples.sessions)[rows])
    size = 8 * len(dataset.columns) * sum(len(recording.values) for recording in dataset.recordings)
    count = max(_FEWEST_DRAWN, len(names) * _UNIT_BYTES // size)
    if size > _UNIT_BYTES and count < len(names):
        names = np.sort(np.random.default_rng(0).choice(names, count, replace=False))
    return [str(name) for name in names]


def parts_of_unit(dataset: DataSet, unit: str, samples: Samples) -> list[NDArray[np.float64]]:
    """Return rows of one person, machine or session that miss no value, shape (rows, channels), by recording."""
    parts = []
    for recording in dataset.recordings:
        of = recording.groups if samples.groups is not None else recording.sessions
        mine = np.full(1, recording.name == unit) if of is None else of[: None if any(of.strides) else 1] == unit
        if mine.any():
            values = np.asarray(recording.values[mine] if len(mine) > 1 else recording.values[:], np.float64)
            parts.append(values[np.isfinite(values).all(axis=1)])
    return parts or [np.zeros((0, len(dataset.columns)))]
