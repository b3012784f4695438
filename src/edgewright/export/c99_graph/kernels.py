"""Counts of patterns that a graph says with convolutions, recognised so that C can count in integers of 16 bits.

The form is that of `features/kernels.py`: values rounded to whole numbers, rows that are sums of two channels or of two
differences of channels, weights of 2 and -1 at nine places, and the number of sums above a bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.graph import Array, Attribute, Graph, Node

OP = "CountKernels"
_LENGTH, _TAPS = 9, 3
# What fits into the bytes of the tables.
_BYTE, _SHIFT = 255, 15

# An operator and its inputs; a name stands for the same value wherever it stands, 'c' and a word for a constant.
Pattern = str | tuple[Any, ...]
_AWAY = ("Sub", "x", "c level")
_PRESENT = ("Where", ("LessOrEqual", ("Abs", _AWAY), "c largest"), _AWAY, "c nothing")
_ROWS = ("Clip", ("Round", ("Mul", _PRESENT, "c factor")), "c low", "c high")
_LATER = ("Sub", ("Slice", _ROWS, "c one", "c end", "c axis"), ("Slice", _ROWS, "c zero", "c last", "c axis"))
_FIRST = ("Mul", ("Slice", _ROWS, "c zero", "c one", "c axis"), "c nothing")
_SIGNALS = ("Concat", _ROWS, ("Concat", _FIRST, _LATER))
_ROW = ("Add", ("Gather", _SIGNALS, "c first"), ("Gather", _SIGNALS, "c second"))
_SUMS = ("Conv", _ROW, "c weights", "c bias")
_COUNT = ("ReduceSum", ("Cast", ("Greater", _SUMS, "c nothing")), "c time")


def with_kernels(graph: Graph) -> Graph:
    """Return the graph with each set of counts as one node: values, levels, factors and tables of whole numbers."""
    producer = {node.outputs[0]: node for node in graph.nodes}
    constants, nodes = dict(graph.constants), []
    for node in graph.nodes:
        counted = _counts(node, producer, graph.constants) if node.op == "Mul" else None
        if counted is not None:
            source, attributes, tables = counted
            names = {f"{node.outputs[0]} {name}": table for name, table in tables.items()}
            constants |= names
            node = Node(op=OP, inputs=(source, *names), outputs=node.outputs, attributes=attributes)
        nodes.append(node)
    return msgspec.structs.replace(graph, nodes=tuple(nodes), constants=constants)


def _counts(
    node: Node, producer: Mapping[str, Node], constants: Mapping[str, Array]
) -> tuple[str, dict[str, Attribute], dict[str, Array]] | None:
    """Return the values, the limit and the tables of a product that ends counts of kernels; None for another one."""
    less = producer.get(node.inputs[0])
    end = producer.get(less.inputs[0]) if less is not None and less.op == "Sub" else None
    if less is None or end is None or end.op not in ("Concat", "ReduceSum"):
        return None
    if less.inputs[1] not in constants or node.inputs[1] not in constants:
        return None
    groups, shared = [], dict[str, str]()
    for name in end.inputs if end.op == "Concat" else less.inputs[:1]:
        group = {key: value for key, value in shared.items() if key in _SHARED}
        if not _match(_COUNT, name, producer, constants, group):
            return None
        shared = group
        kernels = _kernels({key: constants[value] for key, value in group.items() if key.startswith("c ")}, producer[
            producer[producer[producer[name].inputs[0]].inputs[0]].inputs[0]
        ])  # fmt: skip
        if kernels is None:
            return None
        groups.append(kernels)
    levels, factor, high = (constants[shared[name]] for name in ("c level", "c factor", "c high"))
    channels = levels.size
    tables = _tables(np.concatenate(groups), constants[less.inputs[1]], constants[node.inputs[1]], channels)
    plain = -constants[shared["c low"]] == high
    if tables is None or not plain or constants[shared["c nothing"]] != 0 or factor.size != channels:
        return None
    return shared["x"], {"limit": int(high)}, {"levels": levels.ravel(), "factors": factor.ravel(), **tables}


_SHARED = {"x", "c largest", "c level", "c factor", "c low", "c high", "c nothing"}


def _match(
    pattern: Pattern, name: str, producer: Mapping[str, Node], constants: Mapping[str, Array], names: dict[str, str]
) -> bool:
    """Return whether a value is what a pattern says; `names` gets the values of its words."""
    if isinstance(pattern, str):
        return names.setdefault(pattern, name) == name and (name in constants) == pattern.startswith("c ")
    node = producer.get(name)
    if node is None or node.op != pattern[0] or len(node.inputs) != len(pattern) - 1:
        return False
    pairs = zip(pattern[1:], node.inputs, strict=True)
    return all(_match(part, given, producer, constants, names) for part, given in pairs)


def _kernels(group: Mapping[str, Array], conv: Node) -> NDArray[np.int64] | None:
    """(kernels, 7): dilation as a power of two, two rows, three places, bias; None for other weights or padding."""
    weights, bias = group["c weights"], group["c bias"]
    dilation = int(conv.attributes["dilations"][0])  # type: ignore[index]
    pads = tuple(conv.attributes.get("pads", ()))  # type: ignore[arg-type]
    places = np.nonzero(weights.reshape(len(weights), -1) == 2.0)[1]
    plain = weights.shape[1:] == (1, _LENGTH) and (np.sort(np.unique(weights)) == [-1.0, 2.0]).all()
    half = _LENGTH // 2 * dilation
    if not plain or places.size != _TAPS * len(weights) or pads != (half, half) or dilation & (dilation - 1):
        return None
    columns = [np.full(len(weights), dilation.bit_length() - 1), group["c first"], group["c second"]]
    return np.column_stack([*columns, places.reshape(-1, _TAPS), -bias.astype(np.int64)]).astype(np.int64)


def _tables(kernels: NDArray[np.int64], centre: Array, scale: Array, channels: int) -> dict[str, Array] | None:
    """Return rows (dilation, two channels, kernels; a byte each), and taps, biases and centres of the kernels."""
    shifts = -np.log2(scale)
    step = 1
    while (centre > _BYTE * step).any():
        step *= 2
    whole = (shifts == np.round(shifts)).all() and shifts.min() >= 0 and shifts.max() <= _SHIFT
    if not whole or (centre % step != 0).any() or 2 * channels > _BYTE:
        return None
    rows: list[list[int]] = []
    for row in kernels[:, :3].tolist():
        if rows and rows[-1][:3] == row and rows[-1][3] < _BYTE:
            rows[-1][3] += 1
        else:
            rows.append([*row, 1])
    taps = kernels[:, 3] | kernels[:, 4] << 4 | kernels[:, 5] << 8 | shifts.astype(np.int64) << 12
    return {
        "rows": np.asarray(rows, np.uint8),
        "taps": taps.astype(np.uint16),
        "biases": kernels[:, 6].astype(np.int16),
        "centres": (centre / step).astype(np.uint8),
        "step": np.asarray(step, np.int64),
    }
