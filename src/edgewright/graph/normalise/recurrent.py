"""LSTM and GRU of the standard, time or batch first, as operators over windows (n, channels, samples)."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.core.operators.recurrent import LAST, SEQUENCE, WINDOW
from edgewright.graph.draft import Chain, Draft, DraftNode
from edgewright.schema.errors import InputError

ORDER = 22
_GATES = {"LSTM": 4, "GRU": 3}
_USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}
# Inputs and outputs by number.
_BIAS, _LENGTHS, _FIRST, _PEEPHOLES = 3, 4, (5, 6), 7
_EVERY, _LAST, _CELLS = 0, 1, 2
# A Slice that ends here ends with its axis.
_END = 2**31 - 1
# Operators that give zeros for zeros.
_OF_ZEROS = frozenset({"Expand", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather", "Cast", "Identity",
                       "Concat", "Tile"})  # fmt: skip


def run(draft: Draft) -> None:
    """Rewrite every one of them, and take the last state alone where nothing else is read.

    Raises:
        InputError: naming the operator, for two directions, other activations, or a first state that is not 0.
    """
    if not any(node.kind in _GATES for node in draft.nodes):
        return
    nodes: list[DraftNode] = []
    for node in draft.nodes:
        plain = node.kind in _GATES and WINDOW not in node.attributes
        nodes += _rewritten(draft, node) if plain else [node]
    draft.nodes = nodes
    _of_stacked(draft)
    for node in [node for node in draft.nodes if node.kind in _GATES]:
        _last_alone(draft, node)


def _rewritten(draft: Draft, node: DraftNode) -> list[DraftNode]:
    _refuse_other(draft, node)
    given, chain = node.attributes, Chain(draft)
    batch_first = bool(given.get("layout", 0))
    outputs = [*node.outputs, "", "", ""][:3]
    readers = draft.readers()
    wanted = [bool(name) and (name in readers or name in draft.outputs) for name in outputs]
    if wanted[_CELLS]:
        raise InputError("states of an LSTM", "its cells read", node.where, "Give the output or the hidden state")
    units = int(given.get("hidden_size", 0))
    inputs = [*node.inputs, "", "", ""][: _BIAS + 1]
    if not inputs[_BIAS]:
        if units < 1:
            raise InputError("hidden_size", "none", node.where)
        inputs[_BIAS] = draft.constant(np.zeros((1, 2 * _GATES[node.kind] * units), np.float32))
    kept = {"hidden_size": given["hidden_size"]} if "hidden_size" in given else {}
    kept |= {"linear_before_reset": int(bool(given.get("linear_before_reset", 0)))} if node.kind == "GRU" else {}
    x = chain.op("Transpose", inputs[0], perm=(0, 2, 1) if batch_first else (1, 2, 0))
    if wanted[_EVERY] or not wanted[_LAST]:
        every = chain.op(node.kind, x, *inputs[1:], **kept, **{WINDOW: SEQUENCE})
        turned = chain.op("Transpose", every, perm=(0, 2, 1) if batch_first else (2, 0, 1))
        chain.op("Unsqueeze", turned, [2 if batch_first else 1])
        chain.nodes[-1].outputs = [outputs[_EVERY] or chain.nodes[-1].outputs[0]]
    if wanted[_LAST]:
        last = chain.op(node.kind, x, *inputs[1:], **kept, **{WINDOW: LAST})
        chain.op("Unsqueeze", last, [1 if batch_first else 0])
        chain.nodes[-1].outputs = [outputs[_LAST]]
    return chain.nodes


def _refuse_other(draft: Draft, node: DraftNode) -> None:
    given = node.attributes
    direction = str(given.get("direction", "forward"))
    if direction != "forward":
        raise InputError(f"{node.kind} forward in time", f"direction {direction!r}", node.where,
                         "Both directions need the whole window: train a layer of one direction")  # fmt: skip
    activations = tuple(given.get("activations", _USUAL[node.kind]))
    if activations != _USUAL[node.kind] or given.get("clip") or given.get("input_forget", 0):
        raise InputError(f"{node.kind} with {', '.join(_USUAL[node.kind])}", ", ".join(activations), node.where)
    read = {index: name for index, name in enumerate(node.inputs) if name}
    producers = draft.producers()
    for index in _FIRST:
        if index in read and not is_zero(draft, producers, read[index]):
            raise InputError("a first state of 0", f"the value {read[index]!r}", node.where)
    for index, text in ((_LENGTHS, "lengths of sequences"), (_PEEPHOLES, "peepholes")):
        if index in read and (index == _LENGTHS or not is_zero(draft, producers, read[index])):
            raise InputError(f"{node.kind} without {text}", f"the value {read[index]!r}", node.where)


def is_zero(draft: Draft, producers: dict[str, DraftNode], name: str) -> bool:
    """Return whether a value is zeros, whatever its shape is worked out from."""
    array = draft.array(name)
    if array is not None:
        return array.dtype.kind == "f" and not array.any()
    node = producers.get(name)
    if node is None or node.domain:
        return False
    if node.op == "ConstantOfShape":
        value: Any = node.attributes.get("value")
        return value is None or not np.any(value)
    sources = node.inputs if node.op == "Concat" else node.inputs[:1]
    return node.op in _OF_ZEROS and all(is_zero(draft, producers, source) for source in sources)


def _of_stacked(draft: Draft) -> None:
    """Replace the selection of one layer's last state from those of all layers by that state."""
    producers = draft.producers()
    for node in draft.nodes:
        stack = producers.get(node.inputs[0]) if node.kind == "Gather" else None
        index = draft.array(node.inputs[1]) if stack is not None and stack.kind == "Concat" else None
        if stack is None or index is None or index.ndim:
            continue
        wide = [producers.get(name) for name in stack.inputs]
        axis = int(node.attributes.get("axis", 0))
        alone = [array for array in wide if array is not None and array.kind == "Unsqueeze"]
        if len(alone) == len(wide) and all(_integers(draft, array, 1, "axes") == [axis] for array in alone):
            draft.rename(node.outputs[0], alone[int(index)].inputs[0])


def _last_alone(draft: Draft, node: DraftNode) -> None:
    """Give the last state where a chain of moves behind all states picks the last, and nothing else is read."""
    if node.attributes[WINDOW] != SEQUENCE:
        _without_axis(draft, node)
        return
    readers, axes, name = draft.readers(), ["n", "units", "time"], node.outputs[0]
    while axes != ["n", "units"]:
        after = readers.get(name, [])
        if len(after) != 1 or name in draft.outputs:
            return
        moved = _moved(draft, after[0], axes)
        if not moved:
            return
        axes, name = moved, after[0].outputs[0]
    node.attributes = {**node.attributes, WINDOW: LAST}
    draft.rename(name, node.outputs[0])
    draft.prune()


def _moved(draft: Draft, reader: DraftNode, axes: list[str]) -> list[str]:
    """Return the axes behind an operator that moves them or takes the last of time; nothing for any other.

    Args:
        draft: of the operator.
        reader: the operator.
        axes: names of the axes of what it reads; those of length 1 have none.
    """
    places = _integers(draft, reader, 1, "axes")
    if reader.kind == "Transpose":
        return [axes[source] for source in reader.attributes.get("perm", range(len(axes))[::-1])]
    if reader.kind == "Unsqueeze":
        moved = list(axes)
        for source in sorted(source % (len(axes) + len(places)) for source in places):
            moved.insert(source, "")
        return moved
    if reader.kind == "Squeeze":
        gone = {source % len(axes) for source in places}
        return [] if not gone or any(axes[source] for source in gone) else _without(axes, gone)
    if reader.kind == "Gather":
        index = draft.array(reader.inputs[1])
        axis = int(reader.attributes.get("axis", 0)) % len(axes)
        last = index is not None and index.ndim == 0 and int(index) == -1
        return _without(axes, {axis}) if last and axes[axis] == "time" else []
    if reader.kind == "Slice":
        # From the last to the end, as Keras's converter writes it: the axis stays, with length 1.
        parts = [_integers(draft, reader, source, "") for source in range(1, 5)]
        start, end, (axis,) = parts[0], parts[1], parts[2] if len(parts[2]) == 1 else [-1]
        last = start == [-1] and len(end) == 1 and end[0] >= _END and parts[3] in ([], [1])
        return (
            ["" if source == axis else axis_name for source, axis_name in enumerate(axes)]
            if last and axes[axis] == "time"
            else []
        )
    return []


def _without(axes: list[str], gone: set[int]) -> list[str]:
    return [axis for index, axis in enumerate(axes) if index not in gone]


def _without_axis(draft: Draft, node: DraftNode) -> None:
    """Replace the selection of the only direction of a last state by the state itself."""
    readers = draft.readers()
    for wide in readers.get(node.outputs[0], []):
        places = _integers(draft, wide, 1, "axes") if wide.kind == "Unsqueeze" else []
        for reader in readers.get(wide.outputs[0], []) if len(places) == 1 else []:
            index = draft.array(reader.inputs[1]) if reader.kind == "Gather" else None
            picked = index is not None and not index.ndim and int(index) in (0, -1)
            if picked and int(reader.attributes.get("axis", 0)) % 3 == places[0]:
                draft.rename(reader.outputs[0], node.outputs[0])


def _integers(draft: Draft, node: DraftNode, index: int, attribute: str) -> list[int]:
    if attribute in node.attributes:
        return [int(value) for value in node.attributes[attribute]]
    array = draft.array(node.inputs[index]) if len(node.inputs) > index else None
    return [] if array is None else [int(value) for value in array.ravel()]
