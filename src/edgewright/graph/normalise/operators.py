"""Passes over single operators: activations written as several nodes, old opsets, no-ops, casts, decompositions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.core.errors import GraphError, error_line
from edgewright.core.operators import operator, prepare
from edgewright.core.records.network import Array, Node
from edgewright.graph.draft import Attributes, Chain, Draft, DraftNode, Rewritten, _plain, rewrite

_MISFIT = (ValueError, TypeError, IndexError, AttributeError, ArithmeticError, MemoryError)
# A value beyond this many entries is no sensor's but a damaged file's.
_LARGEST = 1 << 24
Values = dict[str, Array]


def batches(draft: Draft) -> tuple[int, ...]:
    """Return lengths of the batch axis to try: two that differ from 1 and from each other, or the model's own."""
    return (draft.fixed_batch,) if draft.fixed_batch else (2, 3)


def start(draft: Draft) -> list[Values]:
    """Return the values before the first node, for each batch."""
    if math.prod(draft.source.shape) * max(batches(draft)) > _LARGEST:
        got = f"shape {draft.source.shape}" + (f", {draft.fixed_batch} at once" if draft.fixed_batch else "")
        raise GraphError("a sample of sensible size", got, f"model {draft.name}")
    shape, dtype = draft.source.shape, draft.source.dtype
    return [{**draft.constants, draft.source.name: np.ones((n, *shape), dtype)} for n in batches(draft)]


def step(node: DraftNode, values: list[Values]) -> None:
    """Add what a node gives, for each batch.

    Raises:
        InputError: naming the node when its inputs do not fit.
    """
    if not known(node):
        raise GraphError("an operator that is known", node.kind, node.where)
    if node.outputs[0] in values[0]:
        raise GraphError("names of values that differ", f"{node.outputs[0]!r} twice", node.where)
    for value in values:
        missing = [name for name in node.inputs if name and name not in value]
        if missing:
            raise GraphError("inputs that an earlier node gives", repr(missing[0]), node.where)
        inputs = [value[name] if name else None for name in node.inputs]
        try:
            with np.errstate(all="ignore"):
                result = np.asarray(call(node, inputs))
        except _MISFIT as error:
            shapes = ", ".join("none" if x is None else str(x.shape) for x in inputs)
            raise GraphError("inputs that go together", f"{shapes}: {error_line(error)}", node.where) from None
        if result.size > _LARGEST:
            raise GraphError("values of sensible size", f"shape {result.shape}", node.where)
        value[node.outputs[0]] = result


def known(node: DraftNode) -> bool:
    """Return whether the node can be run: an operator of the dialect, or one that only makes constants."""
    return not node.domain and (node.op in operator.known or node.op in MAKERS)


def call(node: DraftNode, inputs: list[Any]) -> Any:  # noqa: ANN401 - an array
    """Run a node; all inputs count as constants."""
    if node.op in MAKERS:
        return MAKERS[node.op](node, inputs)
    plain = Node(op=node.op, inputs=tuple(node.inputs), outputs=tuple(node.outputs), attributes=_plain(node))
    return prepare(plain, inputs)(*inputs)


def everything(draft: Draft) -> list[Values]:
    """All values of a draft whose operators are known."""
    values = start(draft)
    for node in draft.nodes:
        step(node, values)
    return values


def _constant_of_shape(node: DraftNode, inputs: list[Any]) -> Array:
    shape = tuple(int(n) for n in inputs[0])
    if math.prod(shape) > _LARGEST:
        raise ValueError(f"a constant of shape {shape}")
    fill = node.attributes.get("value", np.zeros(1, np.float32))
    return np.full(shape, fill.reshape(-1)[0], fill.dtype)


def _range(node: DraftNode, inputs: list[Any]) -> Array:
    start_, limit, delta = (x.reshape(()) for x in inputs)
    if delta == 0 or abs((limit - start_) / delta) > _LARGEST:
        raise ValueError("a range without end")
    return np.arange(start_, limit, delta, dtype=start_.dtype)


def _tile(node: DraftNode, inputs: list[Any]) -> Array:
    if inputs[0].size * math.prod(int(n) for n in inputs[1]) > _LARGEST:
        raise ValueError(f"repeats {inputs[1]}")
    return np.tile(inputs[0], tuple(int(n) for n in inputs[1]))


# Operators that are worked out here, mostly from shapes, and never reach the graph. Of BatchNormalization, whose own
# pass comes when constants are known, only the shape counts.
MAKERS: dict[str, Callable[[DraftNode, list[Any]], Array]] = {
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Size": lambda _node, inputs: np.asarray(inputs[0].size, np.int64),
    "Tile": _tile,
    "Mod": lambda node, inputs: (np.fmod if node.attributes.get("fmod", 0) else np.mod)(*inputs),
    "BatchNormalization": lambda _node, inputs: inputs[0],
}


# What a product takes beside the value that it gates, from the product back to that value.
_GATES = {
    ("Sigmoid",): "SiLU",
    ("HardSigmoid",): "HardSwish",
    ("Tanh", "Softplus"): "Mish",
    ("Add", "Erf", "Div"): "GELU",
    ("Add", "Erf", "Mul"): "GELU",
}
_LONGEST = max(map(len, _GATES))


def name_activations(draft: Draft) -> None:
    """Mark the parts."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        for gated, gate in (node.inputs[:2], node.inputs[1::-1]) if node.kind == "Mul" else ():
            factor = [part for part in (producers.get(gated),) if part is not None and _by_number(draft, part)]
            for source, before in [(gated, []), *((_computed(draft, part)[0], factor) for part in factor)]:
                parts = _behind(draft, producers, gate, source)
                name = _GATES.get(tuple(part.kind for part in parts), "")
                after = [
                    part for part in readers.get(node.outputs[0], []) if name == "GELU" and _by_number(draft, part)
                ]
                for part in (*before, node, *parts, *after) if name else ():
                    part.origin = part.origin or name


def _computed(draft: Draft, node: DraftNode) -> list[str]:
    return [value for value in node.inputs if value and value not in draft.constants]


def _by_number(draft: Draft, node: DraftNode) -> bool:
    """Return whether a node is a product with a constant."""
    return node.kind == "Mul" and len(_computed(draft, node)) == 1


def _behind(draft: Draft, producers: dict[str, DraftNode], name: str, source: str) -> list[DraftNode]:
    """Return the nodes from a value back to another, each with one computed input; none where they lead elsewhere."""
    parts: list[DraftNode] = []
    while name != source:
        node = producers.get(name)
        computed = [] if node is None else _computed(draft, node)
        if node is None or len(computed) != 1 or len(parts) == _LONGEST:
            return []
        parts.append(node)
        (name,) = computed
    return parts


OLDEST, NEWEST = 7, 24
_REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
               "ReduceLogSumExp", "ReduceSum", "Squeeze", "Unsqueeze")  # fmt: skip
# Attributes of each operator that have become inputs: name, number of the input, type.
_INPUTS: dict[str, tuple[tuple[str, int, Any], ...]] = {
    **dict.fromkeys(_REDUCTIONS, (("axes", 1, np.int64),)),
    "Clip": (("min", 1, np.float32), ("max", 2, np.float32)),
    "Slice": (("starts", 1, np.int64), ("ends", 2, np.int64), ("axes", 3, np.int64)),
    "Pad": (("pads", 1, np.int64), ("value", 2, np.float32)),
}


def convert_old_opsets(draft: Draft) -> None:
    """Rewrite every operator to its form in opset 18.

    Raises:
        InputError: for an opset before 7, whose broadcasting was another, or after 24.
    """
    if not draft.opset and all(node.domain for node in draft.nodes):
        # Converters of trees import ai.onnx.ml alone, so there is no operator of ai.onnx whose version matters.
        draft.opset = 18
    if not OLDEST <= draft.opset <= NEWEST:
        raise GraphError(
            f"opset {OLDEST} to {NEWEST}", str(draft.opset), f"model {draft.name}", "Export the model with opset 18"
        )
    rules: dict[str, Callable[[Chain, DraftNode], Rewritten]] = dict.fromkeys(_INPUTS, _attributes_to_inputs)
    rules |= {"BatchNormalization": _first_output, "MaxPool": _first_output}
    if draft.opset < 11:
        rules |= {"Upsample": _scales, "Resize": _scales}
    if draft.opset < 13:
        rules |= {"Softmax": _softmax, "LogSoftmax": _softmax}
    rewrite(draft, rules)
    draft.opset = 18


def _attributes_to_inputs(chain: Chain, node: DraftNode) -> list[DraftNode]:
    """Move the attributes that have become inputs to their places."""
    for name, index, dtype in _INPUTS.get(node.op, (("scales", 1, np.float32),)):
        if name in node.attributes:
            value = node.attributes.pop(name)
            node.inputs += [""] * (index + 1 - len(node.inputs))
            node.inputs[index] = chain.draft.constant(np.asarray(value, dtype))
    return [node]


def _scales(chain: Chain, node: DraftNode) -> list[DraftNode]:
    """Upsample, and Resize before there was a choice of coordinates."""
    _attributes_to_inputs(chain, node)
    node.op, node.inputs = "Resize", [node.inputs[0], "", *node.inputs[1:]]
    node.attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple"}
    return [node]


def _first_output(chain: Chain, node: DraftNode) -> list[DraftNode]:
    """Remove the outputs for training, which old files name although no operator reads them."""
    read = {name for other in chain.draft.nodes for name in other.inputs} | set(chain.draft.outputs)
    if any(name in read for name in node.outputs[1:]):
        raise GraphError("one output", f"{len(node.outputs)}", node.where)
    node.outputs = node.outputs[:1]
    for name in ("spatial", "training_mode", "consumed_inputs", "storage_order"):
        node.attributes.pop(name, None)
    return [node]


def _softmax(chain: Chain, node: DraftNode) -> Rewritten:
    """Before opset 13 all axes from `axis` on (1 unless said otherwise) were taken as one."""
    axis = int(node.attributes.get("axis", 1))
    if axis == -1:
        node.attributes["axis"] = -1
        return [node]
    # The rank is not known yet. (rows, everything else) is: Flatten, then the shape of before.
    flat = chain.op("Flatten", node.inputs[0], axis=axis)
    value = chain.op(node.op, flat, axis=-1)
    return chain.op("Reshape", value, chain.op("Shape", node.inputs[0]))


_NOTHING = frozenset({"Identity", "Dropout"})


def remove_no_ops(draft: Draft) -> None:
    """Replace the output of such a node by its input."""
    kept = []
    for node in draft.nodes:
        if node.kind not in _NOTHING or not node.inputs:
            kept.append(node)
        elif node.inputs[0] == draft.source.name and node.outputs[0] in draft.outputs:
            # The output must have a name of its own.
            node.op, node.attributes, node.outputs = "Identity", {}, node.outputs[:1]
            kept.append(node)
        else:
            draft.rename(node.outputs[0], node.inputs[0])
    draft.nodes = kept


def remove_casts(draft: Draft) -> None:
    """Replace the output of such a Cast by its input."""
    values = everything(draft)[0]
    kept = []
    for node in draft.nodes:
        name = node.outputs[0]
        same = node.kind == "Cast" and values[name].dtype == values[node.inputs[0]].dtype
        if same and not (node.inputs[0] == draft.source.name and name in draft.outputs):
            values[node.inputs[0]] = values[name]
            draft.rename(name, node.inputs[0])
        else:
            kept.append(node)
    draft.nodes = kept


# Constants of SELU in the ONNX standard.
_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
# Appends an operator on values and constants and gives its output.
Op = Callable[..., str]


def decompose_operators(draft: Draft) -> None:
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
        raise GraphError("infinities of one sign or both", "of none", node.where)
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
        raise GraphError("a norm over the last axes, counted from the end, with one output", f"axis {axis}", node.where)
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
