"""Operators of an imported network in JAX. Values of three axes and more have their channels last in here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.core.operators._attributes import Geometry, geometry
from edgewright.schema.graph import Node
from edgewright.training.backend import jax, jnp, lax

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
