"""Passes over quantised models: dynamic quantisation, operators on bytes, zero scales, unsigned bytes, rounding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from edgewright.core.errors import GraphError
from edgewright.core.records.network import Array
from edgewright.graph.draft import Chain, Draft, DraftNode, rewrite
from edgewright.graph.normalise.operators import call, everything

_LAYERS = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}


def read_dynamic_quantisation(draft: Draft) -> None:
    """Rewrite DynamicQuantizeLinear and the layers on its values.

    Raises:
        InputError: for weights that are computed, or values that come from elsewhere.
    """
    rounded: set[str] = set()
    for node in draft.nodes:
        if node.kind == "DynamicQuantizeLinear":
            for name, number in zip(node.outputs[1:], (np.float32(1), np.uint8(0)), strict=False):
                draft.constants[name] = np.asarray(number)
            rounded.add(node.outputs[0])
            node.op, node.outputs = "Identity", node.outputs[:1]
        elif node.kind in _LAYERS:
            if node.inputs[0] not in rounded:
                raise GraphError("values of DynamicQuantizeLinear", repr(node.inputs[0]), node.where)
            weights = draft.constant(_integer_weights(draft, node))
            node.origin, node.op, node.inputs = node.op, _LAYERS[node.op], [node.inputs[0], weights]


def _integer_weights(draft: Draft, node: DraftNode) -> Array:
    integers = draft.array(node.inputs[1])
    zero = draft.array(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] else np.zeros(())
    if integers is None or zero is None:
        raise GraphError("constant weights", "computed ones", node.where)
    if node.op == "ConvInteger" and zero.ndim == 1:
        zero = zero.reshape(-1, *(1,) * (integers.ndim - 1))
    return integers.astype(np.float32) - zero.astype(np.float32)


_OURS = "com.microsoft."


def rewrite_integer_operators(draft: Draft) -> None:
    """Rewrite them."""
    rules: dict[str, Callable[[Chain, DraftNode], str]] = {
        "QLinearConv": _convolution,
        "QLinearMatMul": lambda chain, node: _round(
            chain, node, chain.op("MatMul", _read(chain, node, 0), _read(chain, node, 3, 1)), 6
        ),
        _OURS + "QGemm": _gemm,
        _OURS + "QLinearConcat": _concat,
    }
    rules |= {f"{_OURS}QLinear{op}": partial(_two, op) for op in ("Add", "Mul")}
    for op in ("AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu", "Softmax"):
        rules[f"{_OURS}QLinear{op}"] = partial(_on_floats, op)
    rewrite(draft, rules)


def _given(node: DraftNode, index: int) -> str:
    name = node.inputs[index] if index < len(node.inputs) else ""
    if not name:
        raise GraphError("all inputs of an operator on bytes", f"input {index} left out", node.where)
    return name


def _read(chain: Chain, node: DraftNode, index: int, axis: int = 0) -> str:
    """Return the real numbers of the bytes at `index`, whose scale and zero point follow them."""
    scale = chain.draft.array(_given(node, index + 1))
    along: dict[str, Any] = {"axis": axis} if scale is not None and scale.size > 1 else {}
    return chain.op("DequantizeLinear", *(_given(node, index + i) for i in range(3)), **along)


def _integer_bias(chain: Chain, node: DraftNode, index: int, scales: tuple[int, int]) -> list[str]:
    """Return the real numbers of an int32 bias, whose scale is the product of the two at `scales`."""
    if index >= len(node.inputs) or not node.inputs[index]:
        return []
    biases = [chain.draft.array(_given(node, at)) for at in scales]
    if biases[0] is None or biases[1] is None:
        raise GraphError("scales that are constants", "computed ones", node.where)
    product = np.asarray(biases[0].reshape(()) * biases[1].reshape(-1), np.float32)
    along: dict[str, Any] = {"axis": 0} if product.size > 1 else {}
    scale = product if product.size > 1 else product.reshape(())
    return [chain.op("DequantizeLinear", node.inputs[index], scale, **along)]


def _round(chain: Chain, node: DraftNode, value: str, index: int) -> str:
    """Return the bytes of a value; their scale and zero point stand at `index`."""
    return chain.op("QuantizeLinear", value, _given(node, index), _given(node, index + 1))


def _convolution(chain: Chain, node: DraftNode) -> str:
    inputs = [_read(chain, node, 0), _read(chain, node, 3), *_integer_bias(chain, node, 8, (1, 4))]
    return _round(chain, node, chain.op("Conv", *inputs, **node.attributes), 6)


def _gemm(chain: Chain, node: DraftNode) -> str:
    turned = int(node.attributes.get("transB", 0))
    inputs = [_read(chain, node, 0), _read(chain, node, 3, 0 if turned else 1), *_integer_bias(chain, node, 6, (1, 4))]
    if float(node.attributes.get("alpha", 1.0)) != 1.0:
        raise GraphError("a QGemm without factors", f"alpha {node.attributes['alpha']}", node.where)
    value = chain.op("Gemm", *inputs, **node.attributes)
    return value if len(node.inputs) <= 7 else _round(chain, node, value, 7)


def _two(op: str, chain: Chain, node: DraftNode) -> str:
    return _round(chain, node, chain.op(op, _read(chain, node, 0), _read(chain, node, 3)), 6)


def _on_floats(op: str, chain: Chain, node: DraftNode) -> str:
    if node.attributes.get("channels_last", 0):
        raise GraphError("channels before positions", "channels last", node.where, "Export the unoptimised model")
    kept = {name: value for name, value in node.attributes.items() if name not in ("channels_last", "opset")}
    return _round(chain, node, chain.op(op, _read(chain, node, 0), **kept), 3)


def _concat(chain: Chain, node: DraftNode) -> str:
    parts = [_read(chain, node, index) for index in range(2, len(node.inputs), 3)]
    return _round(chain, node, chain.op("Concat", *parts, **node.attributes), 0)


def replace_zero_scales(draft: Draft) -> None:
    """Give such channels another scale; biases on a scale of 0 become real numbers, which `rounded` rounds again."""
    nodes: list[DraftNode] = []
    for node in draft.nodes:
        arrays = [draft.array(name) for name in node.inputs]
        integers, scale = [*arrays, None, None][:2]
        if node.kind != "DequantizeLinear" or integers is None or scale is None or not (scale == 0).any():
            nodes.append(node)
        elif integers.ndim == 1:
            draft.constants[node.outputs[0]] = np.asarray(call(node, arrays))
        else:
            zero = arrays[2] if len(arrays) > 2 else None
            cleared, filled = _filled(integers, scale, zero, int(node.attributes.get("axis", 1)))
            node.inputs = [draft.constant(cleared), draft.constant(filled), *node.inputs[2:]]
            nodes.append(node)
    draft.nodes = nodes


def _filled(integers: Array, scale: Array, zero: Array | None, axis: int) -> tuple[Array, Array]:
    """Return integers at their zero point where the scale is 0, and scales above 0."""
    along = [1] * integers.ndim
    along[axis] = scale.size

    def spread(array: Array) -> Array:
        return array.reshape(along) if array.size > 1 else array.reshape(())

    zeros = spread(np.zeros((), integers.dtype) if zero is None else zero)
    cleared = np.where(spread(scale == 0), zeros, integers).astype(integers.dtype)
    positive = scale[scale > 0]
    return cleared, np.where(scale == 0, positive.min() if positive.size else 1, scale).astype(scale.dtype)


_SHIFT = 128
# What takes bytes as they are; only the first input is data.
_MOVES = frozenset(
    {"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Identity"}
)


def convert_unsigned_bytes(draft: Draft) -> None:
    """Shift them all; a model with unsigned bytes that something else reads stays as it is."""
    names = _unsigned(draft)
    if not names or names.intersection(draft.outputs):
        return
    for node in draft.nodes:
        reads = names.intersection(node.inputs)
        first = bool(reads) and node.inputs[0] in reads and len([n for n in node.inputs if n in reads]) == 1
        if reads and not (first and (node.kind in _MOVES or node.kind == "DequantizeLinear")):
            return
    for node in draft.nodes:
        if node.kind == "QuantizeLinear" and node.outputs[0] in names:
            node.attributes.pop("output_dtype", None)
            _shift_zero(draft, node)
        elif node.kind == "DequantizeLinear" and node.inputs[0] in names:
            _shift_zero(draft, node)
        elif node.kind == "DequantizeLinear":
            array = draft.array(node.inputs[0])
            if array is not None and array.dtype == np.uint8:
                node.inputs[0] = draft.constant(_shifted(array))
                _shift_zero(draft, node)


def _unsigned(draft: Draft) -> set[str]:
    """Return values that are unsigned bytes."""
    names: set[str] = set()
    for node in draft.nodes:
        moved = node.kind in _MOVES and bool(node.inputs) and node.inputs[0] in names
        if moved or (node.kind == "QuantizeLinear" and _rounds_to_unsigned(draft, node)):
            names.add(node.outputs[0])
    return names


def _rounds_to_unsigned(draft: Draft, node: DraftNode) -> bool:
    if len(node.inputs) < 3 or not node.inputs[2]:
        # Without a zero point the standard takes unsigned bytes, whose number is 2.
        return int(node.attributes.get("output_dtype", 0)) in (0, 2)
    zero = draft.array(node.inputs[2])
    return zero is not None and zero.dtype == np.uint8


def _shift_zero(draft: Draft, node: DraftNode) -> None:
    zero = draft.array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    scale = draft.array(node.inputs[1])
    none = np.zeros(() if scale is None else scale.shape, np.uint8)
    node.inputs = [*node.inputs[:2], draft.constant(_shifted(none if zero is None else zero))]


def _shifted(array: Array) -> Array:
    return (array.astype(np.int16) - _SHIFT).astype(np.int8)


_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
_WEIGHTED = ("Conv", "Gemm", "MatMul", "LSTM", "GRU")
# As of compression/weights.py: beyond it the sum of products has no room in 32 bits.
_BIAS_LIMIT = 2.0**30
# The grid that softmax has as integers (docs/adr/0010), signed.
_OF_SOFTMAX = ((np.float32(1 / 256).tobytes(), np.int8(-128).tobytes()),)
Readers = dict[str, list[DraftNode]]


def standardise_rounding(draft: Draft) -> None:
    """Rewrite the operators between QuantizeLinear and DequantizeLinear."""
    if not any(node.kind == "QuantizeLinear" for node in draft.nodes):
        return
    _fold_parameters(draft)
    _merge_roundings(draft)
    _round_first(draft)
    ranks = {name: array.ndim for name, array in everything(draft)[0].items()}
    producers, nodes = draft.producers(), list[DraftNode]()
    for node in draft.nodes:
        stored = _weights(draft, node, producers) is not None
        if node.kind == "MatMul" and stored and ranks[node.inputs[0]] == 2:
            node.op = "Gemm"
        if node.kind in ("Conv", "Gemm"):
            nodes += _bias(draft, node, producers)
        nodes.append(node)
    draft.nodes = nodes


def _weights(draft: Draft, node: DraftNode, producers: dict[str, DraftNode]) -> Array | None:
    """Return the bytes of weights of two axes or more that are stored as bytes."""
    before = producers.get(node.inputs[1]) if len(node.inputs) > 1 else None
    array = draft.array(before.inputs[0]) if before is not None and before.kind == "DequantizeLinear" else None
    return array if array is not None and array.ndim > 1 else None


def _fold_parameters(draft: Draft) -> None:
    """Constants stored as bytes that are no weights become real numbers, as a norm or a factor takes them."""
    readers = draft.readers()
    for node in draft.nodes:
        name = node.outputs[0]
        if node.kind != "DequantizeLinear" or not all(n in draft.constants for n in node.inputs if n):
            continue
        if not any(r.kind in _WEIGHTED and name in r.inputs[1:] for r in readers.get(name, [])):
            inputs = [draft.constants[n] if n else None for n in node.inputs]
            draft.constants[name] = np.asarray(call(node, inputs))
    draft.nodes = [node for node in draft.nodes if node.outputs[0] not in draft.constants]


def _merge_roundings(draft: Draft) -> None:
    """Remove a second rounding onto the same grid, and the rounding of probabilities."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        if node.kind not in ("Pad", "Transpose", "Softmax") or node.outputs[0] in draft.outputs:
            continue
        after = readers.get(node.outputs[0], [])
        if len(after) != 1 or after[0].kind != "QuantizeLinear":
            continue
        ends = readers.get(after[0].outputs[0], [])
        if any(end.kind != "DequantizeLinear" or _grid(draft, end) != _grid(draft, after[0]) for end in ends):
            continue
        if not _goes(draft, node, producers.get(node.inputs[0]), after[0]):
            continue
        for end in ends:
            draft.rename(end.outputs[0], node.outputs[0])
    draft.prune()


def _goes(draft: Draft, node: DraftNode, before: DraftNode | None, rounding: DraftNode) -> bool:
    """Whether the rounding after a node says nothing, or stands after a softmax whose integers would be others."""
    if node.kind == "Softmax":
        return _grid(draft, rounding) not in _OF_SOFTMAX
    if before is None or before.kind != "DequantizeLinear" or _grid(draft, before) != _grid(draft, rounding):
        return False
    return node.kind != "Pad" or _pads_with_zero(draft, node)


def _round_first(draft: Draft) -> None:
    """Round the output of an operator before it is reshaped instead of afterwards; the bytes are the same."""
    producers, readers, nodes = draft.producers(), draft.readers(), list[DraftNode]()
    for node in draft.nodes:
        before = producers.get(node.inputs[0]) if node.kind in _RESHAPES else None
        after = readers.get(node.outputs[0], [])
        rounds = len(after) == 1 and after[0].kind == "QuantizeLinear" and node.outputs[0] not in draft.outputs
        done = before is None or before.kind in ("DequantizeLinear", "QuantizeLinear", *_RESHAPES)
        if rounds and not done and not _moves_input(draft, before, producers):
            names = [draft.fresh("bytes"), draft.fresh("real")]
            nodes.append(DraftNode("QuantizeLinear", [node.inputs[0], *after[0].inputs[1:]], names[:1]))
            nodes.append(DraftNode("DequantizeLinear", [names[0], *after[0].inputs[1:]], names[1:]))
            node.inputs[0] = names[1]
        nodes.append(node)
    draft.nodes = nodes


def _moves_input(draft: Draft, node: DraftNode | None, producers: dict[str, DraftNode]) -> bool:
    """Return whether a node and those before it only move the model's input: its rounding comes after all of them."""
    while node is not None and node.kind in ("Transpose", *_RESHAPES):
        if node.inputs[0] == draft.source.name:
            return True
        node = producers.get(node.inputs[0])
    return False


def _pads_with_zero(draft: Draft, node: DraftNode) -> bool:
    value = draft.array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else np.zeros(1)
    return node.attributes.get("mode", "constant") == "constant" and value is not None and not value.any()


def _grid(draft: Draft, node: DraftNode) -> tuple[bytes, ...]:
    arrays = [draft.array(name) for name in node.inputs[1:]]
    return tuple(
        repr(name).encode() if a is None else a.tobytes() for name, a in zip(node.inputs[1:], arrays, strict=True)
    )


def _bias(draft: Draft, node: DraftNode, producers: dict[str, DraftNode]) -> list[DraftNode]:
    """Round a float bias onto the grid of the sums, which is far finer than that of the outputs."""
    bias = draft.array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    source = producers.get(node.inputs[0])
    if bias is None or bias.dtype != np.float32 or bias.ndim != 1 or _weights(draft, node, producers) is None:
        return []
    if source is None or source.kind != "DequantizeLinear":
        return []
    scales = [draft.array(source.inputs[1]), draft.array(producers[node.inputs[1]].inputs[1])]
    if scales[0] is None or scales[1] is None or scales[0].size != 1:
        return []
    scale = np.asarray(scales[0].reshape(()) * scales[1].reshape(-1), np.float32)
    steps = np.rint(bias.astype(np.float64) / scale)
    if scale.size not in (1, bias.size) or not np.all(np.abs(steps) <= _BIAS_LIMIT):
        return []
    inputs = [draft.constant(steps.astype(np.int32)), draft.constant(scale if scale.size > 1 else scale.reshape(()))]
    name = draft.fresh("bias")
    node.inputs[2] = name
    return [DraftNode("DequantizeLinear", inputs, [name], {"axis": 0} if scale.size > 1 else {})]
