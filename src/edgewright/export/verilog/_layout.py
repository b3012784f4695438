"""What the machine's text needs of a program, and what it takes of an iCE40.

Loops are merged to as few levels as there must be, and a step has fields. Blocks of RAM and multipliers are counted,
logic cells estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from pathlib import Path

import numpy as np

from edgewright.export.verilog import Factor, Loop, Program, Step

_CHUNK = 16
# An EBR of the iCE40 has 4 kbit, at most 16 bits wide; an SPRAM 16 bits in 16,384 places: two bytes each.
BLOCK_BYTES, BLOCK_BITS, BLOCK_ROWS = 512, 16, 256
HUGE_BYTES = 32_768
# Activations beyond so many bytes go to SPRAM.
_BLOCK_ACTIVATIONS = 2_048

# Of the UP5K (Lattice FPGA-DS-02008): EBR of 4 kbit, SPRAM of 256 kbit, SB_MAC16, logic cells.
BLOCKS, HUGES, MULTIPLIERS, CELLS = 30, 4, 8, 5_280
# Relative half-width of the bar around logic cells.
CELLS_ERROR = 0.2
# Logic cells of the machine itself, and those that a bit which differs between steps costs.
_CELLS = 905.0
_CELLS_PER_BIT = 1.5
_CELLS_PER_LEVEL = 50.0
# Where some step joins two inputs.
_CELLS_JOINED = 95.0
# A table of so many steps is one layer of LUTs.
_STEPS = 16


def template(file: str, values: Mapping[str, object]) -> str:
    """Return a file that stands here with values in place of words such as @NAME@, one after the other."""
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    for word, value in values.items():
        text = text.replace(f"@{word}@", str(value))
    return text


def merged(loops: Sequence[Loop]) -> tuple[Loop, ...]:
    """Return loops that do the same, fewer: without those that turn once, neighbours as one where strides allow it."""
    fewer: list[Loop] = []
    for loop in loops:
        if loop.count == 1:
            continue
        last = fewer[-1] if fewer else None
        if last and loop.read == last.read * last.count and loop.write == last.write * last.count:
            fewer[-1] = Loop(last.count * loop.count, last.read, last.write)
        else:
            fewer.append(loop)
    return tuple(fewer)


@dataclass(frozen=True)
class Walk:
    """The loops of a step on the levels of the machine: taps, channels, places, innermost first."""

    taps: tuple[Loop, ...]
    channels: Loop
    places: tuple[Loop, ...]

    def levels(self, taps: int, places: int) -> tuple[Loop, ...]:
        """Return all loops, with ones that turn once where the machine has more levels."""
        once = Loop(1, 0)
        return (
            *self.taps, *(once,) * (taps - len(self.taps)), self.channels,
            *self.places, *(once,) * (places - len(self.places)),
        )  # fmt: skip


def walk_of(step: Step) -> Walk:
    """Return the merged loops of a step; those of taps that go between two inputs stay as they are."""
    if step.second is not None:
        return Walk(step.taps, Loop(1, 0), merged(step.outputs))
    plain = len(step.factors) == 1 and (step.weights is None or step.table)
    if plain:
        outputs = merged(step.outputs) or (Loop(1, 0),)
        return Walk(merged(step.taps), outputs[0], outputs[1:])
    return Walk(merged(step.taps), step.outputs[0], merged(step.outputs[1:]))


@dataclass(frozen=True)
class Layout:
    """A program on the machine.

    Attributes:
        program: the steps.
        loaded: whether the weights come through the stream after a reset.
    """

    program: Program
    loaded: bool = False

    @cached_property
    def walks(self) -> tuple[Walk, ...]:
        """Loops of each step."""
        return tuple(walk_of(step) for step in self.program.steps)

    @cached_property
    def taps(self) -> int:
        """Levels of taps; one at least."""
        return max(1, *(len(walk.taps) for walk in self.walks))

    @cached_property
    def places(self) -> int:
        """Levels of places."""
        return max(len(walk.places) for walk in self.walks)

    @cached_property
    def chunks(self) -> int:
        """16-bit parts of the multipliers; two at least."""
        return max(2, -(-max(factor.multiplier for factor in self.program.factors).bit_length() // _CHUNK))

    @cached_property
    def row_fields(self) -> tuple[int, int, int, int]:
        """Bits of a row of factors, as few as its numbers need: bias, multiplier, first and second shift."""
        factors = self.program.factors
        # One more for the sign; -2**k has as many bits as 2**k - 1.
        bias = 1 + max(max(factor.bias, -factor.bias - 1).bit_length() for factor in factors)
        largest = (max(getattr(factor, name) for factor in factors) for name in ("multiplier", "first", "second"))
        return (bias, *(max(1, int(value).bit_length()) for value in largest))  # type: ignore[return-value]

    @property
    def row_bits(self) -> int:
        """Bits of a row of factors."""
        return sum(self.row_fields)

    @property
    def huge(self) -> bool:
        """Whether the activations lie in SPRAM."""
        return self.program.activations > _BLOCK_ACTIVATIONS

    @property
    def product_steps(self) -> int:
        """Cycles of a product of a sum and a multiplier."""
        return 2 * self.chunks

    def row(self, factor: Factor) -> int:
        """Return a row of factors as a number: bias, multiplier, both shifts, from the top."""
        row = 0
        values = (factor.bias, factor.multiplier, factor.first, factor.second)
        for value, bits in zip(values, self.row_fields, strict=True):
            row = row << bits | value & ((1 << bits) - 1)
        return row

    def fields(self, index: int) -> dict[str, int]:
        """Return what the machine knows of a step, by name."""
        program, step = self.program, self.program.steps[index]
        levels = self.walks[index].levels(self.taps, self.places)
        moves: dict[str, int] = {}
        for level, loop in enumerate(levels):
            inner = levels[:level]
            moves[f"end{level}"] = loop.count - 1
            moves[f"read{level}"] = loop.read - sum((other.count - 1) * other.read for other in inner)
            if level >= self.taps:
                moves[f"write{level}"] = loop.write - sum((other.count - 1) * other.write for other in inner)
        return {
            **moves,
            "source": program.addresses[step.read.number] + step.read.offset,
            "result_first": program.addresses[step.write.number] + step.write.offset,
            "weights_first": program.weight_starts[index],
            "factors_first": program.factor_starts[index],
            "per_channel": int(len(step.factors) > 1),
            "weighted": int(step.weights is not None and not step.table and step.second is None),
            "lookup": int(step.table),
            "joined": int(step.second is not None),
            "maximum": int(step.maximum),
            "keeps": int(step.keeps),
            "zero": step.zero,
            "target": step.target,
            "low": step.low,
            "high": step.high,
        }

    def cycles(self) -> int:
        """Return cycles from the last byte of a sample to the first of the answer, as the machine takes them."""
        return sum(self._step_cycles(index) for index in range(len(self.program.steps))) + 1

    def _step_cycles(self, index: int) -> int:
        """Return cycles of a step: an output takes its taps and a write, or as long as a requantisation if longer."""
        step, walk = self.program.steps[index], self.walks[index]
        taps = int(np.prod([loop.count for loop in walk.taps]))
        outputs = int(np.prod([loop.count for loop in (walk.channels, *walk.places)]))
        ends = [5 if step.keeps else 5 + self.product_steps + _shifted(factor) for factor in step.factors]
        # The last output is waited for.
        return (
            1
            + taps
            + sum(max(taps + 1, end) for end in ends) * (outputs // len(ends))
            - max(taps + 1, ends[-1])
            + ends[-1]
        )


def _shifted(factor: Factor) -> int:
    """Return cycles of both shifts of a factor: 16, 4 and 1 places at a time, the last one rounded."""
    cycles = 2 if factor.first or factor.second else 1
    for shift in (factor.first, factor.second):
        left = shift
        while left:
            left -= 16 if left > 16 else 4 if left > 4 else 1
            cycles += 1
    return cycles


def blocks(layout: Layout) -> int:
    """Return EBR: bytes of weights and activations, and rows of factors in columns of 16 bits."""
    program = layout.program
    weights = 0 if layout.loaded else -(-len(program.weights) // BLOCK_BYTES)
    activations = 0 if layout.huge else -(-program.activations // BLOCK_BYTES)
    # Synthesis drops bits that are the same in all rows.
    rows = [layout.row(factor) for factor in program.factors]
    columns = -(-reduce(or_, (row ^ rows[0] for row in rows)).bit_count() // BLOCK_BITS)
    return weights + activations + columns * -(-len(program.factors) // BLOCK_ROWS)


def huges(layout: Layout) -> int:
    """Return SPRAM: loaded weights and large activations."""
    program = layout.program
    weights = -(-len(program.weights) // HUGE_BYTES) if layout.loaded else 0
    return weights + (-(-program.activations // HUGE_BYTES) if layout.huge else 0)


def cells(layout: Layout) -> int:
    """Return logic cells, fitted on placed designs (benchmarks/fpga)."""
    fields = [layout.fields(index) for index in range(len(layout.program.steps))]
    varying = sum(
        len({step_fields[name] >> bit & 1 for step_fields in fields}) > 1 for name in fields[0] for bit in range(20)
    )
    levels = layout.taps + layout.places - 1
    joined = _CELLS_JOINED * any(step.second is not None for step in layout.program.steps)
    return round(_CELLS + _CELLS_PER_BIT * varying * -(-len(fields) // _STEPS) + _CELLS_PER_LEVEL * levels + joined)
