"""Operators that are rewritten as a few plain ones, by the formulas of the ONNX standard."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from edgewright.graph.draft import Attributes, Chain, Draft, DraftNode, rewrite
from edgewright.schema.errors import InputError

ORDER = 40
# Constants of SELU in the ONNX standard.
_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
# Appends an operator on values and constants and gives its output.
Op = Callable[..., str]


def run(draft: Draft) -> None:
    """Rewrite them."""
    rules: dict[str, Callable[[Chain, DraftNode], str]]
    rules = {kind: functools.partial(_formula, formula) for kind, formula in _FORMULAS.items()}
    rules |= {
        "LayerNormalization": _layer_norm,
        "InstanceNormalization": _instance_norm,
        "IsInf": _is_infinite,
        "Gelu": _gelu,
    }
    rewrite(draft, rules)


def _formula(formula: Callable[..., str], chain: Chain, node: DraftNode) -> str:
    return formula(chain.op, node.attributes, *node.inputs)


def _sum(op: Op, *values: str) -> str:
    return functools.reduce(lambda total, value: op("Add", total, value), values)


def _where_negative(op: Op, x: str, value: str) -> str:
    return op("Where", op("Less", x, 0.0), value, x)


def _exponential(op: Op, x: str, alpha: float) -> str:
    """Return alpha * (exp(min(x, 0)) - 1): the branch that is not selected must not overflow either."""
    return op("Mul", op("Sub", op("Exp", op("Min", x, 0.0)), 1.0), alpha)


def _celu(op: Op, given: Attributes, x: str) -> str:
    alpha = float(given.get("alpha", 1.0))
    return _where_negative(op, x, _exponential(op, op("Mul", x, 1.0 / alpha), alpha))


def _selu(op: Op, given: Attributes, x: str) -> str:
    below = op("Less", x, 0.0)
    value = op("Where", below, _exponential(op, x, float(given.get("alpha", _SELU_ALPHA))), x)
    return op("Mul", value, float(given.get("gamma", _SELU_GAMMA)))


def _hyperbolic_cosine(op: Op, x: str) -> str:
    power = op("Exp", x)
    return op("Mul", op("Add", power, op("Reciprocal", power)), 0.5)


def _hard(op: Op, x: str, alpha: float, beta: float) -> str:
    return op("Clip", op("Add", op("Mul", x, alpha), beta), 0.0, 1.0)


def _soft(op: Op, x: str) -> str:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|)), which cannot overflow."""
    rest = op("Log", op("Add", op("Exp", op("Neg", op("Abs", x))), 1.0))
    return op("Add", op("Relu", x), rest)


_FORMULAS: dict[str, Callable[..., str]] = {
    "Sum": lambda op, _, *values: _sum(op, *values),
    "Mean": lambda op, _, *values: op("Mul", _sum(op, *values), 1.0 / len(values)),
    "PRelu": lambda op, _, x, slope: _where_negative(op, x, op("Mul", x, slope)),
    "Elu": lambda op, given, x: _where_negative(op, x, _exponential(op, x, float(given.get("alpha", 1.0)))),
    "Selu": _selu,
    "Celu": _celu,
    "HardSigmoid": lambda op, given, x: _hard(op, x, float(given.get("alpha", 0.2)), float(given.get("beta", 0.5))),
    "HardSwish": lambda op, _, x: op("Mul", x, _hard(op, x, 1.0 / 6.0, 0.5)),
    "Softplus": lambda op, _, x: _soft(op, x),
    "Softsign": lambda op, _, x: op("Div", x, op("Add", op("Abs", x), 1.0)),
    "Mish": lambda op, _, x: op("Mul", x, op("Tanh", _soft(op, x))),
    "Swish": lambda op, given, x: op("Mul", x, op("Sigmoid", op("Mul", x, float(given.get("alpha", 1.0))))),
    "LogSoftmax": lambda op, given, x: op("Sub", x, op("ReduceLogSumExp", x, [int(given.get("axis", -1))], keepdims=1)),
    "Tan": lambda op, _, x: op("Div", op("Sin", x), op("Cos", x)),
    # Computing sinh as tanh(x) * cosh(x) keeps the digits of small values.
    "Sinh": lambda op, _, x: op("Mul", op("Tanh", x), _hyperbolic_cosine(op, x)),
    "Cosh": lambda op, _, x: _hyperbolic_cosine(op, x),
}


def _is_infinite(chain: Chain, node: DraftNode) -> str:
    x = node.inputs[0]
    above, below = node.attributes.get("detect_positive", 1), node.attributes.get("detect_negative", 1)
    if not above and not below:
        raise InputError("infinities of one sign or both", "of none", node.where)
    value = chain.op("Abs", x) if above and below else x if above else chain.op("Neg", x)
    return chain.op("Equal", value, math.inf)


def _gelu(chain: Chain, node: DraftNode) -> str:
    op, x, half = chain.op, node.inputs[0], chain.draft.floats(0.5)
    if node.attributes.get("approximate", "none") == "tanh":
        cube = op("Mul", op("Mul", op("Mul", x, x), x), 0.044715)
        gate = op("Tanh", op("Mul", op("Add", x, cube), math.sqrt(2.0 / math.pi)))
    else:
        gate = op("Erf", op("Mul", x, math.sqrt(0.5)))
    return op("Mul", op("Mul", x, half), op("Add", gate, 1.0))


def _standardised(chain: Chain, node: DraftNode, value: str, last: str) -> str:
    """Return values minus their mean over the axes `last`, divided by their deviation."""
    op = chain.op
    centred = op("Sub", value, op("ReduceMean", value, last, keepdims=1))
    spread = op("ReduceMean", op("Mul", centred, centred), last, keepdims=1)
    epsilon = float(np.float32(node.attributes.get("epsilon", 1e-5)))
    return op("Div", centred, op("Sqrt", op("Add", spread, epsilon)))


def _layer_norm(chain: Chain, node: DraftNode) -> str:
    axis = int(node.attributes.get("axis", -1))
    if axis >= 0 or any(node.outputs[1:]):
        raise InputError("a norm over the last axes, counted from the end, with one output", f"axis {axis}", node.where)
    value = _standardised(chain, node, node.inputs[0], chain.draft.integers(range(axis, 0)))
    value = chain.op("Mul", value, node.inputs[1])
    return chain.op("Add", value, node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else value


def _instance_norm(chain: Chain, node: DraftNode) -> str:
    """Normalise each channel of each sample; positions are flattened, so that the number of axes does not matter."""
    last = chain.draft.integers([-1])
    value = _standardised(chain, node, chain.op("Reshape", node.inputs[0], [0, 0, -1]), last)
    for op, name in (("Mul", node.inputs[1]), ("Add", node.inputs[2])):
        value = chain.op(op, value, chain.op("Unsqueeze", name, last))
    return chain.op("Reshape", value, chain.op("Shape", node.inputs[0]))
