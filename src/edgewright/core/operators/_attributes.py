"""Attributes and constant inputs of a node, checked."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node


def integer(node: Node, name: str, default: int) -> int:
    """Return an integer attribute."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int):
        raise InputError(f"an integer for {name!r}", repr(value), where(node))
    return value


def number(node: Node, name: str, default: float) -> float:
    """Return a float attribute."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int | float):
        raise InputError(f"a number for {name!r}", repr(value), where(node))
    return float(value)


def text(node: Node, name: str, default: str) -> str:
    """Return a text attribute."""
    value = node.attributes.get(name, default)
    if not isinstance(value, str):
        raise InputError(f"text for {name!r}", repr(value), where(node))
    return value


def integers(node: Node, name: str) -> tuple[int, ...] | None:
    """Return an attribute that is a list of integers; None when it is left out."""
    value = node.attributes.get(name)
    if value is None:
        return None
    if not isinstance(value, tuple):
        raise InputError(f"integers for {name!r}", repr(value), where(node))
    return tuple(int(v) for v in value)


def given(node: Node, index: int) -> bool:
    """Return whether the input `index` is not left out."""
    return len(node.inputs) > index and node.inputs[index] != ""


def constant_integers(
    node: Node, constants: Sequence[Array | None], index: int, attribute: str = ""
) -> tuple[int, ...] | None:
    """Return integers that older opsets give as an attribute and newer ones as an input; None when left out.

    Raises:
        InputError: when the input is computed by the graph, which the dialect does not allow here.
    """
    if not given(node, index):
        return integers(node, attribute) if attribute else None
    constant = constants[index]
    if constant is None:
        raise InputError("a constant", f"the computed value {node.inputs[index]!r}", f"{where(node)}, input {index}")
    return tuple(int(v) for v in constant.ravel())
