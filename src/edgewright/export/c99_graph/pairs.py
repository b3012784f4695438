"""Values that are written part by part: pairs of channels, values that are put together, and bytes for a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgewright.core.records.network import IntegerValue, Node
from edgewright.export.c99_code.source import Leaf, Routine, Source, Step
from edgewright.export.c99_code.text import NOINLINE, smallest
from edgewright.export.c99_code.unit import LESS, Unit
from edgewright.export.c99_graph.graph import Plan
from edgewright.export.c99_graph.rows import VALUE_BY_VALUE, Group, Rows, channels_of
from edgewright.export.c99_operators import Spot, write_float
from edgewright.export.c99_operators._rounding import byte_text
from edgewright.export.c99_operators.reduction import summing

# Samples at a time: eights, as sums take them.
_TILES = (32, 24, 16, 8)
# Levels that are taken off each channel at most.
_LEVELS = 2


@dataclass(frozen=True)
class Pairs:
    """The part of a group that multiplies rows of a bank with others.

    Attributes:
        mean: place of the node that takes the mean of the products.
        sides: places of the two picks.
        levels: places of the picks that are taken off each of them.
        without: places of nodes that only these need.
    """

    mean: int
    sides: tuple[int, int]
    levels: tuple[tuple[int, ...], tuple[int, ...]]
    without: frozenset[int]


def pairs_of(
    group: Group, rows: Rows, is_pick: Callable[[Node], bool], in_bank: Callable[[Node], bool]
) -> Pairs | None:
    """Return the mean products of pairs of a bank's rows in a group, each less some levels; None where there are none.

    Args:
        group: of a loop.
        rows: where it was found.
        is_pick: whether a node picks channels.
        in_bank: whether it picks them of a bank.
    """
    index_of = {node.outputs[0]: index for index, node in enumerate(group.nodes)}

    def side(name: str) -> tuple[int, tuple[int, ...]] | None:
        levels: list[int] = []
        while name in index_of:
            node = group.nodes[index_of[name]]
            if is_pick(node):
                return (index_of[name], tuple(reversed(levels))) if in_bank(node) else None
            level = index_of.get(node.inputs[1]) if node.op == "Sub" else None
            if level is None or len(levels) == _LEVELS:
                return None
            chosen = group.nodes[level]
            if not is_pick(chosen) or in_bank(chosen) or np.prod(rows.shapes[chosen.outputs[0]][2:]) != 1:
                return None
            levels.append(level)
            name = node.inputs[0]
        return None

    for index, node in enumerate(group.nodes):
        product = index_of.get(node.inputs[0]) if node.op == "ReduceMean" else None
        if product is None or group.nodes[product].op != "Mul" or np.prod(rows.shapes[node.outputs[0]][2:]) != 1:
            continue
        first, second = (side(name) for name in group.nodes[product].inputs)
        if first is not None and second is not None and len(first[1]) == len(second[1]):
            levels = (first[1], second[1])
            return Pairs(index, (first[0], second[0]), levels, _without(group, index_of, index))
    return None


def _without(group: Group, index_of: Mapping[str, int], mean: int) -> frozenset[int]:
    """Return places of nodes of which nothing but the mean has need."""
    needed: set[int] = set()
    waiting = [index_of[name] for name in group.given]
    while waiting:
        index = waiting.pop()
        if index not in needed and index != mean:
            needed.add(index)
            waiting += [index_of[name] for name in group.nodes[index].inputs if name in index_of]
    return frozenset(range(len(group.nodes))) - needed - {mean}


def products(
    unit: Unit,
    routine: Routine,
    samples: int,
    sides: Sequence[Sequence[int]],
    levels: Sequence[Sequence[tuple[Leaf, Sequence[int]]]],
) -> Source | None:
    """Append the mean products; give them, shape (1, pairs), or None where a row has several levels.

    Args:
        unit: where code goes.
        routine: that works a part of a row out.
        samples: of a row.
        sides: rows of the left and of the right of each pair.
        levels: for each side, buffers and places in them of what is taken off each pair's row.
    """
    if not routine.ranged:
        return None
    levels_of: dict[int, tuple[int, ...]] = {}
    for chosen, below in zip(sides, levels, strict=True):
        for pair, row in enumerate(chosen):
            own = tuple(places[pair] for _, places in below)
            if levels_of.setdefault(row, own) != own:
                return None
    if any(a.buffer is not b.buffer for (a, _), (b, _) in zip(*levels, strict=True)):
        return None
    # In the order of what is taken off them, places of a pair are the same among the levels.
    rows = sorted(levels_of, key=lambda row: levels_of[row])
    tile = next((n for n in _TILES if samples % n == 0 and n * len(rows) <= 2 * samples), 0)
    call = summing(unit, "({0} * {1})", (1, 1))
    if call is None or not tile:
        return None
    count = len(sides[0])
    total, part = unit.fresh((1, count)), unit.fresh((1, len(rows), tile))
    name, sums = part.leaves[0].buffer.name, total.leaves[0].buffer.name
    of, left, right = (unit.table(smallest(np.asarray(n))) for n in (
        rows, [rows.index(row) for row in sides[0]], [rows.index(row) for row in sides[1]],
    ))  # fmt: skip
    text, heads, reads = "to[i]", [], {b.key: b for b in routine.buffers}
    for number, (leaf, _) in enumerate(levels[0]):
        places = [levels_of[row][number] for row in rows]
        entry = "row" if places == list(range(len(rows))) else f"{unit.table(smallest(np.asarray(places)))}[row]"
        heads.append(f"        const float less{number} = {leaf.buffer.name}[{entry}];")
        text = f"({text} - less{number})"
        reads[leaf.buffer.key] = leaf.buffer
        unit.use(leaf.buffer)
    lessened = [f"        for (int i = 0; i < {tile}; ++i) {{", f"            to[i] = {text};", "        }"]
    if len(levels[0]) == _LEVELS:
        lessened = [f"        {unit.helper('less', LESS)}(to, to, less0, less1, {tile});"]
    lines = [
        f"for (int pair = 0; pair < {count}; ++pair) {{",
        f"    {sums}[pair] = 0.0f;",
        "}",
        f"for (int from = 0; from < {samples}; from += {tile}) {{",
        f"    for (int row = 0; row < {len(rows)}; ++row) {{",
        f"        float *const to = {name} + {tile} * row;",
        *heads,
        f"        {routine.name}({routine.arguments}, {of}[row], from, {tile}, to);",
        *lessened,
        "    }",
        f"    for (int pair = 0; pair < {count}; ++pair) {{",
        f"        {sums}[pair] += "
        + f"{call}, {tile})".format(f"{name}[{tile} * {left}[pair]]", f"{name}[{tile} * {right}[pair]]")
        + ";",
        "    }",
        "}",
    ]
    buffers = (part.leaves[0].buffer, total.leaves[0].buffer)
    unit.steps.append(Step(tuple(lines), tuple(reads.values()), buffers))
    return total


@dataclass
class Bank:
    """Channels that lie in several places and are worked out row by row where they are read.

    Attributes:
        parts: sources of shape (1, rows, ...).
        routine: the function that gives one row; None until something asks for it.
    """

    parts: list[Source]
    routine: Routine | None = None

    def part_of(self, places: Sequence[int]) -> Source | None:
        """Return rows that lie in one part and advance evenly, as a view."""
        start = 0
        for part in self.parts:
            rows, inside = part.shape[1], [p - start for p in places]
            if min(inside) >= 0 and max(inside) < rows:
                steps = {b - a for a, b in pairwise(inside)} or {1}
                if len(steps) > 1 or min(steps) <= 0:
                    return None
                return part.rows(inside[0], len(inside), steps.pop())
            start += rows
        return None


def parts_of(nodes: Sequence[Node], plan: Plan) -> dict[str, tuple[str, int]]:
    """Values that are put together to one of shape (1, n) and read by nothing else: its name, and where each begins."""
    parts: dict[str, tuple[str, int]] = {}
    seen = {value for _, value in plan.taps}
    producer = {node.outputs[0]: node for node in nodes}
    for node in nodes:
        name, start = node.outputs[0], 0
        if node.op != "Concat" or len(plan.shapes[name]) != len(("batch", "values")) or plan.shapes[name][0] != 1:
            continue
        for part in node.inputs:
            inner = producer.get(part)
            while plan.uses[part] == 1 and part not in seen and inner is not None:
                parts[part] = name, start
                if inner.op != "Reshape" or plan.shapes[inner.inputs[0]][0] != 1:
                    break
                part = inner.inputs[0]
                inner = producer.get(part)
            start += math.prod(plan.shapes[part])
    return parts


def banks_of(plan: Plan, nodes: Sequence[Node], groups: Sequence[Group]) -> set[str]:
    """Return values put together of channels from several places of which nothing but single rows is read by loops."""
    inside = {name for group in groups for name in group.outputs}
    names = set()
    for node in nodes:
        name = node.outputs[0]
        if node.op != "Concat" or len(plan.shapes[name]) < 3 or int(str(node.attributes.get("axis", 0))) != 1:
            continue
        readers = [n for n in nodes if name in n.inputs]
        picks = [n for n in readers if channels_of(n, plan.constants, plan.shapes) is not None]
        if readers and len(picks) == len(readers) == plan.uses[name]:
            parts = [plan.shapes[part][1] for part in node.inputs]
            if all(n.outputs[0] in inside or _evenly(plan, n, parts) for n in picks):
                names.add(name)
    return names


def _evenly(plan: Plan, node: Node, parts: Sequence[int]) -> bool:
    """Return whether rows are picked evenly from one part of what is put together."""
    places = channels_of(node, plan.constants, plan.shapes)
    start = 0
    for rows in parts:
        if places is not None and len(places) and start <= places.min() and places.max() < start + rows:
            steps = set(np.diff(places).tolist()) or {1}
            return len(steps) == 1 and min(steps) > 0
        start += rows
    return False


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
