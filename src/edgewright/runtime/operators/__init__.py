"""ONNX operators in NumPy. Every module of this folder is a family; a new operator is one decorated function."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import cache
from types import MappingProxyType

from edgewright.runtime import catalogue
from edgewright.schema.errors import UnknownNameError
from edgewright.schema.graph import Array, Node

Function = Callable[..., Array]
# A node and its inputs (None where an input is no constant) -> a function of all its inputs, in their order, None for
# one that is left out. Whatever does not change between calls is worked out here, once.
Factory = Callable[[Node, Sequence[Array | None]], Function]

_REGISTRY: dict[str, Factory] = {}


def operator(*names: str) -> Callable[[Factory], Factory]:
    """Registers the factory of the operators `names`, as ONNX calls them."""

    def register(factory: Factory) -> Factory:
        for name in names:
            _REGISTRY[name] = factory
        return factory

    return register


def plain(function: Function) -> Factory:
    """The factory of an operator without attributes."""
    return lambda _node, _constants: function


@cache
def registered() -> MappingProxyType[str, Factory]:
    """All operators by name, from every family file."""
    for module in catalogue.names(__name__):
        importlib.import_module(f"{__name__}.{module}")
    return MappingProxyType(_REGISTRY)


def prepare(node: Node, constants: Sequence[Array | None]) -> Function:
    """Makes the function of a node.

    Raises:
        UnknownNameError: naming the operator, the node and the known operators.
        InputError: for attributes or inputs an operator cannot take.
    """
    factory = registered().get(node.op)
    if factory is None:
        raise UnknownNameError("operator", node.op, registered(), where(node))
    return factory(node, constants)


def where(node: Node) -> str:
    """How messages name a node: ONNX gives nodes no name that must exist, outputs have one."""
    return f"operator {node.op} that gives {node.outputs[0] if node.outputs else 'nothing'!r}"
