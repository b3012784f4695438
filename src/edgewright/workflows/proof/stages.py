"""Which values of a graph or of a network of integers are its stages, under the names every form gives them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import run_values, to_integers
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, IntegerNetwork, Value
from edgewright.graph.builder import NO_LABEL, without_mask
from edgewright.graph.extract import float_part, layers, network_values, preprocessing, value_names
from edgewright.proof.tolerance import LABEL, OUTPUT, PREDICTION, PROBABILITIES, Stages

# Comparisons by which trees and rules decide, and what only chooses, moves or turns the values that they compare.
_COMPARED = ("LessOrEqual", "Less")
_MOVING = (*_COMPARED, "Gather", "GatherElements", "Where", "Cast", "Reshape", "Unsqueeze", "Mul", "Neg", "Or", "And",
           "Concat")  # fmt: skip


def boundary_value(graph: Graph, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the values at the boundary with the NumPy engine; the samples themselves where no stage precedes it."""
    if graph.boundary in ("", graph.inputs[0].name):
        return samples
    return np.asarray(compile_graph(graph, (graph.boundary,))(samples)[graph.boundary], np.float32)


def shapes(graph: Graph, stages: dict[str, str]) -> dict[str, tuple[int, ...]]:
    """Shape of one sample at each of the stages."""
    if not stages:
        return {}
    probe = compile_graph(graph, tuple(stages.values()))(np.zeros((1, *graph.inputs[0].shape), np.float32))
    return {stage: tuple(probe[name].shape[1:]) for stage, name in stages.items()}


def comparisons(graph: Graph, last: str) -> list[str]:
    """Return names of the results of comparisons that a model does of unrounded values, from its first value on."""
    reached, compared = {last}, list[str]()
    for node in graph.nodes:
        if node.op in _MOVING and reached.intersection(node.inputs):
            reached.update(node.outputs)
            compared += [node.outputs[0]] if node.op in _COMPARED else []
    return compared


def first_failing(graph: Graph, network: IntegerNetwork | None, samples: NDArray[np.float32]) -> str:
    """Return the first stage that Python cannot compute of samples; empty where it computes all.

    Args:
        graph: of the stages.
        network: integers of this graph; None for its floats.
        samples: shape (n, ...).
    """
    stages = all_values(graph, float_part(graph)) if network is None else preprocessing(graph)
    runs: dict[str, Callable[[], object]] = {
        stage: partial(lambda name: compile_graph(graph, (name,))(samples), name) for stage, name in stages.items()
    }
    if network is not None:
        given = network.values[network.input]
        for stage, number in layers(network).items():
            count = next(i for i, operator in enumerate(network.operators) if operator.output == number) + 1
            part = msgspec.structs.replace(network, operators=network.operators[:count], output=number)
            runs[stage] = partial(
                lambda part: run_values(part, to_integers(given, boundary_value(graph, samples))), part
            )
    for stage, run in runs.items():
        try:
            run()
        except Exception:  # noqa: BLE001 - which one it is, the caller knows
            return stage
    return ""


def ends(graph: Graph) -> dict[str, str]:
    """Public outputs under their stages' names."""
    known = (PROBABILITIES, PREDICTION, LABEL)
    values = {name: name for name in known if any(v.name == name for v in graph.outputs)}
    # A model from elsewhere with several outputs keeps their names.
    return values or {v.name: v.name for v in graph.outputs}


def all_values(graph: Graph, network: IntegerNetwork | None) -> dict[str, str]:
    """Every stage of a graph in order -> its value."""
    return {**preprocessing(graph), **network_values(graph, network), **ends(graph)}


def renamed(values: dict[str, NDArray[Any]], stages: dict[str, str]) -> Stages:
    """Return values of a graph as stages; numbers that are neither bytes nor labels as float32."""
    return {stage: _plain(stage, values[name]) for stage, name in stages.items()}


def _plain(stage: str, values: NDArray[Any]) -> NDArray[Any]:
    if stage == LABEL:
        return np.asarray(values, np.int64).reshape(len(values))
    if values.dtype == np.int8:
        return values
    array = np.asarray(values, np.float32)
    return array.reshape(len(array), -1) if stage in (PROBABILITIES, PREDICTION, OUTPUT) else array


def graph_layout(values: NDArray[Any], graph_shape: tuple[int, ...]) -> NDArray[Any]:
    """Return values of a network, channels last, in the order and shape that the graph gives them."""
    if values.ndim == 4:
        values = values.transpose(0, 3, 1, 2)
    if values[:1].size != int(np.prod(graph_shape)):
        return values
    return values.reshape(len(values), *graph_shape)


def layer_layout(
    network: IntegerNetwork, number: int, values: NDArray[Any], graph_shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return the layout of a network's value that may be flat, channels last."""
    shape = _places(network).get(number)
    if shape is not None and values.ndim == 2:
        values = values.reshape(len(values), *shape)
    return graph_layout(values, graph_shape)


def _places(network: IntegerNetwork) -> dict[int, tuple[int, ...]]:
    """Map values of a row to the (height, width, channels) of their input, where nothing mixed it since."""
    parts: dict[int, tuple[int, ...]] = {}
    for operator in network.operators:
        first, source = operator.inputs[0], network.values[operator.inputs[0]].shape
        target = network.values[operator.output].shape
        if operator.kind == "reshape" and len(source) == 3 and len(target) == 1:
            parts[operator.output] = source
        elif first in parts and target == source and operator.kind != "dense":
            parts[operator.output] = parts[first]
    return parts


def in_a_row(values: NDArray[Any]) -> NDArray[Any]:
    """Raw outputs of a network, channels last, in the order of the graph: (n, k)."""
    return graph_layout(values, values.shape[1:]).reshape(len(values), -1)


def tail(graph: Graph, network: IntegerNetwork) -> Callable[..., Stages]:
    """Return what the graph does with the raw output as real numbers, shape (n, k): probabilities and label.

    Args:
        graph: float, or with its network quantised.
        network: of this graph.

    Returns:
        A function of the raw output and the raw samples, which say what has no answer; all has one without them.
    """
    bare, mask = without_mask(graph)
    after = _after(bare, network)

    def stages(raw: NDArray[np.float32], samples: NDArray[np.float32] | None = None) -> Stages:
        known = after(raw)
        if mask is None or samples is None:
            return known
        absent, fills = mask.unanswered(samples), {PROBABILITIES: 0.0, PREDICTION: np.nan, LABEL: NO_LABEL}
        gone = absent.reshape(-1, 1)
        return {
            stage: np.where(gone if values.ndim > 1 else absent, values.dtype.type(fills[stage]), values)
            if stage in fills
            else values
            for stage, values in known.items()
        }

    return stages


def _after(graph: Graph, network: IntegerNetwork) -> Callable[[NDArray[np.float32]], Stages]:
    names = value_names(graph)
    start = names[network.output]
    if network.rounding != "none":
        start = next(n.outputs[0] for n in graph.nodes if n.op == "DequantizeLinear" and n.inputs[0] == start)
    kept, reached = [], {start}
    for node in graph.nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            kept.append(node)
    wanted = ends(graph)
    source = Value(name=start, shape=(-1,))
    if start in wanted.values() and not kept:
        return lambda x: dict.fromkeys(wanted, x)
    run = compile_graph(msgspec.structs.replace(graph, inputs=(source,), nodes=tuple(kept)), tuple(wanted.values()))
    return lambda x: renamed(run(np.asarray(x, np.float32)), wanted)
