"""A graph whose results are perturbed on their way, which shows what rounding can make of its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.executor import Run, compile_graph
from edgewright.core.operators import Function
from edgewright.graph.builder import leading_to
from edgewright.proof.tolerance import DRAWS, perturbed_results, perturbed_sums
from edgewright.schema.graph import Graph, Node

# Operator that moves a result, and that of a sum with the sum of its terms' sizes and one of its terms' arrays.
_MOVE, _MOVE_SUM = "MovedResult", "MovedSum"
_SUMS = ("ReduceSum", "ReduceMean")


def rounded(
    graph: Graph, values: Sequence[str], samples: NDArray[np.float32], *, until: Sequence[str] = ()
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield some values of a graph `DRAWS` times, with other rounding of every result on the way each time.

    Args:
        graph: with one input.
        values: that are given.
        samples: of the input, shape (n, ...).
        until: as of `with_perturbed_results`.
    """
    generator = np.random.default_rng(0)
    run = with_perturbed_results(graph, values, perturbed_results(generator), perturbed_sums, until=until)
    return (run(samples) for _ in range(DRAWS))


def with_perturbed_results(
    graph: Graph,
    values: Sequence[str],
    move: Function,
    move_sum: Callable[[int], Function],
    *,
    until: Sequence[str] = (),
) -> Run:
    """Prepare a graph in which every result on the way to some of its values goes through a function.

    Args:
        graph: with one input.
        values: that are given.
        move: of a result, such as `perturbed_results` of `proof.tolerance`.
        move_sum: returns, for the number of a sum or mean, a function of the sum, the same of its terms' sizes, and its
            terms, such as `perturbed_sums`.
        until: values on whose way results go through a function, and none behind them; `values` when empty.
    """
    moved = {name for node in leading_to(graph, until or values) for name in node.outputs}
    nodes: list[Node] = []
    moving = {_MOVE: move}
    for node in graph.nodes:
        if moved.isdisjoint(node.outputs):
            nodes.append(node)
            continue
        exact = tuple(name and f"{name} exact" for name in node.outputs)
        nodes.append(msgspec.structs.replace(node, outputs=exact))
        if node.op in _SUMS:
            (name,), (terms, *axes) = node.outputs, node.inputs
            sizes, total = f"{name} sizes", f"{name} total"
            nodes.append(Node(op="Abs", inputs=(terms,), outputs=(sizes,)))
            nodes.append(msgspec.structs.replace(node, inputs=(sizes, *axes), outputs=(total,)))
            operator = f"{_MOVE_SUM}{len(moving)}"
            moving[operator] = move_sum(len(moving) - 1)
            nodes.append(Node(op=operator, inputs=(exact[0], total, terms), outputs=(name,)))
            continue
        pairs = zip(exact, node.outputs, strict=True)
        nodes += [Node(op=_MOVE, inputs=(inside,), outputs=(name,)) for inside, name in pairs if name]
    return compile_graph(msgspec.structs.replace(graph, nodes=tuple(nodes)), tuple(values), own=moving)
