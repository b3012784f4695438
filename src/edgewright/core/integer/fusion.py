"""A graph whose int8 network runs as one operator on integers: the bytes that generated C gives, not nearly those."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from edgewright.core.integer.network import Int8, NetworkFunction, to_integers, with_rounding
from edgewright.core.integer.qdq import Integers
from edgewright.core.integer.reader import rounding_of
from edgewright.core.operators import Function, where
from edgewright.core.prediction.executor import Run, compile_graph
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Graph, Node
from edgewright.schema.integer import IntegerNetwork

_OPERATOR = "IntegerNetwork"
_MOVES = ("reshape", "transpose")


def has_integer_form(graph: Graph) -> bool:
    """Return whether `compile_fused` takes a graph: the base install then answers as generated C does."""
    try:
        compile_fused(graph)
    except InputError:
        return False
    return True


# From a network to a function of its input bytes that gives its raw outputs.
Maker = Callable[[IntegerNetwork], Callable[[Int8], Int8]]


def compile_fused(graph: Graph, make: Maker = NetworkFunction) -> Run:
    """Prepare a quantised graph: float preprocessing, the network in integers, and what follows it.

    Args:
        graph: QDQ form; its rounding is that of `rounding_of`.
        make: the function of its network; another one where a device has learned.

    Returns:
        As `executor.compile_graph`.

    Raises:
        InputError: when its network has no integer form, or something else reads values inside it.
    """
    reader = Integers(graph)
    network = reader.read()
    end, network = _end(reader, network)
    function = _function(with_rounding(network, rounding_of(graph)), reader.shapes[end], make)
    node = Node(op=_OPERATOR, inputs=(graph.boundary,), outputs=(end,))
    nodes = tuple(_fused(graph, node, reader.known))
    read = {name for node in nodes for name in node.inputs}
    constants = {name: array for name, array in graph.constants.items() if name in read}
    return compile_graph(msgspec.structs.replace(graph, nodes=nodes, constants=constants), own={_OPERATOR: function})


def _end(reader: Integers, network: IntegerNetwork) -> tuple[str, IntegerNetwork]:
    """Return the last bytes that the graph has a name for, and the network up to them."""
    names = {number: name for name, number in reversed(reader.known.items()) if name not in reader.reals}
    operators = network.operators
    while operators and operators[-1].output not in names and operators[-1].kind in _MOVES:
        operators = operators[:-1]
    if not operators or operators[-1].output not in names:
        raise InputError("raw outputs that are bytes", "none", f"graph {network.name}")
    number = operators[-1].output
    return names[number], msgspec.structs.replace(network, operators=operators, output=number)


def _function(network: IntegerNetwork, shape: tuple[int, ...], make: Maker) -> Function:
    """From real numbers at the boundary to raw bytes, shaped as in the graph: channels first."""
    source, ask = network.values[network.input], make(network)
    turned = len(network.values[network.output].shape) == 3

    def run(x: Array) -> Array:
        outputs = ask(to_integers(source, x))
        return (outputs.transpose(0, 3, 1, 2) if turned else outputs).reshape(len(x), *shape)

    return run


def _fused(graph: Graph, fused: Node, known: dict[str, int]) -> Iterable[Node]:
    """Return the nodes that are still needed, with one in place of all that lead from the boundary to its output."""
    (end,) = fused.outputs
    needed, kept = {value.name for value in graph.outputs}, list[Node]()
    for node in reversed(graph.nodes):
        if not needed.intersection(node.outputs):
            continue
        inner = [name for name in node.outputs if known.get(name, known[end]) < known[end]]
        if inner:
            raise InputError("a network that only its raw outputs leave", f"{inner[0]!r} read elsewhere", where(node))
        kept.append(fused if end in node.outputs else node)
        needed.update(kept[-1].inputs)
    return reversed(kept)
