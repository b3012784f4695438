"""The layers of a model file that was trained before, without its classifier (docs/adr/0079)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.kernels import kinds
from edgewright.graph.backbone import START, TRAINED, Backbone, Step, read_backbone
from edgewright.graph.builder import Builder
from edgewright.graph.cost import cost
from edgewright.graph.layer import Layer, LayerConfig, Parameters, Shape
from edgewright.models.nn._operators import OPERATORS, channels_first, channels_last
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Node

_WHERE = "model.backbone"
_WHITE = 255.0
# What comes out of these when all that goes in is multiplied by a number above 0 is multiplied too.
_LINEAR = frozenset({"Pad", "MaxPool", "AveragePool", "Reshape", "Flatten"})


class BackboneConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `backbone`, `depth`, `freeze` and `pixels` of `[model]` become: the first layer of the network.

    Attributes:
        file: a .tflite file, int8 or float, or an .onnx file.
        depth: share of the file's layers with weights that are kept, from the first on.
        freeze: share of the kept layers, from the first on, that training leaves as they are.
        pixels: numbers that black and white were when the file was trained; an int8 file tells it.
        sha256: SHA-256 of the file; another file of its name is refused.
        shape, out, macs, nodes: of what was read, kept with a fitted network so that it needs no file.
    """

    file: str
    depth: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 1.0
    freeze: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 1.0
    pixels: tuple[float, float] | None = None
    sha256: str = ""
    shape: tuple[int, ...] = ()
    out: tuple[int, ...] = ()
    macs: int = 0
    nodes: tuple[dict[str, Any], ...] = ()

    def __hash__(self) -> int:
        return hash(msgspec.json.encode(self))


def _file(config: BackboneConfig) -> Backbone:
    """Read the file.

    Raises:
        InputError: as `read_backbone`, or when it is another file than the one the network began with.
    """
    backbone = read_backbone(Path(config.file), config.depth)
    if config.sha256 not in ("", backbone.sha256):
        raise InputError(
            f"the file of SHA-256 {config.sha256[:12]}", backbone.sha256[:12], f"{_WHERE} {config.file}",
            "Bring the file back that the configuration was written for",
        )  # fmt: skip
    return backbone


def settled(config: BackboneConfig) -> BackboneConfig:
    """Return the configuration with what the file says of its layers."""
    backbone = _file(config)
    return msgspec.structs.replace(
        config,
        file=Path(config.file).name,
        sha256=backbone.sha256,
        shape=backbone.shape,
        out=backbone.out,
        macs=_macs(config, backbone.shape),
        nodes=tuple(
            {
                "op": step.node.op,
                "inputs": list(step.node.inputs),
                "output": step.node.outputs[0],
                "attributes": {k: list(v) if isinstance(v, tuple) else v for k, v in step.node.attributes.items()},
                "integers": {str(index): list(numbers) for index, numbers in step.integers.items()},
            }
            for step in backbone.steps
        ),
    )


@lru_cache(maxsize=16)
def _steps(config: BackboneConfig) -> tuple[Step, ...]:
    if not config.nodes:
        return _file(config).steps
    return tuple(
        Step(
            Node(
                op=str(table["op"]),
                inputs=tuple(table["inputs"]),
                outputs=(table["output"],),
                attributes={k: tuple(v) if isinstance(v, list | tuple) else v for k, v in table["attributes"].items()},
            ),
            {int(index): tuple(numbers) for index, numbers in table["integers"].items()},
        )
        for table in config.nodes
    )


def out_shape(config: BackboneConfig, shape: Shape) -> Shape:
    """Return the shape of the features.

    Raises:
        InputError: samples of another shape than the file takes, with what to write.
    """
    takes, gives = (config.shape, config.out) if config.nodes else (_file(config).shape, _file(config).out)
    if tuple(shape) != tuple(takes):
        raise InputError(f"samples of shape {tuple(takes)}", f"shape {tuple(shape)}", f"{_WHERE} backbone",
                         _remedy(takes, shape))  # fmt: skip
    return tuple(gives)


def _remedy(takes: Shape, shape: Shape) -> str:
    if len(takes) != 3 or len(shape) != 3:
        return "Load samples of the shape that the file takes"
    if takes[0] != shape[0]:
        return f"Set colour = {'true' if takes[0] == 3 else 'false'} in [data], height = {takes[1]}, width = {takes[2]}"
    return f"Set height = {takes[1]} and width = {takes[2]} in [data], or add the stage 'resize' with them"


def initialise(config: BackboneConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """Weights of the file, those of its first layers changed to take pixels from 0 to 255.

    Raises:
        InputError: a float file over pictures without `pixels`, or an operator before its first layer that does not
            allow the change.
    """
    backbone = _file(config)
    own = {name: array.copy() for name, array in backbone.constants.items()}
    if len(backbone.shape) != 3:
        return own
    limits = config.pixels or backbone.range
    if limits is None:
        raise InputError("numbers for black and white", "a float file, which does not tell them", f"{_WHERE} pixels",
                         "Set pixels = [0, 1], [-1, 1] or [0, 255], as the file was trained")  # fmt: skip
    low, factor = np.float32(limits[0]), np.float32((limits[1] - limits[0]) / _WHITE)
    if factor <= 0:
        raise InputError("a number for white above that for black", str(list(limits)), f"{_WHERE} pixels")
    reached = {START}
    for step in backbone.steps:
        node = step.node
        if node.inputs[0] not in reached or (low == 0.0 and factor == 1.0):
            continue
        if node.op in TRAINED:
            weights, bias = node.inputs[1:3]
            axes = tuple(range(1, own[weights].ndim)) if node.op == "Conv" else 0
            own[bias] = own[bias] + low * own[weights].sum(axes)
            own[weights] = own[weights] * factor
        elif node.op in _LINEAR:
            reached.add(node.outputs[0])
        else:
            raise InputError("a layer with weights that takes the pixels", node.op, f"{_WHERE} {config.file}")
    return own


def apply(config: BackboneConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, ...) -> (batch, features), or (batch, channels, ...) where the file pools nowhere."""
    values = {START: channels_last(x)}
    for step in _steps(config):
        given = [values[name] if name in values else parameters.get(name) for name in step.node.inputs]
        values[step.node.outputs[0]] = x = OPERATORS[step.node.op](step.node, step.integers, *given)
    return channels_first(x)


def frozen(config: BackboneConfig, parameters: Parameters) -> frozenset[str]:
    """Return names of parameters that training leaves as they are: of the first layers, and limits of activations."""
    layers = sum(step.node.op in TRAINED for step in _steps(config))
    first = {f"layer{number + 1}" for number in range(round(config.freeze * layers))}
    return frozenset(name for name in parameters if name.startswith("constant") or name.partition(".")[0] in first)


def to_graph(config: BackboneConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """Append the operators of the file."""
    values = {START: value, "": ""}
    for step in _steps(config):
        given = [values[name] if name in values else builder.constant(parameters[name]) for name in step.node.inputs]
        for index, numbers in step.integers.items():
            given[index] = builder.integers(*numbers)
        value = values[step.node.outputs[0]] = builder.op(step.node.op, *given, **step.node.attributes)
    return value


def _integer(config: BackboneConfig) -> bool:
    known = {*kinds(), "Reshape", "Flatten", "Clip"}
    return all(step.node.op in known for step in _steps(config))


def _macs(config: BackboneConfig, shape: Shape) -> int:
    if config.nodes:
        return config.macs
    builder, backbone = Builder("backbone", shape), _file(config)
    value = to_graph(config, backbone.constants, builder, builder.input, shape)
    return cost(builder.finish({"features": (value, "float32", backbone.out)})).total.macs


LAYER = Layer(
    config=BackboneConfig,
    out_shape=out_shape,
    initialise=initialise,
    apply=apply,
    macs=_macs,
    to_graph=to_graph,
    integer=_integer,
    formula=lambda config: (
        f"{config.depth:.0%} of the layers of {Path(config.file).name}, {config.freeze:.0%} of these not trained"
    ),
    settled=settled,
    frozen=frozen,
)
