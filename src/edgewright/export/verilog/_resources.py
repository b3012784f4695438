"""What a design takes of an iCE40: blocks of RAM and multipliers counted, logic cells estimated."""

from __future__ import annotations

from functools import reduce
from operator import or_

from edgewright.export.verilog._layout import BLOCK_BITS, BLOCK_BYTES, BLOCK_ROWS, HUGE_BYTES, Layout

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
    fields = [layout.fields(place) for place in range(len(layout.program.steps))]
    varying = sum(len({one[name] >> bit & 1 for one in fields}) > 1 for name in fields[0] for bit in range(20))
    levels = layout.taps + layout.places - 1
    joined = _CELLS_JOINED * any(step.second is not None for step in layout.program.steps)
    return round(_CELLS + _CELLS_PER_BIT * varying * -(-len(fields) // _STEPS) + _CELLS_PER_LEVEL * levels + joined)
