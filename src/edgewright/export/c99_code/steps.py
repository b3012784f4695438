"""Steps of generated code, the loops and functions they stand in, and how long what they use lives."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgewright.export.c99_code.source import Buffer


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
    found: dict[int, int] = {}
    index = 0
    for step in steps:
        start = index if step.inner else 0
        for part in step.inner or (step,):
            for new, old in ((new, old) for new in part.writes for old in part.spent):
                alike = (old.size, old.kind) == (new.size, new.kind) and not new.fixed and not old.fixed
                free = new.key not in found and old.key not in found.values() and {old.key, new.key}.isdisjoint(kept)
                # What a loop finds in memory of others has to be there when it turns again.
                if alike and free and start <= first[old.key] and first[new.key] == last[old.key] == index:
                    found[new.key] = old.key
            index += 1
    for new_key, old_key in reversed(found.items()):
        last[old_key] = last[new_key]
    return found
