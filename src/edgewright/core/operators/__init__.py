"""ONNX operators in NumPy. Every module of this folder is a family; a new operator is one decorated function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewright.core import catalogue
from edgewright.core.errors import UnknownNameError
from edgewright.core.records.network import Array, Node

Function = Callable[..., Array]
# A node and its inputs (None where an input is no constant) -> a function of all its inputs, in their order, None for
# one that is left out. Whatever does not change between calls is worked out here, once.
Factory = Callable[[Node, Sequence[Array | None]], Function]

operator = catalogue.Registry[Factory](__name__)
"""Registers the factory of operators, as ONNX calls them."""


def plain(function: Function) -> Factory:
    """Return the factory of an operator without attributes."""
    return lambda _node, _constants: function


def prepare(node: Node, constants: Sequence[Array | None]) -> Function:
    """Make the function of a node.

    Raises:
        UnknownNameError: naming the operator, the node and the known operators.
        InputError: for attributes or inputs an operator cannot take.
    """
    factory = operator.known.get(node.op)
    if factory is None:
        raise UnknownNameError("operator", node.op, operator.known, where(node))
    return factory(node, constants)


def where(node: Node) -> str:
    """How messages name a node: ONNX gives nodes no name that must exist, outputs have one."""
    return f"operator {node.op} that gives {node.outputs[0] if node.outputs else 'nothing'!r}"
