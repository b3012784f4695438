"""Preprocessing of ai.onnx.ml on rows of numbers: scaling, imputing, norms, choosing and joining columns."""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Chain, Draft, DraftNode, rewrite
from edgewright.graph.normalise._ml import as_float
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
        "FeatureVectorizer": _vectorizer,
        "OneHotEncoder": _one_hot,
    }
    rewrite(draft, {f"ai.onnx.ml.{name}": rule for name, rule in rules.items()})


def _vector(values: object) -> Array:
    return np.asarray(values, np.float32).reshape(-1)


def _scaler(chain: Chain, node: DraftNode) -> str:
    """(x - offset) * scale."""
    value = as_float(chain, node.inputs[0])
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
    value = as_float(chain, node.inputs[0])
    norm = chain.op(over, value, [1], keepdims=1)
    norm = chain.op("Where", chain.op("Equal", norm, 0.0), 1.0, norm)
    return chain.op("Div", value, norm)


def _binarizer(chain: Chain, node: DraftNode) -> str:
    return chain.op("Cast", chain.op("Greater", node.inputs[0], float(node.attributes.get("threshold", 0.0))), to=1)


def _columns(chain: Chain, node: DraftNode) -> str:
    """Select entries of the last axis, or look up entries of a constant table by a computed index.

    A table of text holds names of classes: the index takes its place, and `answers` removes it.

    Raises:
        InputError: for a computed index into computed values.
    """
    draft = chain.draft
    table, places = (draft.array(name) for name in node.inputs)
    if table is not None and table.dtype == object:
        draft.names.insert(0, tuple(str(name) for name in table.ravel().tolist()))
        return chain.op("Identity", node.inputs[1])
    if places is not None:
        value = node.inputs[0] if table is None or table.ndim > 1 else table.reshape(1, -1)
        return chain.op("Gather", value, places.astype(np.int64).ravel(), axis=-1)
    if table is None or table.size != table.shape[-1]:
        raise InputError("a constant table of one row, or constant numbers of columns", "others", node.where)
    index = chain.op("Reshape", node.inputs[1], [-1])
    return chain.op("Reshape", chain.op("Gather", table.ravel(), index, axis=0), [1, -1])


def _vectorizer(chain: Chain, node: DraftNode) -> str:
    """Join columns; an input of another width than `inputdimensions` states fails at the Concat."""
    widths = node.attributes.get("inputdimensions") or (0,) * len(node.inputs)
    if len(widths) != len(node.inputs):
        raise InputError(f"widths of {len(node.inputs)} inputs", str(len(widths)), node.where)
    parts = [as_float(chain, name) for name in node.inputs]
    return chain.op(
        "Concat",
        *(chain.op("Reshape", part, [-1, int(width)]) if width else part
          for part, width in zip(parts, widths, strict=True)),
        axis=1,
    )  # fmt: skip


def _one_hot(chain: Chain, node: DraftNode) -> str:
    """Return 1 where the value equals the category; a value that is not a category gives zeros."""
    numbers = node.attributes.get("cats_int64s")
    if not numbers or not node.attributes.get("zeros", 1):
        raise InputError("categories that are numbers, and zeros for unknown ones", "others", node.where)
    if any(int(np.float32(number)) != number for number in numbers):
        raise InputError("categories that float32 can hold", f"{max(numbers, key=abs)}", node.where)
    value, source = node.inputs[0], chain.draft.source
    if value != source.name or source.dtype == "float32":
        # The standard casts a real number to an integer, which cuts its fraction off.
        value = chain.op("Cast", value, to=6)
    last = chain.op("Unsqueeze", as_float(chain, value), [-1])
    return as_float(chain, chain.op("Equal", last, _vector(numbers)))
