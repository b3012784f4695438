"""Preprocessing of ai.onnx.ml on rows of numbers: scaling, imputing, norms, choosing and joining columns."""

from __future__ import annotations

import numpy as np

from edgewright.graph.normalise._draft import Chain, Draft, DraftNode, rewrite
from edgewright.schema.errors import InputError

ORDER = 30


def run(draft: Draft) -> None:
    """Rewrite them into plain operators."""
    rules = {
        "Scaler": _scaler,
        "Imputer": _imputer,
        "Normalizer": _normaliser,
        "Binarizer": _binarizer,
        "ArrayFeatureExtractor": _columns,
        "FeatureVectorizer": _joined,
        "OneHotEncoder": _one_hot,
    }
    rewrite(draft, {f"ai.onnx.ml.{name}": rule for name, rule in rules.items()})


def _vector(draft: Draft, values: object) -> str:
    return draft.constant(np.asarray(values, np.float32).reshape(-1))


def _scaler(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """(x - offset) * scale."""
    chain = Chain(draft)
    value = node.inputs[0]
    if draft.source.name == value and draft.source.dtype != "float32":
        value = chain.op("Cast", value, to=1)
    value = chain.op("Sub", value, _vector(draft, node.attributes.get("offset", (0.0,))))
    value = chain.op("Mul", value, _vector(draft, node.attributes.get("scale", (1.0,))))
    return chain.end(value, node.outputs[0])


def _imputer(draft: Draft, node: DraftNode) -> list[DraftNode]:
    filled = node.attributes.get("imputed_value_floats") or node.attributes.get("imputed_value_int64s")
    if not filled:
        raise InputError("values to fill in", "none", node.where)
    integers = "imputed_value_floats" not in node.attributes
    replaced = node.attributes.get("replaced_value_int64" if integers else "replaced_value_float", 0)
    chain = Chain(draft)
    dtype = np.int64 if integers else np.float32
    if isinstance(replaced, float) and np.isnan(replaced):
        missing = chain.op("IsNaN", node.inputs[0])
    else:
        missing = chain.op("Equal", node.inputs[0], draft.constant(np.asarray(replaced, dtype)))
    value = chain.op("Where", missing, draft.constant(np.asarray(filled, dtype).reshape(-1)), node.inputs[0])
    return chain.end(value, node.outputs[0])


def _normaliser(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Return rows divided by their norm; a row whose norm is 0 stays as it is, as ONNX Runtime has it."""
    kind = str(node.attributes.get("norm", "MAX"))
    over = {"L1": "ReduceL1", "L2": "ReduceL2", "MAX": "ReduceMax"}.get(kind)
    if over is None:
        raise InputError("norm MAX, L1 or L2", repr(kind), node.where)
    chain = Chain(draft)
    norm = chain.op(over, node.inputs[0], draft.integers([1]), keepdims=1)
    empty = chain.op("Equal", norm, draft.floats(0.0))
    norm = chain.op("Where", empty, draft.floats(1.0), norm)
    return chain.end(chain.op("Div", node.inputs[0], norm), node.outputs[0])


def _binarizer(draft: Draft, node: DraftNode) -> list[DraftNode]:
    chain = Chain(draft)
    above = chain.op("Greater", node.inputs[0], draft.floats(float(node.attributes.get("threshold", 0.0))))
    return chain.end(chain.op("Cast", above, to=1), node.outputs[0])


def _columns(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Entries of the last axis; from the names of the classes (text) it gives labels, which `answers` takes out."""
    names = draft.array(node.inputs[0])
    if names is not None:
        draft.names.insert(0, tuple(str(name) for name in names.ravel().tolist()))
        return [DraftNode("Identity", [node.inputs[1]], [node.outputs[0]])]
    places = draft.array(node.inputs[1])
    if places is None:
        raise InputError("constant numbers of columns", f"the value {node.inputs[1]!r}", node.where)
    where = draft.constant(places.astype(np.int64).ravel())
    return [DraftNode("Gather", [node.inputs[0], where], [node.outputs[0]], {"axis": -1})]


def _joined(draft: Draft, node: DraftNode) -> list[DraftNode]:
    return [DraftNode("Concat", node.inputs, [node.outputs[0]], {"axis": 1})]


def _one_hot(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """1 where the value equals the category; a value that is no category gives zeros."""
    numbers = node.attributes.get("cats_int64s")
    if not numbers or not node.attributes.get("zeros", 1):
        raise InputError("categories that are numbers, and zeros for unknown ones", "others", node.where)
    chain = Chain(draft)
    value = chain.op("Cast", node.inputs[0], to=1)
    last = chain.op("Unsqueeze", value, draft.integers([-1]))
    same = chain.op("Equal", last, _vector(draft, numbers))
    return chain.end(chain.op("Cast", same, to=1), node.outputs[0])
