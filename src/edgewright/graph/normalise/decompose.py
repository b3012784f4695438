"""Operators that a few plain ones say as well: formulas are those of the ONNX standard."""

from __future__ import annotations

import math

import numpy as np

from edgewright.graph.normalise._draft import Chain, Draft, DraftNode, rewrite
from edgewright.schema.errors import InputError

ORDER = 40
# Of SELU, as the ONNX standard gives them.
_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def run(draft: Draft) -> None:
    """Rewrite them."""
    rules = {
        "Sum": _sum, "Mean": _mean, "PRelu": _prelu, "Elu": _elu, "Selu": _selu, "HardSigmoid": _hard_sigmoid,
        "HardSwish": _hard_swish, "Softplus": _softplus, "Softsign": _softsign, "Mish": _mish, "Gelu": _gelu,
        "Swish": _swish, "LogSoftmax": _log_softmax, "LayerNormalization": _layer_norm,
        "InstanceNormalization": _instance_norm, "Celu": _celu, "Tan": _tan, "Sinh": _sinh, "Cosh": _cosh,
        "IsInf": _is_infinite,
    }  # fmt: skip
    rewrite(draft, rules)


def _sum(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    value = node.inputs[0]
    for other in node.inputs[1:]:
        value = chain.op("Add", value, other)
    return chain.end(value, node.outputs[0])


def _mean(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    value = node.inputs[0]
    for other in node.inputs[1:]:
        value = chain.op("Add", value, other)
    return chain.end(chain.op("Mul", value, draft.floats(1.0 / len(node.inputs))), node.outputs[0])


def _where_negative(chain: Chain, node: DraftNode, value: str) -> list[DraftNode]:
    below = chain.op("Less", node.inputs[0], chain.draft.floats(0.0))
    return chain.end(chain.op("Where", below, value, node.inputs[0]), node.outputs[0])


def _prelu(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    return _where_negative(chain, node, chain.op("Mul", node.inputs[0], node.inputs[1]))


def _exponential(chain: Chain, value: str, alpha: float) -> str:
    """Give alpha * (exp(min(x, 0)) - 1): what is not chosen must not overflow either."""
    draft = chain.draft
    power = chain.op("Exp", chain.op("Min", value, draft.floats(0.0)))
    return chain.op("Mul", chain.op("Sub", power, draft.floats(1.0)), draft.floats(alpha))


def _elu(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    return _where_negative(chain, node, _exponential(chain, node.inputs[0], float(node.attributes.get("alpha", 1.0))))


def _celu(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain, alpha = Chain(draft), float(node.attributes.get("alpha", 1.0))
    inner = chain.op("Mul", node.inputs[0], draft.floats(1.0 / alpha))
    return _where_negative(chain, node, _exponential(chain, inner, alpha))


def _tan(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain, x = Chain(draft), node.inputs[0]
    return chain.end(chain.op("Div", chain.op("Sin", x), chain.op("Cos", x)), node.outputs[0])


def _hyperbolic_cosine(chain: Chain, x: str) -> str:
    power = chain.op("Exp", x)
    return chain.op("Mul", chain.op("Add", power, chain.op("Reciprocal", power)), chain.draft.floats(0.5))


def _cosh(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    return chain.end(_hyperbolic_cosine(chain, node.inputs[0]), node.outputs[0])


def _sinh(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """tanh(x) * cosh(x), which keeps the digits of small values."""
    chain, x = Chain(draft), node.inputs[0]
    return chain.end(chain.op("Mul", chain.op("Tanh", x), _hyperbolic_cosine(chain, x)), node.outputs[0])


def _is_infinite(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain, x = Chain(draft), node.inputs[0]
    above, below = node.attributes.get("detect_positive", 1), node.attributes.get("detect_negative", 1)
    if not above and not below:
        raise InputError("infinities of one sign or both", "of none", node.where)
    value = chain.op("Abs", x) if above and below else x if above else chain.op("Neg", x)
    return chain.end(chain.op("Equal", value, draft.floats(math.inf)), node.outputs[0])


def _selu(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    alpha = float(node.attributes.get("alpha", _SELU_ALPHA))
    below = chain.op("Less", node.inputs[0], draft.floats(0.0))
    value = chain.op("Where", below, _exponential(chain, node.inputs[0], alpha), node.inputs[0])
    gamma = draft.floats(float(node.attributes.get("gamma", _SELU_GAMMA)))
    return chain.end(chain.op("Mul", value, gamma), node.outputs[0])


def _hard(chain: Chain, value: str, alpha: float, beta: float) -> str:
    draft = chain.draft
    line = chain.op("Add", chain.op("Mul", value, draft.floats(alpha)), draft.floats(beta))
    return chain.op("Clip", line, draft.floats(0.0), draft.floats(1.0))


def _hard_sigmoid(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    alpha, beta = float(node.attributes.get("alpha", 0.2)), float(node.attributes.get("beta", 0.5))
    return chain.end(_hard(chain, node.inputs[0], alpha, beta), node.outputs[0])


def _hard_swish(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    gate = _hard(chain, node.inputs[0], 1.0 / 6.0, 0.5)
    return chain.end(chain.op("Mul", node.inputs[0], gate), node.outputs[0])


def _soft(chain: Chain, value: str) -> str:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|)), which cannot overflow."""
    draft = chain.draft
    small = chain.op("Exp", chain.op("Neg", chain.op("Abs", value)))
    rest = chain.op("Log", chain.op("Add", small, draft.floats(1.0)))
    return chain.op("Add", chain.op("Relu", value), rest)


def _softplus(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    return chain.end(_soft(chain, node.inputs[0]), node.outputs[0])


def _mish(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    gate = chain.op("Tanh", _soft(chain, node.inputs[0]))
    return chain.end(chain.op("Mul", node.inputs[0], gate), node.outputs[0])


def _softsign(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    below = chain.op("Add", chain.op("Abs", node.inputs[0]), draft.floats(1.0))
    return chain.end(chain.op("Div", node.inputs[0], below), node.outputs[0])


def _swish(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    inner = chain.op("Mul", node.inputs[0], draft.floats(float(node.attributes.get("alpha", 1.0))))
    return chain.end(chain.op("Mul", node.inputs[0], chain.op("Sigmoid", inner)), node.outputs[0])


def _gelu(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    x, half = node.inputs[0], draft.floats(0.5)
    if node.attributes.get("approximate", "none") == "tanh":
        cube = chain.op("Mul", chain.op("Mul", chain.op("Mul", x, x), x), draft.floats(0.044715))
        inner = chain.op("Mul", chain.op("Add", x, cube), draft.floats(math.sqrt(2.0 / math.pi)))
        gate = chain.op("Tanh", inner)
    else:
        gate = chain.op("Erf", chain.op("Mul", x, draft.floats(math.sqrt(0.5))))
    value = chain.op("Mul", chain.op("Mul", x, half), chain.op("Add", gate, draft.floats(1.0)))
    return chain.end(value, node.outputs[0])


def _log_softmax(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    axis = draft.integers([int(node.attributes.get("axis", -1))])
    total = chain.op("ReduceLogSumExp", node.inputs[0], axis, keepdims=1)
    return chain.end(chain.op("Sub", node.inputs[0], total), node.outputs[0])


def _layer_norm(draft: Draft, node: DraftNode) -> list[DraftNode]:
    axis = int(node.attributes.get("axis", -1))
    if axis >= 0 or any(node.outputs[1:]):
        raise InputError("a norm over the last axes, counted from the end, with one output", f"axis {axis}", node.where)
    chain, last = Chain(draft), draft.integers(range(axis, 0))
    centred = chain.op("Sub", node.inputs[0], chain.op("ReduceMean", node.inputs[0], last, keepdims=1))
    spread = chain.op("ReduceMean", chain.op("Mul", centred, centred), last, keepdims=1)
    epsilon = draft.floats(float(np.float32(node.attributes.get("epsilon", 1e-5))))
    value = chain.op("Div", centred, chain.op("Sqrt", chain.op("Add", spread, epsilon)))
    value = chain.op("Mul", value, node.inputs[1])
    if len(node.inputs) > 2 and node.inputs[2]:
        value = chain.op("Add", value, node.inputs[2])
    return chain.end(value, node.outputs[0])


def _instance_norm(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Each channel of each sample by itself; positions are flattened, so that the number of axes does not matter."""
    chain, last = Chain(draft), draft.integers([-1])
    flat = chain.op("Reshape", node.inputs[0], draft.integers([0, 0, -1]))
    centred = chain.op("Sub", flat, chain.op("ReduceMean", flat, last, keepdims=1))
    spread = chain.op("ReduceMean", chain.op("Mul", centred, centred), last, keepdims=1)
    epsilon = draft.floats(float(np.float32(node.attributes.get("epsilon", 1e-5))))
    value = chain.op("Div", centred, chain.op("Sqrt", chain.op("Add", spread, epsilon)))
    for op, name in (("Mul", node.inputs[1]), ("Add", node.inputs[2])):
        value = chain.op(op, value, chain.op("Unsqueeze", name, last))
    chain.op("Reshape", value, chain.op("Shape", node.inputs[0]), output=node.outputs[0])
    return chain.nodes
