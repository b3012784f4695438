"""Loops over the samples of a window whose body is a GRU's step: Keras's exporter has no other form of a GRU.

A body is recognised by what it answers, not by its operators, which change from release to release: for random
samples and states it must give the new states of a GRU with the weights that stand in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgewright.core.operators.recurrent import GRU_STEPS
from edgewright.graph.draft import Chain, Draft, DraftNode
from edgewright.graph.from_onnx_parse import Parsed, refused_branch
from edgewright.graph.normalise._values import Values, call
from edgewright.graph.normalise.recurrent import is_zero
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

ORDER = 5
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


def run(draft: Draft) -> None:
    """Replace every loop by a GRU.

    Raises:
        InputError: for a loop that is none.
    """
    nodes: list[DraftNode] = []
    for node in draft.nodes:
        nodes += _rewritten(draft, node) if node.kind == "Loop" else [node]
    draft.nodes = nodes


def _rewritten(draft: Draft, node: DraftNode) -> list[DraftNode]:
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
