"""Running a graph in NumPy: prepared once, then a list of calls over numbered slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.operators import Function, prepare, where
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Graph, Node, Value

Run = Callable[[NDArray[Any]], dict[str, Array]]
# What NumPy raises when an operator gets shapes or types that do not go together.
_MISFIT = (ValueError, TypeError, IndexError, AttributeError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class _Step:
    """One node: its function, the slots it reads and writes, and the slots nobody reads afterwards."""

    node: Node
    function: Function
    inputs: tuple[int, ...]
    output: int
    frees: tuple[int, ...] = ()


def compile_graph(
    graph: Graph, outputs: Sequence[str] | None = None, *, own: Mapping[str, Function] | None = None
) -> Run:
    """Prepare a graph for many runs.

    Nodes whose inputs are all constants are worked out now; a value is dropped after its last use.

    Args:
        graph: with one input, batch first.
        outputs: names of the values to give, interior ones included; the graph's own outputs when None.
        own: functions of operators that only this graph has, by their names.

    Returns:
        A function of the input, shape (n, *input shape), cast to the type the graph declares, that gives the values
        by name. It keeps nothing between calls, so threads may share it.

    Raises:
        UnknownNameError: for an operator that is not known, naming the node.
        InputError: for a graph that is not whole, or a value that no node gives.
    """
    if len(graph.inputs) != 1:
        raise InputError("a graph with one input", f"{len(graph.inputs)}", f"graph {graph.name}")
    source = graph.inputs[0]
    wanted = tuple(v.name for v in graph.outputs) if outputs is None else tuple(outputs)
    slots, template = _slots(graph)
    steps = _steps(_needed(graph, wanted), slots, template, own or {})
    for name in wanted:
        if name not in slots:
            raise InputError("a value of the graph", repr(name), f"graph {graph.name}")
    places = tuple((name, slots[name]) for name in wanted)
    return _runner(_freed(steps, {slot for _, slot in places}), template, source, slots[source.name], places)


def _slots(graph: Graph) -> tuple[dict[str, int], list[Any]]:
    """Return a number for every value, and the list of values with the constants in place; slot 0 is 'left out'."""
    slots: dict[str, int] = {"": 0}
    template: list[Any] = [None]
    for name, array in graph.constants.items():
        slots[name] = len(template)
        template.append(array)
    names = [graph.inputs[0].name, *(output for node in graph.nodes for output in node.outputs)]
    for name in names:
        if name and name in slots:
            raise InputError("names of values that differ", f"{name!r} twice", f"graph {graph.name}")
        slots[name] = len(template)
        template.append(None)
    slots[""] = 0
    return slots, template


def _needed(graph: Graph, wanted: Sequence[str]) -> list[Node]:
    """Return the nodes that the wanted values depend on, in their order."""
    needed, kept = set(wanted), []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _steps(nodes: list[Node], slots: dict[str, int], template: list[Any], own: Mapping[str, Function]) -> list[_Step]:
    steps: list[_Step] = []
    known = {name for name, slot in slots.items() if template[slot] is not None}
    computed = {slot for name, slot in slots.items() if name and template[slot] is None}
    computed -= {slots[output] for node in nodes for output in node.outputs}
    for node in nodes:
        if len([name for name in node.outputs if name]) != 1:
            raise InputError("one output", str(len(node.outputs)), where(node))
        missing = [n for n in node.inputs if n not in slots or (n and n not in known and slots[n] not in computed)]
        if missing:
            raise InputError("inputs that an earlier node gives", repr(missing[0]), where(node))
        inputs, output = tuple(slots[name] for name in node.inputs), slots[node.outputs[0]]
        constants = [template[slot] for slot in inputs]
        step = _Step(node, own.get(node.op) or _prepared(node, constants), inputs, output)
        if all(name == "" or name in known for name in node.inputs) and node.inputs:
            template[output] = _call(step, constants)
            known.add(node.outputs[0])
        else:
            steps.append(step)
            computed.add(output)
    return steps


def _prepared(node: Node, constants: list[Any]) -> Function:
    try:
        return prepare(node, constants)
    except _MISFIT as error:
        raise InputError("inputs and attributes the operator takes", _short(error), where(node)) from None


def _call(step: _Step, values: list[Any]) -> Array:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(step.function(*values))
    except _MISFIT as error:
        raise InputError("constants that fit", _short(error), where(step.node)) from None


def _freed(steps: list[_Step], kept: set[int]) -> list[_Step]:
    last: dict[int, int] = {}
    for index, step in enumerate(steps):
        last.update(dict.fromkeys((*step.inputs, step.output), index))
    outputs = {step.output for step in steps}
    return [
        _Step(
            step.node,
            step.function,
            step.inputs,
            step.output,
            tuple({s for s in (*step.inputs, step.output) if s in outputs and s not in kept and last[s] == index}),
        )
        for index, step in enumerate(steps)
    ]


def _runner(
    steps: list[_Step], template: list[Any], value: Value, source: int, places: tuple[tuple[str, int], ...]
) -> Run:
    # Plain tuples, two inputs spelled out: this loop is most of the time of a small network.
    plan = [
        (s.function, len(s.inputs), (*s.inputs, 0, 0)[0], (*s.inputs, 0, 0)[1], s.inputs, s.output, s.frees)
        for s in steps
    ]
    by_output = {s.output: s for s in steps}
    shape, rank, dtype = value.shape, len(value.shape) + 1, np.dtype(value.dtype)
    free_axes = any(length < 0 for length in shape)

    def run(x: NDArray[Any]) -> dict[str, Array]:
        if x.ndim != rank or (x.shape[1:] != shape and not free_axes):
            raise InputError(f"input of shape (n, {', '.join(map(str, shape))})", f"shape {x.shape}")
        slots = template.copy()
        slots[source] = x if x.dtype is dtype else x.astype(dtype)
        output = 0
        try:
            with np.errstate(all="ignore"):
                for function, count, a, b, inputs, output, frees in plan:
                    if count == 2:
                        slots[output] = function(slots[a], slots[b])
                    elif count == 1:
                        slots[output] = function(slots[a])
                    else:
                        slots[output] = function(*[slots[i] for i in inputs])
                    for slot in frees:
                        slots[slot] = None
        except _MISFIT as error:
            raise _misfit(by_output[output], slots, error) from None
        return {name: slots[slot] for name, slot in places}

    return run


def _misfit(step: _Step, slots: list[Any], error: BaseException) -> InputError:
    shapes = ", ".join("none" if slots[i] is None else str(np.shape(slots[i])) for i in step.inputs)
    return InputError("shapes and types that go together", f"{shapes}: {_short(error)}", where(step.node))


def _short(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
