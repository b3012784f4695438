"""Training a fitted network further: on its own samples, from its own weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from edgewright.core.errors import PruningError, TrainingDivergedError
from edgewright.core.records.trace import EpochRecord
from edgewright.graph.stage import Layer, Parameters
from edgewright.models.architecture import Architecture
from edgewright.models.base import Network, class_weights, encode, numbers, sample_weights
from edgewright.training.loop import Result, Sampled, outputs, train
from edgewright.training.losses import LOSSES, temperature
from edgewright.training.program import Apply, optimiser_named
from edgewright.training.rows import as_rows

Floats = NDArray[np.float32]
OnEpoch = Callable[[EpochRecord], bool | None]
# Learning rate for weights that were already trained: smaller than for new weights.
GENTLE = 0.3
# Temperature of the soft targets, at which wrong classes still differ, and the teacher's share of the loss.
TEMPERATURE, SHARE = 3.0, 0.5
_TINY = 1e-7


@dataclass(frozen=True)
class Lesson:
    """What a network is trained on.

    Attributes:
        samples: samples with targets in the form of the loss: (n,), or with the teacher's answers (n, more).
        validation: samples for early stopping and calibration, never used for fitting; None if there are none.
        loss: name of a loss in `LOSSES`; `plain` is the loss without a teacher.
        middle, spread: mean and deviation by which the target of a regression is scaled for training.
    """

    samples: Sampled
    validation: Sampled | None
    loss: str
    plain: str
    middle: float = 0.0
    spread: float = 1.0


def lesson(model: Network, X: Any, y: Any, validation: tuple[Any, Any] | None) -> Lesson:  # noqa: ANN401
    """Return the samples on which a model was fitted, encoded as by its `fit`.

    Args:
        model: fitted network.
        X: samples, shape (n, ...), or an object that yields rows.
        y: labels, or numbers for a regression, shape (n,).
        validation: samples and targets that are never used for fitting.
    """
    rows = as_rows(X)
    classes = getattr(model, "classes_", None)
    others = None if validation is None or not len(validation[1]) else as_rows(validation[0])
    if classes is None:
        values = numbers(y, len(rows))
        middle, spread = float(values.mean()), float(values.std()) or 1.0
        targets = ((values - middle) / spread).astype(np.float32)
        watched = None
        if others is not None and validation is not None:
            truth = ((numbers(validation[1], len(others)) - middle) / spread).astype(np.float32)
            watched = Sampled(others, truth, np.ones(len(others), np.float32))
        sampled = Sampled(rows, targets, sample_weights(None, len(rows)))
        return Lesson(sampled, watched, "mean_squared_error", "mean_squared_error", middle, spread)
    _, targets = encode(y, len(rows), classes)
    weights = class_weights(targets, model.class_weights)
    watched = None
    if others is not None and validation is not None:
        _, truth = encode(validation[1], len(others), classes)
        watched = Sampled(others, truth, weights[truth.astype(np.int64)])
    loss = "sigmoid_cross_entropy" if len(classes) == 2 else "softmax_cross_entropy"
    return Lesson(Sampled(rows, targets, weights[targets.astype(np.int64)]), watched, loss, loss)


def trained(
    model: Network,
    lesson: Lesson,
    apply: Apply,
    start: Sequence[Parameters],
    *,
    epochs: int,
    gentle: bool = True,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Train from given weights with the settings of a model.

    Args:
        model: model whose settings are used.
        lesson: training samples, targets and loss.
        apply: function of the network, which may include rounding or masks.
        start: weights of a fitted model.
        epochs: number of passes over the samples.
        gentle: whether to use a smaller learning rate than for new weights.
        on_epoch: called after each epoch; training ends when it returns True.

    Returns:
        Result of the training loop; its parameters give outputs on the scale of the loss (see `finished`).
    """
    settings = replace(model.settings(lesson.loss), epochs=epochs)
    if not optimiser_named(settings.optimiser).needs_learning_rate:
        # An optimiser that adapts its steps would start with the large steps for new weights.
        settings = replace(settings, optimiser="adam", schedule="one_cycle", learning_rate=1e-3)
    if gentle:
        settings = replace(settings, learning_rate=settings.learning_rate * GENTLE)
    first = [dict(own) for own in start]
    last = first[-1]
    first[-1] = {"weights": last["weights"] / lesson.spread, "bias": (last["bias"] - lesson.middle) / lesson.spread}
    return train(apply, first, lesson.samples, settings, validation=lesson.validation, on_epoch=on_epoch)


def finished(model: Network, lesson: Lesson, apply: Apply, parameters: list[Parameters]) -> list[Parameters]:
    """Return parameters for prediction: calibrated for a classifier, on the original scale for a regression."""
    last = parameters[-1]
    if not hasattr(model, "classes_"):
        scaled = {"weights": last["weights"] * lesson.spread, "bias": last["bias"] * lesson.spread + lesson.middle}
    elif model.calibrate and lesson.validation is not None:
        raw = outputs(apply, parameters, lesson.validation.rows)
        heat = temperature(raw, _labels(lesson.validation), LOSSES[lesson.plain])
        scaled = {name: a / np.float32(heat) for name, a in last.items()}
    else:
        return parameters
    return [*parameters[:-1], {name: np.asarray(a, np.float32) for name, a in scaled.items()}]


def _labels(samples: Sampled) -> Floats:
    return samples.targets if samples.targets.ndim == 1 else samples.targets[:, 0]


def with_parameters(model: Network, parameters: list[Parameters], layers: Sequence[dict[str, Any]]) -> Network:
    """Return a fitted network with other layers and weights, but the classes and settings of `model`."""
    trained: Network = clone(model)
    trained.layers = tuple(layers)
    trained.fitted_ = {**{k: v for k, v in model.fitted_.items() if k != "layers"}, "parameters": parameters}
    return trained


def softened(probabilities: Floats, heat: float) -> Floats:
    """Return probabilities, shape (n, k), at another temperature: their logarithms are divided by it and normalised."""
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY)) / heat
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def taught(lesson: Lesson, teacher: Floats, *, heat: float = TEMPERATURE, share: float = SHARE) -> Lesson:
    """Return the lesson with the answers of a teacher to its samples.

    Args:
        lesson: lesson with labels only.
        teacher: the teacher's answers to the training samples in their order: probabilities, shape (n, classes), or for
            a regression numbers on the scale of the target, shape (n, 1).
        heat: temperature of the soft targets.
        share: share of the loss that compares with the teacher.

    Raises:
        InputError: the number of answers differs from that of the samples, or an answer is not finite.
    """
    count = len(lesson.samples.rows)
    if len(teacher) != count or not np.isfinite(teacher).all():
        raise TrainingDivergedError(f"{count} finite answers", f"{len(teacher)}, or not finite", "the teacher")
    if lesson.plain == "mean_squared_error":
        soft = (np.asarray(teacher, np.float32) - lesson.middle) / lesson.spread
    else:
        soft = softened(teacher, heat)
        soft = soft[:, 1:] if lesson.plain == "sigmoid_cross_entropy" else soft
    watched = lesson.validation
    if watched is not None:
        # The loss on validation samples uses their labels alone.
        watched = _with(watched, np.zeros((len(watched.rows), soft.shape[1]), np.float32), 1.0, 0.0)
    return replace(
        lesson,
        samples=_with(lesson.samples, np.asarray(soft, np.float32), heat, share),
        validation=watched,
        loss=f"distilled_{lesson.plain}",
    )


def _with(samples: Sampled, soft: Floats, heat: float, share: float) -> Sampled:
    columns = np.tile(np.asarray([heat, share], np.float32), (len(soft), 1))
    targets = np.concatenate([samples.targets[:, None], columns, soft], axis=1).astype(np.float32)
    return replace(samples, targets=targets)


Kept = NDArray[np.int64]


def macs(model: Network) -> int:
    """Return the number of multiply-accumulates of one inference of the network."""
    return sum(record.macs for record in model.layer_records())


def structured(model: Network, share: float) -> Network:
    """Return the network without its weakest units; at most (1 - share) of its multiply-accumulates remain.

    Every layer except the last loses the same share of its units. The strength of a unit is the norm of its input
    weights times the norm of its output weights (after Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017).

    Args:
        model: fitted network; the returned network must be trained further.
        share: share of the multiply-accumulates to remove, above 0 and below 1.

    Raises:
        InputError: no layer has units to spare, or too few of them.
    """
    network = model.network()
    # A layer keeps all units if the weights of the next layer do not show which input they belong to.
    first = max((i for i in range(len(network.layers)) if _unmapped(network, model.parameters_, i)), default=-1)
    places = [i for i, layer in enumerate(network.layers[:-1]) if layer.outputs and i > first]
    if not places:
        raise PruningError("a layer with units to leave out", "a network without hidden units", "--prune structured")
    limit = (1.0 - share) * macs(model)
    strengths = {i: _strengths(network, model.parameters_, i) for i in places}
    maximum = max(len(strength) for strength in strengths.values())
    # The widest layer loses one unit at a time: the first width that is small enough is the largest possible.
    for step in range(maximum, 0, -1):
        counts = {i: max(1, math.ceil(len(strength) * step / maximum)) for i, strength in strengths.items()}
        smaller = _cut(model, network, {i: _strongest(strengths[i], count) for i, count in counts.items()})
        if macs(smaller) <= limit:
            return smaller
    raise PruningError(
        f"units to leave out for {share:.0%} fewer multiply-accumulates",
        f"{macs(smaller):,} with one unit a layer, {macs(model):,} before",
        "--prune structured",
        "Take a smaller share",
    )


def _unmapped(network: Architecture, parameters: Sequence[Parameters], index: int) -> bool:
    return bool(parameters[index]) and not network.layers[index].inputs


def _strongest(strengths: NDArray[np.float64], count: int) -> Kept:
    return np.sort(np.argsort(-strengths, kind="stable")[:count])


def _strengths(network: Architecture, parameters: Sequence[Parameters], index: int) -> NDArray[np.float64]:
    """Return the strength of each unit of a layer."""
    layer, own = network.layers[index], parameters[index]
    units = network.shapes[index + 1][0]
    coming = np.sqrt(sum((_power(own[name], axis, units) for name, axis in layer.outputs.items()), np.zeros(units)))
    for later in range(index + 1, len(network.layers)):
        inputs = network.layers[later].inputs
        if inputs:
            # After a flatten layer, one unit corresponds to several consecutive inputs.
            return np.asarray(coming * np.sqrt(sum(_power(parameters[later][n], a, units) for n, a in inputs.items())))
    return np.asarray(coming)


def _power(array: NDArray[Any], axis: int, channels: int) -> NDArray[np.float64]:
    rows = np.moveaxis(np.asarray(array, np.float64), axis, 0).reshape(channels, -1)
    power: NDArray[np.float64] = np.square(rows).sum(axis=1)
    return power


def _cut(model: Network, network: Architecture, kept: dict[int, Kept]) -> Network:
    """Return the network with only the kept units of the layers in `kept`."""
    coming: Kept = np.arange(network.shapes[0][0])
    tables = [dict(table) for table in model.tables]
    parameters: list[Parameters] = []
    for index, layer in enumerate(network.layers):
        own = _selected(layer.inputs, dict(model.parameters_[index]), coming)
        before, after = network.shapes[index][0], network.shapes[index + 1][0]
        if index in kept:
            own = _selected(layer.outputs, own, kept[index])
            tables[index][layer.width] = len(kept[index])
            coming = kept[index]
        elif layer.width or _unmapped(network, model.parameters_, index):
            coming = np.arange(after)
        else:
            coming = _through(coming, after // before)
        parameters.append(own)
    return with_parameters(model, parameters, tables)


def _selected(axes: Any, own: Parameters, places: Kept) -> Parameters:  # noqa: ANN401 - a mapping of the layer
    return {name: np.take(a, places, axis=axes[name]) if name in axes else a for name, a in own.items()}


def _through(coming: Kept, each: int) -> Kept:
    """Return the channels after a layer without weights; a flatten layer turns each channel into `each` features."""
    return (coming[:, None] * each + np.arange(each)[None, :]).ravel()


def weights_of(layer: Layer[Any], own: Parameters) -> tuple[str, ...]:
    """Return the names of a layer's weights without its biases."""
    return tuple(name for name, array in own.items() if np.ndim(array) > 1)


def smallest(model: Network, share: float) -> list[dict[str, NDArray[np.float32]]]:
    """Return masks that are zero for the smallest weights: a share `share` of each array of weights.

    Weights of different layers differ in size, so each array loses the same share of its own.

    Args:
        model: fitted network.
        share: share of the weights to set to zero, above 0 and below 1.
    """
    masks = []
    for layer, own in zip(model.network().layers, model.parameters_, strict=True):
        models = {}
        for name in weights_of(layer, own):
            sizes = np.abs(np.asarray(own[name]))
            order = np.argsort(sizes, axis=None, kind="stable")
            mask = np.ones(sizes.size, np.float32)
            mask[order[: round(share * sizes.size)]] = 0.0
            models[name] = mask.reshape(sizes.shape)
        masks.append(models)
    return masks
