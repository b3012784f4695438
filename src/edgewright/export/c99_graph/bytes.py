"""Values that go to an integer network byte by byte: each is scaled and rounded as soon as it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewright.export.c99_code.source import Leaf, Source
from edgewright.export.c99_code.text import NOINLINE
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.graph import Plan
from edgewright.export.c99_graph.rows import VALUE_BY_VALUE
from edgewright.export.c99_operators import Spot, write_float
from edgewright.export.c99_operators._rounding import byte_text
from edgewright.schema.graph import Node
from edgewright.schema.integer import IntegerValue

# The function that makes a byte of a value, and the value.
_PUT, _VALUE = "put", "x"


@dataclass(frozen=True)
class Bytes:
    """The end of what is before an integer network, where it treats each of some values put together by itself.

    Attributes:
        unit: where code goes.
        chain: nodes between the values and the network.
        values: what each of these, and what puts them together, gives of one value.
        bytes: input of the network.
    """

    unit: Unit
    chain: tuple[Node, ...]
    values: dict[str, Source]
    bytes: Source

    def write(self, plan: Plan, value: IntegerValue) -> Source:
        """Write the function that makes a byte of a value, and keeps its stages; return all bytes."""
        unit, count = self.unit, self.bytes.leaves[0].buffer.size
        taps = [
            f"    {unit.next_tap(count)}[at] = {_at(source)};"
            for name, source in self.values.items()
            for _, tapped in plan.taps
            if tapped == name
        ]
        lines = [
            "/* Scales and rounds one of the values that the network takes. */",
            f"@_apart static void @_{_PUT}(int8_t *to, int at, float {_VALUE}) {{",
            *([f"#ifdef {unit.name.upper()}_TAPS", *taps, "#endif"] if taps else []),
            f"    to[at] = {byte_text(unit, _at(list(self.values.values())[-1]), value)};",
            "}",
        ]
        unit.mark(self.values.values())
        unit.helper("apart", NOINLINE)
        unit.helper(_PUT, "\n".join(lines))
        return self.bytes


def bytes_of(unit: Unit, plan: Plan, boundary: str, names: Mapping[str, str]) -> Bytes | None:
    """Return the end of what is before a network, if it treats each of some values put together by itself.

    Args:
        unit: where code goes.
        plan: of the graph.
        boundary: what the network's bytes are made of.
        names: stage of a node, by output.
    """
    index_of = {node.outputs[0]: index for index, node in enumerate(plan.before)}
    shape, name, chain = plan.shapes.get(boundary, ()), boundary, list[Node]()
    while name in index_of and plan.shapes[name] == shape and plan.uses[name] == (name != boundary):
        node = plan.before[index_of[name]]
        if node.op == "Concat":
            later = {other.outputs[0] for other in plan.before[index_of[name] + 1 :] if other not in chain}
            # Stages are kept in their order.
            fits = len(shape) == len(("batch", "values")) and later.isdisjoint(value for _, value in plan.taps)
            return _bytes(unit, plan, name, chain[::-1], names) if fits else None
        given = [part for part in node.inputs if part and part not in plan.constants]
        if node.op not in VALUE_BY_VALUE or len(given) != 1:
            return None
        chain.append(node)
        name = given[0]
    return None


def _bytes(unit: Unit, plan: Plan, name: str, chain: Sequence[Node], names: Mapping[str, str]) -> Bytes:
    shape = plan.shapes[name]
    values = {name: unit.source(unit.buffer(shape[-1], "float32", _VALUE), shape)}
    for node in chain:
        output = node.outputs[0]
        unit.layer = names.get(output, "")
        constants = tuple(plan.constants.get(part) for part in node.inputs)
        sources = tuple(
            values.get(part) if array is None else unit.constant(array)
            for part, array in zip(node.inputs, constants, strict=True)
        )
        values[output] = write_float(Spot(unit, node, sources, constants, shape, plan.kinds[output]))
    memory = unit.fresh(shape, "int8")
    unit.reserved[name] = unit.packed(memory, _PUT)
    return Bytes(unit, tuple(chain), values, memory)


def _at(source: Source) -> str:
    """Return the C of an expression at the place `at`."""
    return source.text.format(*(_entry(leaf) for leaf in source.leaves))


def _entry(leaf: Leaf) -> str:
    if leaf.buffer.name == _VALUE:
        return _VALUE
    return f"{leaf.buffer.name}[{f'{leaf.offset} + ' if leaf.offset else ''}{'at' if leaf.view.strides[-1] else '0'}]"
