"""The layers of a model file that was trained before, without its classifier (docs/research/pictures.md)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.errors import BackboneError, BackboneMissingError
from edgewright.core.kernels import kinds
from edgewright.core.operators._attributes import Geometry, geometry
from edgewright.core.records.network import Node
from edgewright.graph.backbone import START, TRAINED, Backbone, Step, read_backbone
from edgewright.graph.builder import Builder
from edgewright.graph.cost import cost
from edgewright.graph.stage import Layer, LayerConfig, Parameters, Shape
from edgewright.training.backend import jax, jnp, lax

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
        raise BackboneMissingError(
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
        raise BackboneError(f"samples of shape {tuple(takes)}", f"shape {tuple(shape)}", f"{_WHERE} backbone",
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
        raise BackboneError("numbers for black and white", "a float file, which does not tell them", f"{_WHERE} pixels",
                         "Set pixels = [0, 1], [-1, 1] or [0, 255], as the file was trained")  # fmt: skip
    low, factor = np.float32(limits[0]), np.float32((limits[1] - limits[0]) / _WHITE)
    if factor <= 0:
        raise BackboneError("a number for white above that for black", str(list(limits)), f"{_WHERE} pixels")
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
            raise BackboneError("a layer with weights that takes the pixels", node.op, f"{_WHERE} {config.file}")
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


# (node, integers by the place of their input, inputs in their order; None for one that is none) -> output
Operator = Callable[..., Any]


def channels_last(x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, ...) -> (batch, ..., channels); rows stay as they are."""
    return jnp.moveaxis(x, 1, -1)


def channels_first(x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, ..., channels) -> (batch, channels, ...); rows stay as they are."""
    return jnp.moveaxis(x, -1, 1)


def _conv(node: Node, integers: Any, x: Any, w: Any, b: Any) -> Any:  # noqa: ANN401 - JAX arrays
    """Weights (filters, channels of a group, *kernel)."""
    plan, groups = geometry(node, w.shape[2:]), int(_attribute(node, "group", 1))
    pads = plan.padding(x.shape[1:-1])
    rank = len(pads)
    if groups == x.shape[-1] == len(w):
        y = _depthwise(plan, pads, x, w)
    elif math.prod((*plan.kernel, *plan.strides, groups)) == 1 and not any(map(any, pads)):
        y = x @ w.reshape(w.shape[:2]).T
    else:
        axes = "HW"[:rank]
        y = lax.conv_general_dilated(
            x, w, plan.strides, pads, rhs_dilation=plan.dilations, feature_group_count=groups,
            dimension_numbers=(f"N{axes}C", f"OI{axes}", f"N{axes}C"),
        )  # fmt: skip
    return y + b


def _depthwise(plan: Geometry, pads: list[tuple[int, int]], x: Any, w: Any) -> Any:  # noqa: ANN401 - JAX arrays
    """Sum of shifted products: with gradients a third of the time of XLA's grouped convolution."""
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    lengths = padded.shape[1:-1]
    places = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(lengths, plan.kernel, plan.strides, plan.dilations, strict=True)
    ]
    total: Any = 0.0
    for tap in itertools.product(*(range(k) for k in plan.kernel)):
        starts = [t * d for t, d in zip(tap, plan.dilations, strict=True)]
        ends = [start + (n - 1) * s + 1 for start, n, s in zip(starts, places, plan.strides, strict=True)]
        seen = lax.slice(padded, (0, *starts, 0), (len(x), *ends, x.shape[-1]), (1, *plan.strides, 1))
        total = total + seen * w[(slice(None), 0, *tap)]
    return total


def _pool(node: Node, x: Any, start: float, combine: Any) -> Any:  # noqa: ANN401 - JAX arrays
    plan = geometry(node, tuple(_attribute(node, "kernel_shape", ())))
    lengths = x.shape[1:-1]
    pads = [(a, b + more) for (a, b), more in zip(plan.padding(lengths), plan.overhang(lengths), strict=True)]
    window, strides, dilation = (1, *plan.kernel, 1), (1, *plan.strides, 1), (1, *plan.dilations, 1)
    return lax.reduce_window(x, start, combine, window, strides, ((0, 0), *pads, (0, 0)), window_dilation=dilation)


def _average(node: Node, integers: Any, x: Any) -> Any:  # noqa: ANN401 - JAX arrays
    mask = jnp.ones((1, *x.shape[1:-1], 1), x.dtype)
    if _attribute(node, "count_include_pad", 0):
        plan = geometry(node, tuple(_attribute(node, "kernel_shape", ())))
        around = plan.padding(x.shape[1:-1])
        x, mask = (jnp.pad(a, ((0, 0), *around, (0, 0)), constant_values=fill) for a, fill in ((x, 0), (mask, 1)))
        node = Node(op=node.op, inputs=node.inputs, outputs=node.outputs,
                    attributes={k: v for k, v in node.attributes.items() if k not in ("pads", "auto_pad")})  # fmt: skip
    return _pool(node, x, 0.0, lax.add) / _pool(node, mask, 0.0, lax.add)


def _over_all(reduce: Callable[..., Any]) -> Operator:
    return lambda node, integers, x: reduce(x, axis=tuple(range(1, x.ndim - 1)), keepdims=True)


def _pad(node: Node, integers: Any, x: Any, *rest: Any) -> Any:  # noqa: ANN401 - JAX arrays
    widths, axes = integers[1], integers.get(3)
    half = len(widths) // 2
    around = [(0, 0)] * x.ndim
    for index, axis in enumerate(range(half) if axes is None else axes):
        around[axis % x.ndim] = (widths[index], widths[half + index])
    mode = str(_attribute(node, "mode", "constant"))
    fill = rest[1] if len(rest) > 1 and rest[1] is not None else 0.0
    first = channels_first(x)
    return channels_last(jnp.pad(first, around, constant_values=fill) if mode == "constant"
                         else jnp.pad(first, around, mode=mode))  # fmt: skip


def _reshape(node: Node, integers: Any, x: Any, _: Any) -> Any:  # noqa: ANN401 - JAX arrays
    first = channels_first(x)
    shape = tuple(first.shape[i] if n == 0 else n for i, n in enumerate(integers[1]))
    return channels_last(first.reshape((x.shape[0], *shape[1:])))


def _clip(node: Node, integers: Any, x: Any, low: Any = None, high: Any = None) -> Any:  # noqa: ANN401 - JAX arrays
    return jnp.clip(x, low, high)


def _attribute(node: Node, name: str, default: Any) -> Any:  # noqa: ANN401 - attributes of any type
    return node.attributes.get(name, default)


OPERATORS: dict[str, Operator] = {
    "Conv": _conv,
    "Gemm": lambda node, integers, x, w, b: x @ w + b,
    "Relu": lambda node, integers, x: jnp.maximum(x, 0.0),
    "Clip": _clip,
    "Sigmoid": lambda node, integers, x: jax.nn.sigmoid(x),
    "Add": lambda node, integers, x, y: x + y,
    "MaxPool": lambda node, integers, x: _pool(node, x, -np.inf, lax.max),
    "AveragePool": _average,
    "GlobalAveragePool": _over_all(jnp.mean),
    "GlobalMaxPool": _over_all(jnp.max),
    "Pad": _pad,
    "Reshape": _reshape,
    "Flatten": lambda node, integers, x: channels_first(x).reshape(x.shape[0], -1),
}
