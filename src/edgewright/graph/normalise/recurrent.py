"""LSTM and GRU of the standard, time or batch first, as operators over windows (n, channels, samples)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewright.core.errors import GraphError, InputError
from edgewright.core.operators.shape import GRU_STEPS, LAST, SEQUENCE, WINDOW
from edgewright.core.records.network import Array
from edgewright.graph.draft import Chain, Draft, DraftNode, Parsed, refused_branch
from edgewright.graph.normalise.operators import Values, call

_ROWS, _TOLERANCE = 5, 1e-5
_MISFIT = (ValueError, TypeError, IndexError, AttributeError, ArithmeticError, KeyError, InputError)


@dataclass(frozen=True)
class _Cell:
    """Weights as Keras has them, (channels, 3 units) and (units, 3 units), both biases, and where the reset stands."""

    weights: Array
    recurrent: Array
    bias: Array
    late: int

    def step(self, x: Array, state: Array) -> Array:
        """Return the state after a sample."""
        coming = x @ self.weights + self.bias[0]
        return GRU_STEPS[self.late](coming, self.recurrent, self.bias[1], (state,))[0]


def convert_gru_loops(draft: Draft) -> None:
    """Replace every loop by a GRU.

    Raises:
        InputError: for a loop that is none.
    """
    nodes: list[DraftNode] = []
    for node in draft.nodes:
        nodes += _rewrite_loop(draft, node) if node.kind == "Loop" else [node]
    draft.nodes = nodes


def _rewrite_loop(draft: Draft, node: DraftNode) -> list[DraftNode]:
    body, count = node.attributes.get("body"), draft.array(node.inputs[0]) if node.inputs else None
    if not isinstance(body, Parsed) or count is None or count.size != 1:
        raise refused_branch("body", node)
    samples, carried = int(count.reshape(-1)[0]), [declared.name for declared in body.inputs[2:]]
    outer = dict(zip(carried, node.inputs[2:], strict=False))
    given = dict(zip(carried, body.outputs[1:], strict=False))
    producers = draft.producers()
    states = [name for name in carried if is_zero(draft, producers, outer[name])]
    same = {
        name: draft.constants[outer[name]] for name in carried if given[name] == name and outer[name] in draft.constants
    }
    fixed: Values = {**draft.constants, **body.constants, **same}
    inside = {
        *fixed,
        *carried,
        *(declared.name for declared in body.inputs),
        *(o for declared in body.nodes for o in declared.outputs),
    }
    read = {name for declared in body.nodes for name in declared.inputs if name}
    if len(states) != 1 or len(read - inside) != 1:
        raise refused_branch("body", node)
    (state,), (window,) = states, read - inside
    counters = {name: draft.constants[outer[name]] for name in carried if name not in same and name != state}
    wanted = [given[state], *body.outputs[1 + len(carried) :]]
    for cell in _cells({name: fixed[name] for name in sorted(read & set(fixed))}):
        rng = np.random.default_rng(samples)
        for step in sorted({0, samples // 2, samples - 1}):
            x = rng.standard_normal((samples, _ROWS, len(cell.weights))).astype(np.float32)
            hidden = rng.uniform(-1, 1, (_ROWS, len(cell.recurrent))).astype(np.float32)
            now = {name: np.asarray(start + step, start.dtype) for name, start in counters.items()}
            start = {**fixed, **now, window: x, state: hidden, body.inputs[0].name: np.asarray(step)}
            if not _is_step(
                body,
                {**start, body.inputs[1].name: np.asarray(True)},
                wanted,
                cell.step(x[step], hidden),
                step < samples - 1,
            ):
                break
        else:
            final = [node.outputs[carried.index(state)], *node.outputs[len(carried) :]]
            return _written(draft, window, cell, final, samples)
    raise refused_branch("body", node)


def _cells(fixed: Values) -> Iterator[_Cell]:
    """Yield every way in which constants can be the weights of a GRU."""
    tables = {name: array for name, array in fixed.items() if array.dtype == np.float32 and array.ndim == 2}
    for name, recurrent in tables.items():
        gates = recurrent.shape[1]
        if gates != 3 * len(recurrent):
            continue
        biases = [np.zeros((2, gates), np.float32)]
        biases += [array for array in tables.values() if array.shape == (2, gates)]
        flat = (array for array in fixed.values() if array.shape == (gates,))
        biases += [np.stack([array, np.zeros_like(array)]) for array in flat]
        for other, weights in tables.items():
            if other != name and weights.shape[1] == gates:
                yield from (_Cell(weights, recurrent, bias, late) for bias in biases[::-1] for late in GRU_STEPS)


def _is_step(body: Parsed, values: Values, wanted: list[str], answer: Array, goes_on: bool) -> bool:
    """Return whether the body returns its answer as the new state and continues while it must."""
    try:
        for node in body.nodes:
            inputs = [values[name] if name else None for name in node.inputs]
            if node.kind == "Split" and len(node.inputs) == 1:
                parts = np.split(values[node.inputs[0]], len(node.outputs), int(node.attributes.get("axis", 0)))
                values |= dict(zip(node.outputs, parts, strict=True))
            else:
                values[node.outputs[0]] = np.asarray(call(node, inputs))
        ends = [values[name] for name in wanted]
        went_on = bool(np.all(values[body.outputs[0]]))
    except _MISFIT:
        return False
    alike = all(end.shape == answer.shape and np.abs(end - answer).max() < _TOLERANCE for end in ends)
    return alike and (went_on or not goes_on)


def _written(draft: Draft, window: str, cell: _Cell, final: list[str], samples: int) -> list[DraftNode]:
    """Return a GRU over the first samples of a window, time first; `final` is its last state, then all of them."""
    chain = Chain(draft)
    x = chain.op("Slice", window, [0], [samples], [0])
    arrays = [np.ascontiguousarray(array.T)[None] for array in (cell.weights, cell.recurrent)]
    names = [draft.constant(array) for array in (*arrays, cell.bias.reshape(1, -1))]
    settings = {"hidden_size": len(cell.recurrent), "linear_before_reset": cell.late}
    every, last = draft.fresh("every"), draft.fresh("last")
    chain.nodes.append(DraftNode("GRU", [x, *names], [every, last], settings))
    for index, output in enumerate(final):
        source, axis = (every, 1) if index else (last, 0)
        chain.nodes.append(DraftNode("Squeeze", [source, draft.integers([axis])], [output]))
    return chain.nodes


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


def convert_recurrent_layers(draft: Draft) -> None:
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
        raise GraphError("states of an LSTM", "its cells read", node.where, "Give the output or the hidden state")
    units = int(given.get("hidden_size", 0))
    inputs = [*node.inputs, "", "", ""][: _BIAS + 1]
    if not inputs[_BIAS]:
        if units < 1:
            raise GraphError("hidden_size", "none", node.where)
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
        raise GraphError(f"{node.kind} forward in time", f"direction {direction!r}", node.where,
                         "Both directions need the whole window: train a layer of one direction")  # fmt: skip
    activations = tuple(given.get("activations", _USUAL[node.kind]))
    if activations != _USUAL[node.kind] or given.get("clip") or given.get("input_forget", 0):
        raise GraphError(f"{node.kind} with {', '.join(_USUAL[node.kind])}", ", ".join(activations), node.where)
    read = {index: name for index, name in enumerate(node.inputs) if name}
    producers = draft.producers()
    for index in _FIRST:
        if index in read and not is_zero(draft, producers, read[index]):
            raise GraphError("a first state of 0", f"the value {read[index]!r}", node.where)
    for index, text in ((_LENGTHS, "lengths of sequences"), (_PEEPHOLES, "peepholes")):
        if index in read and (index == _LENGTHS or not is_zero(draft, producers, read[index])):
            raise GraphError(f"{node.kind} without {text}", f"the value {read[index]!r}", node.where)


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
