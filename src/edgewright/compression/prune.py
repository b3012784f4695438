"""Pruning: removal of whole units, which shrinks the network, or of the smallest weights, which become zeros."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.retraining import with_parameters
from edgewright.graph.layer import Layer, Parameters
from edgewright.models.architecture import Architecture
from edgewright.models.base import Network
from edgewright.schema.errors import InputError

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
        raise InputError("a layer with units to leave out", "a network without hidden units", "--prune structured")
    limit = (1.0 - share) * macs(model)
    strengths = {i: _strengths(network, model.parameters_, i) for i in places}
    maximum = max(len(strength) for strength in strengths.values())
    # The widest layer loses one unit at a time: the first width that is small enough is the largest possible.
    for step in range(maximum, 0, -1):
        counts = {i: max(1, math.ceil(len(strength) * step / maximum)) for i, strength in strengths.items()}
        smaller = _cut(model, network, {i: _strongest(strengths[i], count) for i, count in counts.items()})
        if macs(smaller) <= limit:
            return smaller
    raise InputError(
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
