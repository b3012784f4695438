"""What is being written: tables, helper functions, buffers, and steps that read and write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgewright.core.records.network import Array
from edgewright.export.c99_code.source import Buffer, Leaf, Loops, Routine, Source, Step, lives, loops, taken_over
from edgewright.export.c99_code.text import TYPES, C, entries, number, slot_tables, smallest

ALIGNMENT = 4
# How often other orders are tried.
_TRIES = 16
# Numbers from which a function works an expression out.
_LONG = 16
_LESS = "(({0} - {1}) - {2})", ((1,), (1,), (0,), (0,))
LESS = C["less"]
"""Function that takes two levels off."""
UNREAD = "unread"
"""Work of a step that goes when nobody reads what it writes."""


@dataclass(frozen=True)
class Lifetime:
    """A buffer from the step that first writes it to the step that last reads it.

    Attributes:
        key: number of the buffer.
        size: bytes.
        first, last: numbers of steps, both included.
    """

    key: int
    size: int
    first: int
    last: int


def plan(buffers: Sequence[Lifetime], fixed: Mapping[Lifetime, int] | None = None) -> tuple[dict[int, int], int]:
    """Byte offsets by buffer and the size of the arena.

    Buffers that live at the same time never overlap. Each is put at the lowest free offset; the largest first is
    within a few per cent of the optimum for networks (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural
    Net Inference", 2020). As long as more is taken than what lives at once, the buffer at the end is placed first the
    next time (Joslin & Clements, "Squeaky Wheel Optimization", 1999).

    Args:
        buffers: to be placed.
        fixed: offsets of buffers that lie in the arena already.
    """
    lying = dict(fixed or {})
    order = sorted(buffers, key=lambda b: (-b.size, b.first, b.key))
    wanted = max((start + _length(b) for b, start in lying.items()), default=0)
    for step in {b.first for b in order}:
        alive = (_length(b) for b in (*order, *lying) if b.first <= step <= b.last)
        wanted = max(wanted, sum(alive))
    best = _placed(order, lying)
    for _ in range(_TRIES):
        if best[1] <= wanted:
            break
        offsets, size = _placed(order, lying)
        last = next((b for b in order if offsets[b.key] + _length(b) == size), order[0])
        order = [last, *(b for b in order if b is not last)]
        best = min(best, _placed(order, lying), key=lambda placed: placed[1])
    return best


def _placed(order: Sequence[Lifetime], lying: Mapping[Lifetime, int]) -> tuple[dict[int, int], int]:
    """Return offsets and size with every buffer at the lowest free offset, in this order."""
    placed = [(start, start + _length(other), other) for other, start in lying.items()]
    offsets = {other.key: start for other, start in lying.items()}
    for buffer in order:
        length = _length(buffer)
        offset = 0
        for start, end, other in sorted(placed, key=lambda entry: entry[0]):
            if other.first <= buffer.last and buffer.first <= other.last and start < offset + length and offset < end:
                offset = end
        placed.append((offset, offset + length, buffer))
        offsets[buffer.key] = offset
    return offsets, max((end for _, end, _ in placed), default=0)


def _length(buffer: Lifetime) -> int:
    return -(-buffer.size // ALIGNMENT) * ALIGNMENT


_BYTES = {"float": 4, "int32_t": 4, "uint32_t": 4, "int16_t": 2, "int8_t": 1, "uint8_t": 1}


# Memory of their own, by the kind of number.
_OWN = {"int32": "integers", "int16": "halves"}


@dataclass(frozen=True)
class Arena:
    """Memory of a model.

    Attributes:
        offsets: in bytes, by buffer.
        network: bytes at the beginning of that memory which the integer network has for itself.
        given: names of the arguments that hold the integer network's input and output, by buffer.
        floats: bytes of the memory of floats and bytes.
        integers: bytes of the memory of whole numbers.
        halves: bytes of the memory of whole numbers of 16 bits.
        unshared: bytes if no two buffers shared any.
    """

    offsets: dict[int, int]
    network: int
    given: dict[int, str]
    floats: int
    integers: int
    halves: int
    unshared: int


@dataclass
class Unit:
    """Collects the code of one model.

    Attributes:
        name: prefix of all names.
        steps: in the order in which they run.
        taps: entries of each stage's output.
        routines: functions that give rows of values which lie in several places.
        reserved: memory of values that are put together, where their parts are written to at once.
        takers: for memory that only stands for bytes, the bytes, where in them it begins and the function that makes
            one of a value, by number.
        layer: layer or stage whose code is being written; tables are named after it.
        work: operator whose code is being written.
        slots: whether constants are read from a slot of flash (`flash`) instead of being written into the code.
        unrolled: how often loops are for a core with two 16-bit multipliers; 0 for portable code.
        vectors: how the core's vector instructions are called; empty where it has none.
        floats: whether functions may use the float instructions of a core, where the compiler says that it has them.
        wide: memory of the same values as numbers of 16 bits, two in a word, by the number of their bytes' buffer.
    """

    name: str
    slots: bool = False
    unrolled: int = 0
    vectors: str = ""
    floats: bool = False
    wide: dict[int, Buffer] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    _buffers: list[Buffer] = field(default_factory=list)
    _tables: dict[tuple[object, ...], tuple[str, Array]] = field(default_factory=dict)
    _names: dict[str, int] = field(default_factory=dict)
    _wholes: list[int] = field(default_factory=list)
    _reals: list[float] = field(default_factory=list)
    _roles: dict[tuple[int, str], str] = field(default_factory=dict)
    _helpers: dict[str, str] = field(default_factory=dict)
    taps: list[int] = field(default_factory=list)
    routines: list[Routine] = field(default_factory=list)
    reserved: dict[str, Source] = field(default_factory=dict)
    takers: dict[int, tuple[Buffer, str, str]] = field(default_factory=dict)
    layer: str = ""
    work: str = ""
    _used: set[str] = field(default_factory=set)
    _stored: dict[int, tuple[list[Step], Source, Source]] = field(default_factory=dict)

    def buffer(self, size: int, kind: str = "float32", name: str = "") -> Buffer:
        """Return new memory; `name` makes it fixed: a table or an argument, with no place in the arena."""
        key = len(self._buffers)
        memory = Buffer(key, name or f"v{key}", size, kind, fixed=bool(name))
        self._buffers.append(memory)
        return memory

    def source(self, buffer: Buffer, shape: Sequence[int]) -> Source:
        """Return a whole buffer as a value of this shape."""
        base = np.empty(max(buffer.size, 1), np.uint8)[: buffer.size]
        return Source(tuple(shape), buffer.kind, (Leaf(buffer, base, base.reshape(shape)),), "{0}")

    def fresh(self, shape: Sequence[int], kind: str = "float32") -> Source:
        """Return new memory for a value of this shape."""
        return self.source(self.buffer(int(np.prod(shape, dtype=np.int64)), kind), shape)

    def packed(self, source: Source, function: str) -> Source:
        """Return what stands for values of which a function makes bytes as they are written."""
        stand_in = self.buffer(source.leaves[0].buffer.size, "float32", f"{self.name}_{function}")
        self.takers[stand_in.key] = source.leaves[0].buffer, "", stand_in.name
        return self.source(stand_in, source.shape)

    def table(self, array: Array, role: str = "table") -> str:
        """Name of a constant table in flash, by what it is to its layer; equal tables are one."""
        name = self._named(array, role)
        self._used.add(name)
        return name

    def _named(self, array: Array, role: str = "table") -> str:
        array = np.ascontiguousarray(array)
        # In slots, tables of two steps stay two: whether they are equal is a matter of values, not of the layout.
        key = (array.dtype.str, array.shape, array.tobytes(), len(self.steps) if self.slots else 0)
        if key not in self._tables:
            word = "_".join(part for part in (self.name, self.layer, role) if part)
            self._names[word] = self._names.get(word, 0) + 1
            name = f"{word}_{self._names[word]}" if self._names[word] > 1 else word
            self._tables[key] = (name, array)
        return self._tables[key][0]

    def constant(self, array: Array) -> Source:
        """Return a constant as a value: written out where it is one number, else a table once a step reads it."""
        kind = "float32" if array.dtype.kind == "f" else "bool" if array.dtype.kind == "b" else "int32"
        array = array.astype(kind)
        if array.size == 1:
            text = self.real(float(array.ravel()[0])) if kind == "float32" else str(int(array.ravel()[0]))
            return Source(array.shape, kind, (), text)
        if kind == "int32":
            array = smallest(array)
        return self.source(self.buffer(array.size, kind, self._named(array)), array.shape)

    def real(self, value: float) -> str:
        """Return a float32 number of the model as C has it: written out, or read from the slot."""
        if not self.slots:
            return number(value)
        self._reals.append(value)
        return f"{self.name}_reals[{len(self._reals) - 1}]"

    def whole(self, value: int, role: str = "") -> str:
        """Return a whole number of the model, as `real`; with a role, one that a step asks for twice is one."""
        if not self.slots:
            return str(value)
        key = (len(self.steps), role)
        if not role or key not in self._roles:
            self._wholes.append(value)
            self._roles[key] = f"{self.name}_wholes[{len(self._wholes) - 1}]"
        return self._roles[key]

    def less(self, zero: int, role: str = "") -> str:
        """Return what takes a zero point off: ' - 3', ' + 3' or nothing."""
        if self.slots:
            return f" - {self.whole(zero, role)}"
        return "" if zero == 0 else f" - {zero}" if zero > 0 else f" + {-zero}"

    def contents(self) -> dict[str, Array]:
        """Return the tables read by name, in order of creation; with slots, the single numbers too."""
        tables = {name: array for name, array in self._tables.values() if name in self._used}
        if self._wholes:
            tables[f"{self.name}_wholes"] = np.array(self._wholes, np.int32)
        if self._reals:
            tables[f"{self.name}_reals"] = np.array(self._reals, np.float32)
        return tables

    def use(self, buffer: Buffer) -> None:
        """Say that a pointer to a buffer is read."""
        self._used.add(buffer.name)

    def mark(self, sources: Iterable[Source]) -> None:
        """Say that code outside the steps reads these values."""
        self._used.update(leaf.buffer.name for source in sources for leaf in source.leaves)

    def helper(self, name: str, text: str) -> str:
        """Name of a small function that is written once; `text` has @ for the prefix of names."""
        self._helpers.setdefault(name, text.replace("@", self.name))
        return f"{self.name}_{name}"

    def step(
        self,
        lines: Sequence[str],
        reads: Sequence[Source],
        writes: Sequence[Source],
        condition: str = "",
        *,
        work: str | None = None,
        spent: Sequence[Buffer] = (),
    ) -> None:
        """Append code that reads and write values; `work` is the operator being written where it is left out.

        Entries of what is `spent` are read before that at their place is written.
        """
        read = {leaf.buffer.key: leaf.buffer for source in reads for leaf in source.leaves}
        written = {leaf.buffer.key: leaf.buffer for source in writes for leaf in source.leaves}
        self._used.update(buffer.name for buffer in read.values())
        operator = self.work if work is None else work
        self.steps.append(
            Step(tuple(lines), tuple(read.values()), tuple(written.values()), condition, operator, spent=tuple(spent))
        )

    def drop_unread(self, kept: Sequence[Buffer] = ()) -> None:
        """Leave steps of `UNREAD` out whose output nobody reads; one that only taps read is compiled with them."""
        wanted = {buffer.key for buffer in kept}
        for index in reversed(range(len(self.steps))):
            step = self.steps[index]
            if step.work != UNREAD:
                continue
            written = {buffer.key for buffer in step.writes}
            readers = [other for other in self.steps if written & {buffer.key for buffer in other.reads}]
            if written & wanted or any(not reader.condition for reader in readers):
                continue
            self.steps[index : index + 1] = [replace(step, condition=readers[0].condition)] if readers else []

    def stored(self, source: Source, *, in_order: bool = False) -> Source:
        """Return the value in a buffer; written there by a loop where it is an expression, once a function or loop."""
        if source.lying or (source.plain and not in_order):
            return source
        known = self._stored.get(id(source))
        if known is None or known[0] is not self.steps:
            target = self.fresh(source.shape, source.kind)
            self.copy(source, target)
            known = self._stored[id(source)] = self.steps, source, target
        return known[2]

    def tap(self, source: Source) -> None:
        """Keep a stage's output where the code is compiled with taps; the expression stays one with what follows."""
        count = int(np.prod(source.shape))
        target = self.source(self.buffer(count, "float32", self.next_tap(count)), source.shape)
        self.copy(source, target, f"{self.name.upper()}_TAPS")

    def next_tap(self, count: int) -> str:
        """Return memory for so many values of the next stage."""
        self.taps.append(count)
        return f"{self.name}_tap{len(self.taps) - 1}"

    def tap_parts(self, sources: Sequence[Source]) -> None:
        """Record the parts along axis 1 of a value."""
        count = sum(int(np.prod(source.shape)) for source in sources)
        rows, rest = sum(source.shape[1] for source in sources), sources[0].shape[2:]
        target = self.source(self.buffer(count, "float32", self.next_tap(count)), (1, rows, *rest))
        start = 0
        for source in sources:
            self.copy(source, target.rows(start, source.shape[1]), f"{self.name.upper()}_TAPS")
            start += source.shape[1]

    def copy(self, source: Source, target: Source, condition: str = "") -> None:
        """Work an expression out into memory of the same shape, only compiled where `condition` is defined."""
        if source.plain and source.leaves[0].same(target.leaves[0]):
            return
        walk = loops(source.shape, (target.leaves[0], *source.leaves))
        names = tuple(f"i{n}" for n in range(len(walk.lengths)))
        places = [f"{leaf.buffer.name}[{walk.index(n + 1, names)}]" for n, leaf in enumerate(source.leaves)]
        result = f"{target.leaves[0].buffer.name}[{walk.index(0, names)}]"
        taker = self.takers.get(target.leaves[0].buffer.key)
        if taker is not None:
            memory, begin, function = taker
            at = " + ".join(part for part in (begin, walk.index(0, names)) if part and (part != "0" or not begin))
            lines = nested(walk.lengths, names, [f"{function}({memory.name}, {at}, {source.text.format(*places)});"])
            target = self.source(memory, (memory.size,))
        elif self.floats and not condition and _less(walk, target, source):
            start, x, p, q = (
                f"{leaf.buffer.name}[{walk.index(n, ('0',))}]"
                for n, leaf in enumerate((*target.leaves, *source.leaves))
            )
            lines = [f"{self.helper('less', LESS)}(&{start}, &{x}, {p}, {q}, {walk.lengths[0]});"]
        else:
            lines = nested(walk.lengths, names, [f"{result} = {source.text.format(*places)};"])
        self.step(lines, (source,), (target,), condition, work="", spent=spent(walk, source.leaves))

    def tables(self) -> list[str]:
        """Return definitions of the tables that are read, in the order in which they were made."""
        if self.slots:
            return slot_tables(self.name, self.contents())
        return [
            f"static const {TYPES[array.dtype.name]} {name}[{array.size}] = {{\n{entries(array)}\n}};"
            for name, array in self._tables.values()
            if name in self._used
        ]

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables that are read."""
        return sum(array.nbytes for array in self.contents().values())

    def helpers(self) -> list[str]:
        """Return definitions of the small functions, in the order of their first use."""
        return list(self._helpers.values())

    def arena(self, kept: Sequence[Buffer] = (), inside: range = range(0), ends: tuple[Buffer, ...] = ()) -> Arena:
        """Where every buffer lies.

        Whole numbers have memory of their own: by the rules of C only bytes may lie where floats have been. What only
        the integer network uses lies at the beginning, so that calling it alone takes no more memory than that.

        Args:
            kept: buffers that are read after the last step.
            inside: numbers of the steps of the integer network.
            ends: its input and output, which it is given.
        """
        first, last, inside = lives(self.steps, inside)
        last |= {buffer.key: max(last.values(), default=0) + 1 for buffer in kept}
        over = taken_over(self.steps, first, last, {buffer.key for buffer in ends})
        alive: dict[str, list[Lifetime]] = {"network": [], "floats": [], "integers": [], "halves": []}
        given = {buffer.key: name for buffer, name in zip(ends, ("in", "out"), strict=False)}
        for b in self._buffers:
            if not b.fixed and b.key in first and b.key not in over:
                own = b.key not in given and first[b.key] in inside and last[b.key] in inside
                kind = _OWN.get(b.kind, "network" if own else "floats")
                alive[kind].append(Lifetime(b.key, b.size * _BYTES[TYPES[b.kind]], first[b.key], last[b.key]))
        network, integers, halves = (plan(alive[kind]) for kind in ("network", "integers", "halves"))
        floats = plan(alive["floats"], {life: network[0][life.key] for life in alive["network"]})
        offsets = {**floats[0], **integers[0], **halves[0]}
        for new, old in over.items():
            offsets[new] = offsets[old]
        unshared = sum(-(-life.size // 4) * 4 for some in alive.values() for life in some)
        return Arena(offsets, network[1], given, floats[1], integers[1], halves[1], unshared)


def spent(walk: Loops, leaves: Sequence[Leaf]) -> tuple[Buffer, ...]:
    """Return buffers that loops read nowhere but at the place that they write afterwards.

    Args:
        walk: of the output and the leaves, with loops over what an entry is made of behind those over the entries.
        leaves: what is read.
    """
    buffers: dict[int, Buffer] = {leaf.buffer.key: leaf.buffer for leaf in leaves}
    for index, leaf in enumerate(leaves, 1):
        within = (walk.strides[index][: walk.outer], walk.offsets[index])
        if within != (walk.strides[0][: walk.outer], walk.offsets[0]) or any(walk.strides[index][walk.outer :]):
            buffers.pop(leaf.buffer.key, None)
    return tuple(buffers.values())


def _less(walk: Loops, target: Source, source: Source) -> bool:
    """Return whether an expression takes two levels off many numbers that lie one after the other."""
    floats = all(leaf.buffer.kind == "float32" for leaf in (*target.leaves, *source.leaves))
    return floats and (source.text, walk.strides) == _LESS and walk.lengths[0] >= _LONG


def nested(lengths: Sequence[int], names: Sequence[str], body: Sequence[str]) -> list[str]:
    """Return lines within nested loops, indented."""
    lines = []
    for depth, (length, name) in enumerate(zip(lengths, names, strict=True)):
        lines.append(f"{'    ' * depth}for (int {name} = 0; {name} < {length}; ++{name}) {{")
    lines += ["    " * len(lengths) + line for line in body]
    lines += [f"{'    ' * depth}}}" for depth in reversed(range(len(lengths)))]
    return lines
