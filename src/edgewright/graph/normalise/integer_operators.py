"""Operators on bytes (QLinearConv, QGemm, ...) are rewritten as plain operators between dequantising and rounding.

They are those of the ONNX standard and of ONNX Runtime's own domain; the order of their inputs is that of their
documentation. What an operator computes in one go may differ from this form by one step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from edgewright.graph.draft import Chain, Draft, DraftNode, rewrite
from edgewright.schema.errors import InputError

ORDER = 15
_OURS = "com.microsoft."


def run(draft: Draft) -> None:
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
        raise InputError("all inputs of an operator on bytes", f"input {index} left out", node.where)
    return name


def _read(chain: Chain, node: DraftNode, index: int, axis: int = 0) -> str:
    """Return the real numbers of the bytes at `index`, whose scale and zero point follow them."""
    scale = chain.draft.array(_given(node, index + 1))
    along: dict[str, Any] = {"axis": axis} if scale is not None and scale.size > 1 else {}
    return chain.op("DequantizeLinear", *(_given(node, index + i) for i in range(3)), **along)


def _bias(chain: Chain, node: DraftNode, index: int, scales: tuple[int, int]) -> list[str]:
    """Return the real numbers of an int32 bias, whose scale is the product of the two at `scales`."""
    if index >= len(node.inputs) or not node.inputs[index]:
        return []
    biases = [chain.draft.array(_given(node, at)) for at in scales]
    if biases[0] is None or biases[1] is None:
        raise InputError("scales that are constants", "computed ones", node.where)
    product = np.asarray(biases[0].reshape(()) * biases[1].reshape(-1), np.float32)
    along: dict[str, Any] = {"axis": 0} if product.size > 1 else {}
    scale = product if product.size > 1 else product.reshape(())
    return [chain.op("DequantizeLinear", node.inputs[index], scale, **along)]


def _round(chain: Chain, node: DraftNode, value: str, index: int) -> str:
    """Return the bytes of a value; their scale and zero point stand at `index`."""
    return chain.op("QuantizeLinear", value, _given(node, index), _given(node, index + 1))


def _convolution(chain: Chain, node: DraftNode) -> str:
    inputs = [_read(chain, node, 0), _read(chain, node, 3), *_bias(chain, node, 8, (1, 4))]
    return _round(chain, node, chain.op("Conv", *inputs, **node.attributes), 6)


def _gemm(chain: Chain, node: DraftNode) -> str:
    turned = int(node.attributes.get("transB", 0))
    inputs = [_read(chain, node, 0), _read(chain, node, 3, 0 if turned else 1), *_bias(chain, node, 6, (1, 4))]
    if float(node.attributes.get("alpha", 1.0)) != 1.0:
        raise InputError("a QGemm without factors", f"alpha {node.attributes['alpha']}", node.where)
    value = chain.op("Gemm", *inputs, **node.attributes)
    return value if len(node.inputs) <= 7 else _round(chain, node, value, 7)


def _two(op: str, chain: Chain, node: DraftNode) -> str:
    return _round(chain, node, chain.op(op, _read(chain, node, 0), _read(chain, node, 3)), 6)


def _on_floats(op: str, chain: Chain, node: DraftNode) -> str:
    if node.attributes.get("channels_last", 0):
        raise InputError("channels before positions", "channels last", node.where, "Export the unoptimised model")
    kept = {name: value for name, value in node.attributes.items() if name not in ("channels_last", "opset")}
    return _round(chain, node, chain.op(op, _read(chain, node, 0), **kept), 3)


def _concat(chain: Chain, node: DraftNode) -> str:
    parts = [_read(chain, node, index) for index in range(2, len(node.inputs), 3)]
    return _round(chain, node, chain.op("Concat", *parts, **node.attributes), 0)
