"""The footprint of an int8 network as generated Verilog on an FPGA: memories and cycles are counted from its steps."""

from __future__ import annotations

from edgewright.export.contract import Subject
from edgewright.export.verilog._files import layout_of
from edgewright.export.verilog._layout import BLOCK_BYTES, HUGE_BYTES
from edgewright.export.verilog._resources import CELLS_ERROR, blocks, cells, huges
from edgewright.profiles.footprint import Footprint, Spread, energy
from edgewright.schema.footprint import How
from edgewright.schema.profile import Profile

SETS = frozenset({"ice40"})
"""Instruction sets of profiles that run generated Verilog."""


def verilog_footprint(profile: Profile, subject: Subject) -> Footprint:
    """Return what a network takes: block RAM as flash, SPRAM as RAM, cycles as instructions, logic cells.

    Args:
        profile: of an FPGA.
        subject: with an int8 network.

    Raises:
        UnknownNameError: for an operator that has no Verilog form.
        InputError: for settings of one that have none.
    """
    layout = layout_of(subject.network)
    program, cycles, needed = layout.program, layout.cycles(), cells(layout)
    latency = _exact(cycles / profile.clock.value * 1e6, "us", "counted", f"{cycles:,} cycles")
    notes = [
        f"flash is {blocks(layout)} blocks of RAM that the bitstream fills ({len(program.weights):,} bytes of weights, "
        f"{len(program.factors):,} rows of factors, {program.activations:,} bytes of activations); RAM is "
        f"{huges(layout)} blocks of SPRAM; instructions are cycles"
    ]
    if layout.loaded:
        notes.append("the weights are more than block RAM holds: they are sent through the stream after each reset")
    if subject.read is None and subject.graph.boundary != subject.graph.inputs[0].name:
        notes.append("the preprocessing stays on the host and is not counted")
    return Footprint(
        profile=profile.name,
        form="int8",
        flash=_exact(blocks(layout) * BLOCK_BYTES, "B", "counted", "blocks of RAM"),
        ram=_exact(huges(layout) * HUGE_BYTES, "B", "counted", "blocks of SPRAM"),
        instructions=_exact(cycles, "instructions", "counted", "cycles of the machine, equal to a simulator's"),
        latency_us=latency,
        energy_uj=energy(profile, latency),
        notes=tuple(notes),
        cells=Spread(
            value=needed,
            low=needed * (1 - CELLS_ERROR),
            high=needed * (1 + CELLS_ERROR),
            unit="cells",
            how="estimated",
            source="fitted on placed designs",
        ),
    )


def _exact(value: float, unit: str, how: How, source: str) -> Spread:
    return Spread(value=value, low=value, high=value, unit=unit, how=how, source=source)
