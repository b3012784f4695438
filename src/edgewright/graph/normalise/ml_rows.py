"""Preprocessing of ai.onnx.ml on rows of numbers: scaling, imputing, norms, choosing and joining columns."""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Chain, Draft, DraftNode, rewrite
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

ORDER = 30


def run(draft: Draft) -> None:
    """Rewrite them into plain operators."""
    rules = {
        "Scaler": _scaler,
        "Imputer": _imputer,
        "Normalizer": _normaliser,
        "Binarizer": _binarizer,
        "ArrayFeatureExtractor": _columns,
        "FeatureVectorizer": lambda chain, node: chain.op("Concat", *node.inputs, axis=1),
        "OneHotEncoder": _one_hot,
    }
    rewrite(draft, {f"ai.onnx.ml.{name}": rule for name, rule in rules.items()})


def _vector(values: object) -> Array:
    return np.asarray(values, np.float32).reshape(-1)


def _scaler(chain: Chain, node: DraftNode) -> str:
    """(x - offset) * scale."""
    value, source = node.inputs[0], chain.draft.source
    if source.name == value and source.dtype != "float32":
        value = chain.op("Cast", value, to=1)
    value = chain.op("Sub", value, _vector(node.attributes.get("offset", (0.0,))))
    return chain.op("Mul", value, _vector(node.attributes.get("scale", (1.0,))))


def _imputer(chain: Chain, node: DraftNode) -> str:
    filled = node.attributes.get("imputed_value_floats") or node.attributes.get("imputed_value_int64s")
    if not filled:
        raise InputError("values to fill in", "none", node.where)
    integers = "imputed_value_floats" not in node.attributes
    replaced = node.attributes.get("replaced_value_int64" if integers else "replaced_value_float", 0)
    dtype = np.int64 if integers else np.float32
    if isinstance(replaced, float) and np.isnan(replaced):
        missing = chain.op("IsNaN", node.inputs[0])
    else:
        missing = chain.op("Equal", node.inputs[0], np.asarray(replaced, dtype))
    return chain.op("Where", missing, np.asarray(filled, dtype).reshape(-1), node.inputs[0])


def _normaliser(chain: Chain, node: DraftNode) -> str:
    """Return rows divided by their norm; a row whose norm is 0 stays as it is, as ONNX Runtime has it."""
    kind = str(node.attributes.get("norm", "MAX"))
    over = {"L1": "ReduceL1", "L2": "ReduceL2", "MAX": "ReduceMax"}.get(kind)
    if over is None:
        raise InputError("norm MAX, L1 or L2", repr(kind), node.where)
    norm = chain.op(over, node.inputs[0], [1], keepdims=1)
    norm = chain.op("Where", chain.op("Equal", norm, 0.0), 1.0, norm)
    return chain.op("Div", node.inputs[0], norm)


def _binarizer(chain: Chain, node: DraftNode) -> str:
    return chain.op("Cast", chain.op("Greater", node.inputs[0], float(node.attributes.get("threshold", 0.0))), to=1)


def _columns(chain: Chain, node: DraftNode) -> str:
    """Select entries of the last axis; from names of the classes (text) it gives labels, which `answers` removes."""
    draft = chain.draft
    names = draft.array(node.inputs[0])
    if names is not None:
        draft.names.insert(0, tuple(str(name) for name in names.ravel().tolist()))
        return chain.op("Identity", node.inputs[1])
    places = draft.array(node.inputs[1])
    if places is None:
        raise InputError("constant numbers of columns", f"the value {node.inputs[1]!r}", node.where)
    return chain.op("Gather", node.inputs[0], places.astype(np.int64).ravel(), axis=-1)


def _one_hot(chain: Chain, node: DraftNode) -> str:
    """Return 1 where the value equals the category; a value that is not a category gives zeros."""
    numbers = node.attributes.get("cats_int64s")
    if not numbers or not node.attributes.get("zeros", 1):
        raise InputError("categories that are numbers, and zeros for unknown ones", "others", node.where)
    last = chain.op("Unsqueeze", chain.op("Cast", node.inputs[0], to=1), [-1])
    return chain.op("Cast", chain.op("Equal", last, _vector(numbers)), to=1)
