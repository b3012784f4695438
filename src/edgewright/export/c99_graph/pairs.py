"""Mean products of pairs of channels, all pairs at once: each channel is worked out once, a few samples at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.export.c99_code.source import Leaf, Routine, Source, Step
from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_code.unit import LESS, Unit
from edgewright.export.c99_graph.rows import Group, Rows
from edgewright.export.c99_operators.reduction import summing
from edgewright.schema.graph import Node

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
