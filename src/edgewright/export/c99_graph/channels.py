"""Groups of nodes written as loops over the channels, in the memory of one channel (`rows`)."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgewright.core.records.network import Node
from edgewright.export.c99_code.source import COUNTER, ROW, Buffer, Leaf, Routine, Source, Step, combined, work
from edgewright.export.c99_code.text import TYPES, number, smallest
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.graph import Plan
from edgewright.export.c99_graph.pairs import Bank, pairs_of, parts_of, products
from edgewright.export.c99_graph.rows import Group, Rows, channels_of
from edgewright.export.c99_operators import Spot, write_float

# The loop over a row.
_RANGED = re.compile(r"int i0 = 0; i0 < \d+;")
# Operators in a row of a channel that are rather repeated than kept.
_REPEATED = 2
# Groups of one loop whose outputs are written to where they are put together.
_PLACED = 2


@dataclass
class _Loop:
    """A loop being written: pointers to its row of what lies outside."""

    unit: Unit
    pointers: dict[tuple[int, str], tuple[Buffer, Buffer, str]] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)

    def pointer(self, base: Buffer, location: str) -> Buffer:
        """Return what stands for a buffer from a place on."""
        key = base.key, location
        if key not in self.pointers:
            stand_in = self.unit.buffer(base.size, base.kind, f"r{len(self.pointers)}")
            taker = self.unit.takers.get(base.key)
            if taker is not None:
                self.unit.takers[stand_in.key] = taker[0], location, taker[2]
                return stand_in
            self.pointers[key] = stand_in, base, location
            self.unit.use(base)
        return self.pointers[key][0]

    def row(self, source: Source, axis: int = 1) -> Source:
        """One row of a value."""
        leaves = []
        for leaf in source.leaves:
            stride = leaf.view.strides[axis]
            first = leaf.view[(slice(None),) * axis + (slice(0, 1),)]
            if leaf.view.shape[axis] == 1 or stride == 0:
                leaves.append(Leaf(leaf.buffer, leaf.base, first))
            else:
                leaves.append(Leaf(self.pointer(leaf.buffer, _times(stride)), leaf.base, first))
        shape = (*source.shape[:axis], 1, *source.shape[axis + 1 :])
        return Source(shape, source.kind, tuple(leaves), source.text)

    def placed(self, source: Source, starts: Sequence[int], rows: Sequence[int], rest: tuple[int, ...]) -> Source:
        """One row, of shape `rest`, of a value whose parts, so many rows each, begin at these places of a buffer."""
        leaf, each = source.leaves[0], math.prod(rest)
        location = _times(each)
        if len(starts) > 1:
            text = f"{COUNTER} < {rows[0]} ? {location} : {location} + {starts[1] - starts[0] - rows[0] * each}"
            if text not in self.places:
                self.places.append(text)
            location = f"place{self.places.index(text)}"
        base = leaf.offset + starts[0]
        pointer = self.pointer(leaf.buffer, f"{base} + {location}" if base else location)
        return Source(
            (1, 1, *rest), source.kind, (Leaf(pointer, leaf.base, leaf.base[:each].reshape(1, 1, *rest)),), "{0}"
        )

    def step(self, head: str, inner: Sequence[Step]) -> Step:
        """Return the loop, or a part of a routine, around its steps."""
        own = {pointer.key: base for pointer, base, _ in self.pointers.values()}
        written = {b.key for step in inner for b in step.writes}
        lines = [head, *(f"    const int place{n} = {text};" for n, text in enumerate(self.places))]
        for pointer, base, location in self.pointers.values():
            constant = "" if pointer.key in written else "const "
            lines.append(f"    {constant}{TYPES[base.kind]} *const {pointer.name} = {base.name} + {location};")
        reads = {b.key: b for key, b in own.items() if key not in written}
        writes = {b.key: b for key, b in own.items() if key in written}
        return Step(tuple(lines), tuple(reads.values()), tuple(writes.values()), inner=tuple(inner))


def _ranged(step: Step) -> Step:
    """Return the loop that writes a row so that it writes a part of the row."""
    head, body, *end = step.lines
    head = _RANGED.sub("int i0 = from; i0 < from + count;", head)
    return replace(step, lines=(head, body.replace(f"{ROW}[i0] =", f"{ROW}[i0 - from] =", 1), *end))


def _times(stride: int) -> str:
    return COUNTER if stride == 1 else f"{stride} * {COUNTER}"


class LoopWriter:
    """Writes the groups of a plan.

    Args:
        unit: where code goes.
        plan: with constants, shapes and kinds of all values.
        rows: of the nodes that are written.
        values: sources by name, to which what the loops give is added.
        banks: by the name of the value.
        names: stage or layer of a node, by output.
        bank_names: names of the values that are banks, or will be.
        groups: all that are to be written.
    """

    def __init__(
        self, unit: Unit, plan: Plan, rows: Rows, values: dict[str, Source], banks: dict[str, Bank],
        names: Mapping[str, str], bank_names: Collection[str], groups: Sequence[Group],
    ) -> None:  # fmt: skip
        self.groups = tuple(groups)
        self.unit, self.plan, self.rows = unit, plan, rows
        self.values, self.banks, self.names, self.separate = values, banks, names, bank_names
        self._parts = parts_of(rows.nodes, plan)

    def reserved(self, names: Sequence[str]) -> tuple[Source, list[int]] | None:
        """Return the value that these are parts of and their offsets in it, or None."""
        parts = [self._parts.get(name) for name in names]
        wholes = {part[0] for part in parts if part is not None}
        if len(wholes) != 1 or None in parts or len(parts) > _PLACED:
            return None
        name = wholes.pop()
        if name not in self.unit.reserved:
            self.unit.reserved[name] = self.unit.fresh(self.plan.shapes[name], self.plan.kinds[name])
        return self.unit.reserved[name], [part[1] for part in parts if part is not None]

    def form(self, group: Group) -> tuple[object, ...]:
        """Return what two groups must have in common to share a loop."""
        own = {node.outputs[0]: index for index, node in enumerate(group.nodes)}
        parts: list[object] = []
        for node in group.nodes:
            name = node.outputs[0]
            text = tuple(self._operand(group, own, node, index) for index in range(len(node.inputs)))
            shape = self.plan.shapes[name]
            parts.append((node.op, tuple(sorted(node.attributes.items())), text, shape[2:], name in group.given))
        return tuple(parts)

    def _operand(self, group: Group, own: Mapping[str, int], node: Node, index: int) -> object:
        name, constants = node.inputs[index], self.plan.constants
        if not name or name in own:
            return own.get(name, -1)
        picks = channels_of(node, constants, self.plan.shapes) is not None
        if name in constants:
            array = constants[name]
            if picks:
                return "places"
            if self.rows.constant_rows(node, index):
                return "rows", array.dtype.str, array.ndim
            return array.dtype.str, array.shape, array.tobytes()
        if picks:
            return ("bank", name) if name in self.separate else ("picked", self.plan.shapes[name][2:])
        return ("shared", name) if self.plan.shapes[name][1] == 1 else ("alone", group.nodes[0].outputs[0])

    def write(self, groups: Sequence[Group]) -> None:
        """One loop over the rows of groups of one form."""
        together = groups if self._agree(groups) else groups[:1]
        _LoopBody(self, together).write()
        for group in groups[len(together) :]:
            self.write([group])

    def _agree(self, groups: Sequence[Group]) -> bool:
        """Return whether what the groups pick of stored values lies in the same memory, in the same steps."""
        for nodes in zip(*(group.nodes for group in groups), strict=True):
            if channels_of(nodes[0], self.plan.constants, self.plan.shapes) is None or nodes[0].inputs[0] in self.banks:
                continue
            leaves = [self.values[node.inputs[0]].leaves[0] for node in nodes if self.values[node.inputs[0]].plain]
            if len(leaves) < len(nodes) and len(nodes) > 1:
                return False
            if any(
                leaf.buffer is not leaves[0].buffer or leaf.view.strides != leaves[0].view.strides for leaf in leaves
            ):
                return False
        return True

    def worked_out(self, node: Node) -> bool:
        """Return whether a node picks rows that a bank works out."""
        bank = self.banks.get(node.inputs[0]) if node.inputs else None
        places = channels_of(node, self.plan.constants, self.plan.shapes) if bank is not None else None
        return bank is not None and places is not None and bank.part_of([int(p) for p in places]) is None

    def order(self, group: Group) -> int:
        """Return when a group is written: first those that read long values in memory, which others may then have."""
        if any(self.worked_out(node) for node in group.nodes):
            return 2
        read = [self.values[name] for name in group.needs if name in self.values and self.rows.long(name)]
        for node in group.nodes:
            bank = self.banks.get(node.inputs[0]) if node.inputs else None
            places = channels_of(node, self.plan.constants, self.plan.shapes) if bank is not None else None
            part = bank.part_of([int(p) for p in places]) if bank is not None and places is not None else None
            read += [part] if part is not None else []
        return 0 if any(source.plain and not source.leaves[0].buffer.fixed for source in read) else 1

    def _worked_out(self, bank: Bank) -> set[int]:
        """Rows of a bank that loops cannot read where they lie, of one group or of several of a form."""
        rows: set[int] = set()
        for group in self.groups:
            form = self.form(group)
            alike = [other for other in self.groups if self.form(other) == form]
            for index, node in enumerate(group.nodes):
                own = channels_of(node, self.plan.constants, self.plan.shapes)
                if own is None or self.banks.get(node.inputs[0]) is not bank:
                    continue
                places = [channels_of(other.nodes[index], self.plan.constants, self.plan.shapes) for other in alike]
                together = [int(p) for some in places if some is not None for p in some]
                if self.worked_out(node) or bank.part_of(together) is None:
                    rows.update(int(p) for p in own)
        return rows

    def routine(self, bank: Bank) -> Routine:
        """Return the function that gives any row of a bank."""
        if bank.routine is None:
            unit, ranged = self.unit, self.unit.floats
            parts: list[tuple[int, Step]] = []
            picked = self._worked_out(bank)
            for part in bank.parts:
                kept, unit.steps = unit.steps, []
                loop = _Loop(unit)
                rows = range(sum(r for r, _ in parts), sum(r for r, _ in parts) + part.shape[1])
                if unit.floats and picked.isdisjoint(rows):
                    unit.steps = kept
                    parts.append((part.shape[1], Step((), (), ())))
                    continue
                row = unit.source(unit.buffer(int(np.prod(part.shape[2:])), part.kind, ROW), (1, 1, *part.shape[2:]))
                unit.copy(loop.row(part), row)
                ranged = ranged and all(_RANGED.search(step.lines[0]) for step in unit.steps)
                parts.append((part.shape[1], loop.step("{", unit.steps)))
                unit.steps = kept
            if ranged:
                parts = [(r, replace(step, inner=tuple(_ranged(s) for s in step.inner))) for r, step in parts]
            bank.routine = Routine(f"{unit.name}_rows{len(unit.routines) + 1}", tuple(parts), ranged)
            unit.routines.append(bank.routine)
        return bank.routine


@dataclass(frozen=True)
class _Output:
    """Memory of a value that groups of a loop give.

    Attributes:
        target: the memory.
        counts: rows of each group.
        rest: shape of a row.
        starts: where in it each group begins; empty where they lie one after the other and nothing else is there.
    """

    target: Source
    counts: tuple[int, ...]
    rest: tuple[int, ...]
    starts: tuple[int, ...] = ()

    def row(self, loop: _Loop) -> Source:
        """Return what the loop writes."""
        return loop.placed(self.target, self.starts, self.counts, self.rest) if self.starts else loop.row(self.target)

    def parts(self) -> list[Source]:
        """Return the value of each group."""
        if not self.starts:
            begins = [sum(self.counts[:n]) for n in range(len(self.counts))]
            return [self.target.rows(at, count) for at, count in zip(begins, self.counts, strict=True)]
        return [self._part(at, count) for at, count in zip(self.starts, self.counts, strict=True)]

    def _part(self, start: int, count: int) -> Source:
        whole = self.target.rows(start, count * math.prod(self.rest))
        return whole.seen(lambda view: view.reshape(1, count, *self.rest))


class _LoopBody:
    """One loop, over the rows of one group or of several of the same form."""

    def __init__(self, writer: LoopWriter, groups: Sequence[Group]) -> None:
        self.writer, self.groups = writer, groups
        self.unit, self.plan = writer.unit, writer.plan
        self.loop = _Loop(writer.unit)
        self.first = groups[0]
        self.rows = sum(group.rows for group in groups)
        self.known: dict[str, Source] = {}

    def write(self) -> None:
        """Append the loop, and gives its outputs their names."""
        unit = self.unit
        outputs = {at: self._output(at) for at, n in enumerate(self.first.nodes) if n.outputs[0] in self.first.given}
        outer, unit.steps = unit.steps, []
        # What rows are picked of has to lie in memory: it is written before the loop.
        picked = self._stored()
        without = self._paired(picked)
        before, unit.steps = unit.steps, []
        for index, node in enumerate(self.first.nodes):
            if index in without:
                continue
            unit.layer = self.writer.names.get(node.outputs[0], "")
            output = outputs.get(index)
            self._node(index, node, None if output is None else output.row(self.loop), picked)
        step = self.loop.step(f"for (int {COUNTER} = 0; {COUNTER} < {self.rows}; ++{COUNTER}) {{", unit.steps)
        unit.steps = [*outer, *before, step]
        for index, output in outputs.items():
            for group, source in zip(self.groups, output.parts(), strict=True):
                self.writer.values[group.nodes[index].outputs[0]] = source

    def _paired(self, picked: Mapping[int, list[Source]]) -> frozenset[int]:
        """Append mean products of pairs before the loop; give the places of nodes that are done with them."""
        unit, plan, nodes = self.unit, self.plan, self.first.nodes
        pairs = pairs_of(
            self.first,
            self.writer.rows,
            lambda node: channels_of(node, plan.constants, plan.shapes) is not None,
            lambda node: node.inputs[0] in self.writer.banks,
        )
        if pairs is None or not unit.floats:
            return frozenset()
        banks = [self.writer.banks[nodes[index].inputs[0]] for index in pairs.sides]
        sides = [[p for group in self.groups for p in self._places(group.nodes[index])] for index in pairs.sides]
        if banks[0] is not banks[1]:
            return frozenset()
        levels = [[self._spots(index, picked) for index in side] for side in pairs.levels]
        shape = plan.shapes[nodes[pairs.sides[0]].outputs[0]]
        means = products(unit, self.writer.routine(banks[0]), int(np.prod(shape[2:])), sides, levels)
        if means is None:
            return frozenset()
        name = nodes[pairs.mean].outputs[0]
        rest = plan.shapes[name][2:]
        row = self.loop.row(means.seen(lambda view: view.reshape(1, self.rows, *rest)))
        self.known[name] = combined(f"({{0}} / {number(float(np.prod(shape[2:])))})", "float32", (row,))
        return pairs.without | {pairs.mean}

    def _spots(self, index: int, picked: Mapping[int, list[Source]]) -> tuple[Leaf, list[int]]:
        """Return the memory that a node picks of, and where in it each of the rows begins."""
        places = [self._places(group.nodes[index]) for group in self.groups]
        leaves = [source.leaves[0] for source in picked[index]]
        stride = leaves[0].view.strides[1]
        return leaves[0], [leaf.offset + stride * p for leaf, part in zip(leaves, places, strict=True) for p in part]

    def _output(self, index: int) -> _Output:
        """Where the loop leaves a value of each group: among others it is put together with, or by itself."""
        names = [group.nodes[index].outputs[0] for group in self.groups]
        rows, shape = tuple(group.rows for group in self.groups), self.plan.shapes[names[0]]
        reserved = self.writer.reserved(names)
        if reserved is not None:
            return _Output(reserved[0], rows, shape[2:], tuple(reserved[1]))
        return _Output(self.unit.fresh((shape[0], self.rows, *shape[2:]), self.plan.kinds[names[0]]), rows, shape[2:])

    def _stored(self) -> dict[int, list[Source]]:
        """By place of a pick, what the groups pick of, in memory; banks give rows of their own."""
        picked: dict[int, list[Source]] = {}
        for index, node in enumerate(self.first.nodes):
            name = node.inputs[0]
            if channels_of(node, self.plan.constants, self.plan.shapes) is None or name in self.writer.banks:
                continue
            picked[index] = [self.unit.stored(self.writer.values[g.nodes[index].inputs[0]]) for g in self.groups]
        return picked

    def _node(self, index: int, node: Node, row: Source | None, picked: Mapping[int, list[Source]]) -> None:
        name, shape = node.outputs[0], self.plan.shapes[node.outputs[0]]
        if channels_of(node, self.plan.constants, self.plan.shapes) is not None:
            source = self._picked(index, node, picked)
        else:
            constants = [self.plan.constants.get(given) for given in node.inputs]
            sources: list[Source | None] = []
            for at, given in enumerate(node.inputs):
                own = constants[at] is not None and not self.writer.rows.constant_rows(node, at)
                written = own and at > 0 and node.op in ("MatMul", "PowerSpectrum")
                sources.append(self._given(index, node, at) if given and not written else None)
                if constants[at] is not None and not own:
                    constants[at] = None
            source = write_float(
                Spot(
                    unit=self.unit,
                    node=node,
                    inputs=tuple(sources),
                    constants=tuple(constants),
                    shape=(shape[0], 1, *shape[2:]),
                    kind=self.plan.kinds[name],
                    spent=self._spent(index, sources[0]),
                )
            )
        self.known[name] = self._kept(name, source, row)

    def _kept(self, name: str, source: Source, row: Source | None) -> Source:
        """Return the value as the rest of the loop reads it; `row` is where others find it."""
        if row is not None:
            self.unit.copy(source, row)
            return row
        readers = sum(node.inputs.count(name) for node in self.first.nodes)
        if readers <= 1 or source.plain or work(source) * (readers - 1) <= _REPEATED:
            return source
        return self.unit.stored(source)

    def _spent(self, index: int, source: Source | None) -> bool:
        """Return whether memory that the loop has for itself is not read after a node."""
        if source is None or not source.plain:
            return False
        memory = source.leaves[0].buffer
        own = any(memory in step.writes for step in self.unit.steps)
        later = {name for node in self.first.nodes[index + 1 :] for name in node.inputs if name in self.known}
        return own and not any(leaf.buffer is memory for name in later for leaf in self.known[name].leaves)

    def _given(self, index: int, node: Node, at: int) -> Source:
        name, plan = node.inputs[at], self.plan
        if name in self.known:
            return self.known[name]
        if name in plan.constants:
            if not self.writer.rows.constant_rows(node, at):
                return self.unit.constant(plan.constants[name])
            axis = plan.constants[name].ndim - (len(plan.shapes[node.outputs[0]]) - 1)
            parts = [plan.constants[group.nodes[index].inputs[at]] for group in self.groups]
            whole = np.concatenate(parts, axis=axis)
            if self.unit.floats and not self.unit.slots and whole.size == self.rows and np.ptp(whole) == 0:
                return self.unit.constant(whole.take([0], axis))
            return self.loop.row(self.unit.constant(whole), axis)
        source = self.writer.values[plan.alias.get(name, name)]
        return self.loop.row(source) if len(source.shape) > 1 else source

    def _picked(self, index: int, node: Node, picked: Mapping[int, list[Source]]) -> Source:
        unit, name = self.unit, node.inputs[0]
        places = [self._places(group.nodes[index]) for group in self.groups]
        all_of_them = [p for part in places for p in part]
        bank = self.writer.banks.get(name)
        if bank is not None:
            part = bank.part_of(all_of_them)
            if part is not None:
                return self.loop.row(part)
            routine = self.writer.routine(bank)
            shape = self.plan.shapes[node.outputs[0]]
            target = unit.fresh((shape[0], 1, *shape[2:]), self.plan.kinds[node.outputs[0]])
            row = unit.table(smallest(np.asarray(all_of_them)))
            rows = f"{row}[{COUNTER}]{f', 0, {int(np.prod(shape[2:]))}' if routine.ranged else ''}"
            line = f"{routine.name}({routine.arguments}, {rows}, {target.leaves[0].buffer.name});"
            unit.steps.append(Step((line,), routine.buffers, (target.leaves[0].buffer,)))
            return target
        first, offsets = self._spots(index, picked)
        table = unit.table(smallest(np.asarray(offsets)))
        shape = self.plan.shapes[node.outputs[0]]
        row_view = np.lib.stride_tricks.as_strided(
            first.base, (shape[0], 1, *shape[2:]), (first.view.strides[0], 1, *first.view.strides[2:])
        )
        pointer = self.loop.pointer(first.buffer, f"{table}[{COUNTER}]")
        return Source(row_view.shape, first.buffer.kind, (Leaf(pointer, first.base, row_view),), "{0}")

    def _places(self, node: Node) -> list[int]:
        places = channels_of(node, self.plan.constants, self.plan.shapes)
        return [] if places is None else [int(p) for p in places]
