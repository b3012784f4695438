"""The trained network with some of its samples, small enough for a page that trains it again."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats
from edgewright.core.records.trace_flow import TRAINABLE_KINDS, TRAINABLE_PARAMETERS, TrainableLayer, TrainableNetwork
from edgewright.features.polynomial import Polynomial
from edgewright.graph.stage import LayerConfig
from edgewright.models.base import encode, numbers
from edgewright.models.network import NetworkClassifier, NetworkRegressor
from edgewright.models.nn import _windows as windows
from edgewright.models.nn.conv1d import Conv1dConfig
from edgewright.models.nn.dense import DenseConfig
from edgewright.models.nn.depthwise_separable import DepthwiseSeparableConfig
from edgewright.models.nn.dropout import DropoutConfig
from edgewright.models.nn.max_pool import MaxPoolConfig
from edgewright.pipeline.fitting import Flow
from edgewright.pipeline.material import Material

TRAINING, VALIDATION = 2_000, 500
"""Samples of each side at most."""
# Values up to which samples are kept as float32 and as float16, and values in all, of rows and of windows.
_FLOAT32, _FLOAT16, _ROWS, _WINDOWS = 10_000, 40_000, 120_000, 240_000
_CLASSES = 64
# Optimisers that a page knows; the others are replaced by Adam.
_OPTIMISERS = ("adam", "adamw", "sgd")


def trainable_network(material: Material, flow: Flow, model: Any) -> TrainableNetwork | None:  # noqa: ANN401 - any model
    """Return a network of layers that a page trains with its samples; None for other models and larger ones.

    Args:
        material: of the judged fit.
        flow: behind its stages.
        model: fitted.
    """
    if not isinstance(model, NetworkClassifier | NetworkRegressor) or len(model.shape_) > 2:
        return None
    layers, classes = _layers(model), tuple(str(label) for label in getattr(model, "classes_", ()))
    if (
        not layers
        or sum(layer.parameters for layer in model.layer_records()) > TRAINABLE_PARAMETERS
        or len(classes) > _CLASSES
    ):
        return None
    columns, left, right = _columns(flow)
    sides = material.sides
    samples = math.prod(model.shape_[1:])
    maximum = _ROWS if samples == 1 else _WINDOWS
    share = min(1.0, maximum / (columns * samples * (TRAINING + VALIDATION)))
    train, validation = (
        _some(rows, max(1, int(share * count)))
        for rows, count in ((sides.train, TRAINING), (sides.validation, VALIDATION))
    )
    rows = np.concatenate([train, validation])
    features = flow.array(rows)[:, :columns]
    if not np.isfinite(features).all():
        return None
    encoding, values, low, step = _encoded(features)
    return TrainableNetwork(
        names=tuple(flow.context.names[:columns]),
        samples=samples,
        left=left,
        right=right,
        encoding=encoding,
        low=low,
        step=step,
        values=values,
        targets=_targets(material.samples.y[rows], len(train), model),
        classes=classes,
        training=len(train),
        validation=len(validation),
        training_samples=len(sides.train),
        validation_samples=len(sides.validation),
        layers=layers,
        loss=model.loss,
        optimiser=model.optimiser if model.optimiser in _OPTIMISERS else "adam",
        learning_rate=model.learning_rate,
        schedule=model.schedule,
        warm_up=model.warm_up,
        weight_decay=model.weight_decay,
        batch=model.batch,
        epochs=model.epochs,
        label_smoothing=model.label_smoothing,
        dropout=model.dropout,
        balanced=bool(classes) and model.class_weights == "balanced",
        seed=model.seed,
        differences=_differences(material, model, layers),
    )


def _layers(model: NetworkClassifier | NetworkRegressor) -> tuple[TrainableLayer, ...]:
    """Return the layers, the output layer last; none where there are others than a page trains."""
    layers: list[TrainableLayer] = []
    network = model.network()
    for kind, config, shape in zip(network.kinds[:-1], network.configs[:-1], network.shapes[:-2], strict=True):
        if isinstance(config, DropoutConfig):
            if not layers or layers[-1].dropout:
                return ()
            layers[-1] = msgspec.structs.replace(layers[-1], dropout=config.rate)
        elif kind not in TRAINABLE_KINDS:
            return ()
        else:
            layers += _layer(kind, config, shape)
    return (*layers, TrainableLayer(units=math.prod(network.shapes[-1]), activation="linear"))


def _layer(kind: str, config: LayerConfig, shape: tuple[int, ...]) -> list[TrainableLayer]:
    """Return what a page computes in place of a layer."""
    if isinstance(config, DenseConfig):
        return [TrainableLayer(units=config.units, activation=config.activation)]
    if isinstance(config, windows.KernelConfig):
        places, before, _ = windows.span(config, shape, kind)
        moved = TrainableLayer(
            kernel=config.kernel, stride=config.stride, dilation=getattr(config, "dilation", 1), before=before,
            places=places,
        )  # fmt: skip
        replace = msgspec.structs.replace
        if isinstance(config, Conv1dConfig):
            return [replace(moved, kind="conv1d", units=config.filters, activation=config.activation)]
        if isinstance(config, DepthwiseSeparableConfig):
            mixed = TrainableLayer(kind="pointwise", units=config.filters, activation=config.activation, places=places)
            return [replace(moved, kind="depthwise", activation=config.depthwise_activation), mixed]
        return [replace(moved, kind="max" if isinstance(config, MaxPoolConfig) else "average")]
    if kind == "last_sample":
        return [TrainableLayer(kind="max", before=1 - shape[1])]
    if kind == "flatten":
        return []
    return [TrainableLayer(kind="max" if kind == "global_max_pool" else "average", kernel=math.prod(shape[1:]))]


def _columns(flow: Flow) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return how many features are kept, and the columns of the products that the others are."""
    last = flow.steps[-1][1] if flow.steps else None
    if not isinstance(last, Polynomial):
        return int(flow.context.shape[0]), (), ()
    return last.n_features_in_, tuple(map(int, last.left_)), tuple(map(int, last.right_))


def _some(rows: NDArray[np.int64], maximum: int) -> NDArray[np.int64]:
    """Return rows evenly spread, at most so many."""
    if len(rows) <= maximum:
        return rows
    return rows[np.linspace(0, len(rows) - 1, maximum).astype(np.int64)]


def _encoded(
    values: Floats,
) -> tuple[Literal["float32", "float16", "uint8"], bytes, tuple[float, ...], tuple[float, ...]]:
    """Return the encoding, the bytes, and of each column or channel the lowest value and the step where needed."""
    if values.size <= _FLOAT32:
        return "float32", values.astype("<f4").tobytes(), (), ()
    if values.size <= _FLOAT16 and np.abs(values).max() < np.finfo(np.float16).max:
        return "float16", values.astype("<f2").tobytes(), (), ()
    wide = values.astype(np.float64)
    within = (0, *range(2, values.ndim))
    low, high = wide.min(axis=within, keepdims=True)[0], wide.max(axis=within, keepdims=True)[0]
    step = np.where(high > low, (high - low) / 255, 1.0)
    return (
        "uint8",
        np.rint((wide - low) / step).astype(np.uint8).tobytes(),
        tuple(low.ravel().tolist()),
        tuple(step.ravel().tolist()),
    )


def _targets(y: Any, training: int, model: NetworkClassifier | NetworkRegressor) -> bytes:  # noqa: ANN401
    """Return class numbers, or amounts as a training on the first `training` samples scales them."""
    if isinstance(model, NetworkClassifier):
        return np.asarray(encode(y, len(y), model.classes_)[1], np.uint8).tobytes()
    amounts = numbers(y, len(y))
    known = amounts[:training]
    scaled: Floats = ((amounts - known.mean()) / (known.std() or 1.0)).astype(np.float32)
    return scaled.astype("<f4").tobytes()


def _differences(
    material: Material, model: NetworkClassifier | NetworkRegressor, layers: tuple[TrainableLayer, ...]
) -> tuple[str, ...]:
    """Return what the run does that a page does not."""
    checks = (
        (model.optimiser not in _OPTIMISERS, f"it trains with {model.optimiser}, the page with Adam"),
        (any(layer.dropout for layer in layers), "its layers drop other values"),
        (bool(model.augment), "its samples change in every epoch"),
        (bool(model.mixup), "it mixes samples"),
        (material.extra is not None and len(material.extra) > 0, "it also trains on changed copies of samples"),
    )
    return tuple(text for differs, text in checks if differs)
