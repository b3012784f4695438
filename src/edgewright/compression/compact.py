"""A graph without what nobody reads, under short names: bytes of the file."""

from __future__ import annotations

from itertools import count

import msgspec

from edgewright.schema.graph import Graph, Node, StageMark

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def shorten(graph: Graph) -> Graph:
    """Gives every interior value and constant a name of one or two letters; inputs and outputs keep theirs."""
    public = {v.name for v in (*graph.inputs, *graph.outputs)} | {""}
    fresh = (name for name in map(_name, count()) if name not in public)
    names = {name: name for name in public}
    for name in (*graph.constants, *(output for node in graph.nodes for output in node.outputs)):
        if name not in names:
            names[name] = next(fresh)
    nodes = tuple(
        Node(
            op=node.op,
            inputs=tuple(names[n] for n in node.inputs),
            outputs=tuple(names[n] for n in node.outputs),
            attributes=node.attributes,
        )
        for node in graph.nodes
    )
    return msgspec.structs.replace(
        graph,
        nodes=nodes,
        constants={names[name]: array for name, array in graph.constants.items()},
        stages=tuple(StageMark(stage=mark.stage, value=names[mark.value]) for mark in graph.stages),
        boundary=names[graph.boundary],
    )


def _name(number: int) -> str:
    name = ""
    while True:
        number, letter = divmod(number, len(_LETTERS))
        name = _LETTERS[letter] + name
        if number == 0:
            return name
        number -= 1
