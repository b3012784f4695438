"""Running a draft on a few samples while it still has operators the dialect lacks: shapes, constants in hiding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.core.operators import operator, prepare
from edgewright.graph.draft import Draft, DraftNode, _plain
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node

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
        raise InputError("a sample of sensible size", got, f"model {draft.name}")
    shape, dtype = draft.source.shape, draft.source.dtype
    return [{**draft.constants, draft.source.name: np.ones((n, *shape), dtype)} for n in batches(draft)]


def step(node: DraftNode, values: list[Values]) -> None:
    """Add what a node gives, for each batch.

    Raises:
        InputError: naming the node when its inputs do not fit.
    """
    if not known(node):
        raise InputError("an operator that is known", node.kind, node.where)
    if node.outputs[0] in values[0]:
        raise InputError("names of values that differ", f"{node.outputs[0]!r} twice", node.where)
    for value in values:
        missing = [name for name in node.inputs if name and name not in value]
        if missing:
            raise InputError("inputs that an earlier node gives", repr(missing[0]), node.where)
        inputs = [value[name] if name else None for name in node.inputs]
        try:
            with np.errstate(all="ignore"):
                result = np.asarray(call(node, inputs))
        except _MISFIT as error:
            text = " ".join(str(error).split()) or type(error).__name__
            shapes = ", ".join("none" if x is None else str(x.shape) for x in inputs)
            raise InputError("inputs that go together", f"{shapes}: {text}", node.where) from None
        if result.size > _LARGEST:
            raise InputError("values of sensible size", f"shape {result.shape}", node.where)
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
