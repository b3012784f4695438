"""Where numbers lie, expressions over them that no buffer holds yet, and the steps of code that read and write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
# Operators a value that are rather repeated for every reader than kept in memory for all samples.
REPEATED = 24
_OPERATOR = re.compile(r" [-+*] | \? | [<>]=? |\(-\{")
_PART = re.compile(r"\w*\([^()]*\)")
_SLOW = re.compile(r"(?:sqrtf|expf|logf|powf|tanhf|_sigmoid|_sum|_dot)\(| / ")


@dataclass(frozen=True, eq=False)
class Buffer:
    """Memory of the generated code.

    Attributes:
        key: number; also the number in its name.
        name: in the code.
        size: entries.
        kind: NumPy's name of the type of an entry.
        fixed: whether it is a table in flash or the caller's, so that no offset is planned for it.
    """

    key: int
    name: str
    size: int
    kind: str
    fixed: bool = False


@dataclass(frozen=True, eq=False)
class Leaf:
    """Entries of a buffer seen in some shape.

    Attributes:
        buffer: that holds them.
        base: an array of one byte an entry that stands for the buffer.
        view: a view of `base`: NumPy's own strides, slices and reshapes say where each entry lies.
    """

    buffer: Buffer
    base: Bytes
    view: Bytes

    @property
    def offset(self) -> int:
        """Place of the first entry."""
        return int(self.view.__array_interface__["data"][0]) - int(self.base.__array_interface__["data"][0])

    @property
    def whole(self) -> bool:
        """Whether the view is the buffer from its beginning, in order."""
        return self.offset == 0 and self.view.flags.c_contiguous and self.view.size == self.base.size

    def same(self, other: Leaf) -> bool:
        """Return whether both see the same entries in the same order."""
        mine, its = self.view, other.view
        steps = zip(mine.shape, mine.strides, its.strides, strict=False)
        return (
            self.buffer is other.buffer
            and self.offset == other.offset
            and (
                mine.shape == its.shape
                and all(length == 1 or stride == other_stride for length, stride, other_stride in steps)
            )
        )


@dataclass(frozen=True, eq=False)
class Source:
    """An expression for every entry of a value: `text` with {0}, {1}, ... for the leaves, all of the value's shape.

    Attributes:
        shape: of the value, batch axis of 1 included.
        kind: NumPy's name of the type.
        leaves: what is read.
        text: C expression; '{0}' alone where the value lies in a buffer.
    """

    shape: tuple[int, ...]
    kind: str
    leaves: tuple[Leaf, ...]
    text: str

    @property
    def plain(self) -> bool:
        """Whether the value lies in a buffer, in whatever order."""
        return self.text == "{0}"

    @property
    def lying(self) -> bool:
        """Whether the value lies in a buffer, in order, one entry after the other."""
        return self.plain and bool(self.leaves[0].view.flags.c_contiguous)

    def viewed(self, change: Callable[[Bytes], Bytes]) -> Source | None:
        """Return the value with axes moved, cut or split; None where NumPy would have to copy."""
        leaves = []
        for leaf in self.leaves:
            view = change(leaf.view)
            # Windows that overlap make the exact question slow; a copy never lies within the same bounds.
            if view.size and not np.may_share_memory(view, leaf.base):
                return None
            leaves.append(replace(leaf, view=view))
        if not leaves:
            return replace(self, shape=change(np.empty(self.shape, np.uint8)).shape)
        return replace(self, shape=leaves[0].view.shape, leaves=tuple(leaves))

    def seen(self, change: Callable[[Bytes], Bytes]) -> Source:
        """Return the same for a change that strides can always say.

        Raises:
            ValueError: when they cannot.
        """
        source = self.viewed(change)
        if source is None:
            raise ValueError(f"a view of shape {self.shape} that would be a copy")
        return source

    def rows(self, start: int, count: int, step: int = 1) -> Source:
        """So many entries of axis 1."""
        return self.seen(lambda view: view[:, start : start + step * count : step])

    def spread(self, shape: tuple[int, ...]) -> Source:
        """Return the value repeated to a larger shape."""
        leaves = tuple(replace(leaf, view=np.broadcast_to(leaf.view, shape)) for leaf in self.leaves)
        return replace(self, shape=shape, leaves=leaves)


def work(source: Source) -> int:
    """Return operators that an expression takes a value; those that take long count as several."""
    return len(_OPERATOR.findall(source.text)) + 16 * len(_SLOW.findall(source.text))


def distinct_work(source: Source) -> int:
    """Return operators that an expression takes where a compiler works equal parts of it out once."""
    parts: dict[str, int] = {}
    text, before, leaves = source.text, "", len(source.leaves)
    while text != before:
        before, text = text, _PART.sub(lambda part: f"{{{parts.setdefault(part[0], leaves + len(parts))}}}", text)
    return sum(work(replace(source, text=part)) for part in (*parts, text))


def combined(text: str, kind: str, sources: tuple[Source, ...]) -> Source:
    """Return `text` as an expression over sources {0}, {1}, ...; equal leaves are shared."""
    shape = np.broadcast_shapes(*(source.shape for source in sources))
    leaves: list[Leaf] = []
    parts = []
    for source in sources:
        names = []
        for leaf in source.spread(shape).leaves:
            index = next((i for i, known in enumerate(leaves) if known.same(leaf)), None)
            if index is None:
                index = len(leaves)
                leaves.append(leaf)
            names.append("{" + str(index) + "}")
        parts.append(source.text.format(*names))
    return Source(shape, kind, tuple(leaves), text.format(*parts))


@dataclass(frozen=True)
class Loops:
    """Nested loops over a shape, axes that every view walks in one stride taken together.

    Attributes:
        lengths: of the loops, the outermost first.
        strides: for each view, its stride in each loop.
        offsets: for each view, the place of its first entry.
        outer: how many of the loops are over the axes before the split.
    """

    lengths: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    offsets: tuple[int, ...]
    outer: int

    def index(self, view: int, names: tuple[str, ...]) -> str:
        """Index expression of a view, with the loops' variables."""
        terms = []
        for name, stride in zip(names, self.strides[view], strict=True):
            if stride:
                terms.append(name if stride == 1 else f"{stride} * {name}")
        offset = self.offsets[view]
        text = " + ".join(terms) if terms else ""
        if offset or not text:
            text = f"{offset} + {text}" if text else str(offset)
        return text


def loops(shape: tuple[int, ...], leaves: tuple[Leaf, ...], split: int | None = None) -> Loops:
    """Return the fewest loops that walk all leaves over a shape, in order; axes before and after `split` stay apart."""
    axes: list[list[int]] = []
    border = len(shape) if split is None else split
    outer = 0
    for axis, length in enumerate(shape):
        if axis == border:
            outer = len(axes)
        if length == 1:
            continue
        steps = [leaf.view.strides[axis] for leaf in leaves]
        fits = len(axes) > (outer if axis >= border else 0)
        if fits and all(before == step * length for before, step in zip(axes[-1][1:], steps, strict=True)):
            axes[-1] = [axes[-1][0] * length, *steps]
        else:
            axes.append([length, *steps])
    return Loops(
        tuple(axis[0] for axis in axes),
        tuple(tuple(axis[i + 1] for axis in axes) for i in range(len(leaves))),
        tuple(leaf.offset for leaf in leaves),
        len(axes) if border >= len(shape) else outer,
    )


@dataclass(frozen=True)
class Step:
    """Lines of code, with the buffers they use.

    Attributes:
        lines: between braces.
        reads: buffers read.
        writes: buffers written.
        condition: name that must be defined for the code to be compiled, or nothing.
        work: operator that the loops are of; empty for expressions, which any operator may leave.
        inner: steps of a loop, which `lines` begins.
        spent: buffers of which every entry is read before the entry at its place is written, and not later.
    """

    lines: tuple[str, ...]
    reads: tuple[Buffer, ...]
    writes: tuple[Buffer, ...]
    condition: str = ""
    work: str = ""
    inner: tuple[Step, ...] = ()
    spent: tuple[Buffer, ...] = ()

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All that it uses, the steps of its loop included."""
        return (*self.writes, *self.reads, *(b for step in self.inner for b in step.buffers))

    @property
    def text(self) -> list[str]:
        """The lines, those of its loop included, without where buffers lie."""
        return [*self.lines, *(line for step in self.inner for line in step.text), *(["}"] if self.inner else [])]


@dataclass(frozen=True)
class Routine:
    """A function that works one row of a value out, whichever part of the value it lies in.

    Attributes:
        name: of the function.
        parts: rows of each part, and the step that works one out.
        ranged: whether it is told which part of the row to work out, by the first sample and their number.
    """

    name: str
    parts: tuple[tuple[int, Step], ...]
    ranged: bool = False

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All that it reads."""
        return tuple({b.key: b for _, step in self.parts for b in step.buffers if b.name != ROW}.values())

    @property
    def arguments(self) -> str:
        """What its callers pass on of their own."""
        return "context, input" if any(b.name == "input" for b in self.buffers) else "context"


ROW = "out"
"""Name of the row that a routine writes."""
COUNTER = "channel"
"""Name of the number of the row, in loops and routines."""


def lives(steps: Sequence[Step], inside: range) -> tuple[dict[int, int], dict[int, int], range]:
    """First and last use of every buffer, and the places of the steps `inside`, steps of loops counted one by one.

    What a loop uses of the code around it lives as long as the loop: its first steps run again after its last.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    loops: list[tuple[int, int, tuple[Buffer, ...]]] = []
    index, starts = 0, []
    for step in steps:
        starts.append(index)
        for part in step.inner or (step,):
            for buffer in part.buffers:
                first.setdefault(buffer.key, index)
                last[buffer.key] = index
            index += 1
        if step.inner:
            for buffer in (*step.writes, *step.reads):
                first[buffer.key] = min(first.get(buffer.key, starts[-1]), starts[-1])
                last[buffer.key] = index - 1
            loops.append((starts[-1], index - 1, step.buffers))
    for start, end, buffers in loops:
        for key in {buffer.key for buffer in buffers}:
            if first[key] < start or last[key] > end:
                first[key], last[key] = min(first[key], start), max(last[key], end)
    starts.append(index)
    return first, last, range(starts[inside.start], starts[inside.stop]) if inside else range(0)


def taken_over(
    steps: Sequence[Step], first: Mapping[int, int], last: dict[int, int], kept: Collection[int]
) -> dict[int, int]:
    """Return buffers that lie where another has lain up to the step that writes them, by their numbers.

    Args:
        steps: with the steps of their loops.
        first: use of every buffer, as of `lives`.
        last: the same; that of a buffer whose memory is taken over grows.
        kept: numbers of buffers that stay where they are.
    """
    old_of: dict[int, int] = {}
    index = 0
    for step in steps:
        start = index if step.inner else 0
        for part in step.inner or (step,):
            for new, old in ((new, old) for new in part.writes for old in part.spent):
                alike = (old.size, old.kind) == (new.size, new.kind) and not new.fixed and not old.fixed
                free = new.key not in old_of and old.key not in old_of.values() and {old.key, new.key}.isdisjoint(kept)
                # What a loop finds in memory of others has to be there when it turns again.
                if alike and free and start <= first[old.key] and first[new.key] == last[old.key] == index:
                    old_of[new.key] = old.key
            index += 1
    for new_key, old_key in reversed(old_of.items()):
        last[old_key] = last[new_key]
    return old_of
