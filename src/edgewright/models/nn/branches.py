"""Parts of a sample through layers of their own, and what they say together."""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.errors import InputError, LayerSettingsError
from edgewright.graph.builder import Builder
from edgewright.graph.stage import Activation, Layer, LayerConfig, Parameters, Shape
from edgewright.models.nn import read_layer
from edgewright.models.nn._activation import activate, emit_activation, initial_weights

_WHERE = "model.layers branches"


class Branch(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the sample.

    Attributes:
        inputs: columns of a row that it takes, or channels of a window, after those of the branches before it.
        channels: cuts the columns of a row into so many channels of a window; 0 leaves them a row.
        last: takes the last sample of its channels alone, for values that stand beside a window.
        layers: of this part, in order, each a table with its `kind`.
    """

    inputs: Annotated[int, msgspec.Meta(gt=0)]
    channels: Annotated[int, msgspec.Meta(ge=0)] = 0
    last: bool = False
    layers: tuple[dict[str, Any], ...] = ()

    def __hash__(self) -> int:
        return hash(msgspec.json.encode(self))


class BranchesConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several inputs of one network: each part goes through its own layers, then their weighted sums are added.

    A window and values beside it, such as the shape of a heartbeat and its distance from the one before. It stands
    first in a network.

    Attributes:
        parts: in the order of the columns or channels; together they take all of them.
        units: number of outputs, each a weighted sum of what all parts give.
        activation: 'relu', 'sigmoid' or 'linear'.
    """

    parts: tuple[Branch, ...]
    units: Annotated[int, msgspec.Meta(gt=0)]
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        """Read the layers of every part, before any sample is there."""
        for number, branch in enumerate(self.parts):
            _read(number, branch)


def _read(number: int, branch: Branch) -> list[tuple[Layer[Any], LayerConfig]]:
    """Return the layers of a part, each found by its kind.

    Raises:
        InputError: for an unknown kind or key, a wrong value, or branches within branches.
    """
    parts = []
    for index, table in enumerate(branch.layers, start=1):
        if table.get("kind") == "branches":
            raise LayerSettingsError(
                "layers other than branches", "branches", f"{_WHERE}, part {number + 1}, layer {index}"
            )
        if table.get("normalise"):
            raise LayerSettingsError(
                "layers without normalise", "normalise = true", f"{_WHERE}, part {number + 1}, layer {index}"
            )
        _, config, layer = read_layer(table, index, f"{_WHERE}, part {number + 1}, layer")
        if layer.normalises(config):
            config = msgspec.structs.replace(config, normalise=False)
        parts.append((layer, config))
    return parts


class _Part:
    """A branch with its layers, their shapes, and the place in the sample at which it begins."""

    def __init__(self, number: int, branch: Branch, start: int, shape: Shape) -> None:
        self.number, self.branch, self.start, self.whole = number, branch, start, shape
        self.shapes: list[Shape] = [self._branch_input()]
        self.layers: list[tuple[Layer[Any], LayerConfig]] = []
        for index, (layer, config) in enumerate(_read(number, branch), start=1):
            self.layers.append((layer, config))
            try:
                self.shapes.append(layer.out_shape(config, self.shapes[-1]))
            except InputError as error:
                row = len(self.shapes[-1]) == 1 and "windows" in error.expected
                do = "Set the number of channels of its columns, such as channels = 1" if row else error.do
                raise InputError(
                    error.expected, error.got, f"{_WHERE}, part {number + 1}, layer {index}", do, code=error.code
                ) from None

    def _branch_input(self) -> Shape:
        """Shape of what the branch takes of a sample."""
        branch, where = self.branch, f"{_WHERE}, part {self.number + 1}"
        if len(self.whole) == 1:
            if branch.last:
                raise LayerSettingsError("'last' with windows", "rows", where, "Remove last")
            if branch.channels and branch.inputs % branch.channels:
                text = f"{branch.inputs} inputs in {branch.channels} channels"
                raise LayerSettingsError("as many samples in each channel", text, where)
            return (branch.channels, branch.inputs // branch.channels) if branch.channels else (branch.inputs,)
        if branch.channels:
            raise LayerSettingsError("'channels' with rows", "windows, which have channels", where, "Remove channels")
        return (branch.inputs,) if branch.last else (branch.inputs, *self.whole[1:])

    @property
    def features(self) -> int:
        """Numbers that it gives to the sum."""
        return math.prod(self.shapes[-1])

    def names(self, index: int) -> str:
        """Beginning of the names of a layer's parameters."""
        return f"part{self.number + 1}.layer{index + 1}."

    @property
    def sum_weights(self) -> str:
        """Name of the weights of its sum."""
        return f"part{self.number + 1}.weights"

    def own(self, parameters: Parameters, index: int) -> Parameters:
        """Return parameters of one of its layers."""
        before = self.names(index)
        return {name.removeprefix(before): a for name, a in parameters.items() if name.startswith(before)}


def _parts(config: BranchesConfig, shape: Shape) -> list[_Part]:
    starts = np.cumsum([0, *(branch.inputs for branch in config.parts)]).tolist()
    if starts[-1] != shape[0] or not config.parts:
        kind = "columns" if len(shape) == 1 else "channels"
        inputs = " + ".join(str(branch.inputs) for branch in config.parts)
        got = f"{inputs} = {starts[-1]}" if len(config.parts) > 1 else str(starts[-1])
        raise LayerSettingsError(f"parts whose inputs add up to {shape[0]} {kind}", got, _WHERE)
    return [_Part(n, branch, start, shape) for n, (branch, start) in enumerate(zip(config.parts, starts, strict=False))]


def out_shape(config: BranchesConfig, shape: Shape) -> Shape:
    """(columns,) or (channels, samples) -> (units,).

    Raises:
        InputError: for parts that do not take the whole sample, or an impossible shape in one of them.
    """
    _parts(config, shape)
    return (config.units,)


def initialise(config: BranchesConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """Return parameters of all layers by part and layer; `partN.weights` of shape (features, units) and `bias`."""
    parameters: Parameters = {}
    parts = _parts(config, shape)
    total = sum(part.features for part in parts)
    for part in parts:
        for index, (layer, own) in enumerate(part.layers):
            own_parameters = layer.initialise(own, part.shapes[index], rng)
            parameters |= {f"{part.names(index)}{name}": array for name, array in own_parameters.items()}
        parameters[part.sum_weights] = initial_weights((part.features, config.units), total, config.activation, rng)
    return {**parameters, "bias": np.zeros(config.units, np.float32)}


def apply(config: BranchesConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, *sample) -> (batch, units)."""
    total = parameters["bias"]
    for part in _parts(config, tuple(x.shape[1:])):
        y = x[:, part.start : part.start + part.branch.inputs]
        y = y[:, :, -1] if part.branch.last else y.reshape(y.shape[0], *part.shapes[0])
        for index, (layer, own) in enumerate(part.layers):
            y = layer.apply(own, part.own(parameters, index), y)
        total = total + y.reshape(y.shape[0], -1) @ parameters[part.sum_weights]
    return activate(config.activation, total)


def macs(config: BranchesConfig, shape: Shape) -> int:
    """Those of all layers, and features times units."""
    return sum(
        part.features * config.units
        + sum(layer.macs(own, part.shapes[index]) for index, (layer, own) in enumerate(part.layers))
        for part in _parts(config, shape)
    )


def to_graph(config: BranchesConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """Slice, the layers and a Gemm for each part; Add; the activation."""
    total = ""
    for part in _parts(config, shape):
        end = part.start + part.branch.inputs
        y = builder.op("Slice", value, *(builder.integers(n) for n in (part.start, end, 1, 1)))
        if part.branch.last:
            y = builder.op("Slice", y, *(builder.integers(n) for n in (shape[1] - 1, shape[1], 2, 1)))
            y = builder.op("Flatten", y, axis=1)
        if part.branch.channels:
            y = builder.op("Reshape", y, builder.integers(-1, *part.shapes[0]))
        for index, (layer, own) in enumerate(part.layers):
            y = layer.to_graph(own, part.own(parameters, index), builder, y, part.shapes[index])
        if len(part.shapes[-1]) > 1:
            y = builder.op("Flatten", y, axis=1)
        given = [builder.constant(parameters[part.sum_weights])]
        given += [] if total else [builder.constant(parameters["bias"])]
        y = builder.op("Gemm", y, *given)
        total = builder.op("Add", total, y) if total else y
    return emit_activation(builder, total, config.activation)


LAYER = Layer(
    config=BranchesConfig,
    out_shape=out_shape,
    initialise=initialise,
    apply=apply,
    macs=macs,
    to_graph=to_graph,
    integer=lambda config: all(
        layer.integer(own) for n, branch in enumerate(config.parts) for layer, own in _read(n, branch)
    ),
    formula=lambda config: f"{len(config.parts)} parts, each through its own layers; sum of x W of all, + b",
)
