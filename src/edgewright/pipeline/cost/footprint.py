"""The footprint of a graph on a device in some milliseconds, without a compiler; untrained weights do.

    footprint(load_profile("cortex-m4"), graph, bits=8).flash.value

The import rule keeps `profiles` from the C writer, so the program is counted here and weighed there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from edgewright.compression.int8 import STEP, quantise, values_of
from edgewright.compression.section import network_section
from edgewright.export.contract import Subject
from edgewright.export.program import grid_of, program_of
from edgewright.export.verilog._files import layout_of
from edgewright.export.verilog._layout import BLOCK_BYTES, CELLS_ERROR, HUGE_BYTES, blocks, cells, huges
from edgewright.graph.cost import cost
from edgewright.profiles.catalogue import listing, load_profile
from edgewright.profiles.footprint import (
    Footprint,
    Load,
    Spread,
    amount,
    energy,
    on_system,
    over_budget,
    program_footprint,
    takes_programs,
)
from edgewright.profiles.misses import Miss
from edgewright.schema.config import WindowConfig
from edgewright.schema.errors import EdgewrightError, InputError, UnknownNameError
from edgewright.schema.footprint import Budget, How
from edgewright.schema.graph import Graph, Node
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.package import WindowSpec
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


__all__ = (
    "Footprint",
    "as_integers",
    "fill_bytes",
    "footprint",
    "form_footprint",
    "over_budget",
    "rough_footprint",
    "subject_footprint",
)

# Largest integer of the weights, by bits.
_LEVELS = {8: 127, 4: 7}
FLOAT_BITS = 32
# Where an operator has its bias, and the exponent of an LSTM's step that holds cells up to 8.
_BIASES = {"Gemm": 2, "Conv": 2, "LSTM": 3, "GRU": 3}
_CELL = -12
# Its multiples differ in every digit.
_GOLDEN = 0.6180339887498949


def footprint(
    profile: Profile, graph: Graph, *, bits: int = 8, buffer_bytes: int = 0, own: Sequence[Miss] = ()
) -> Footprint:
    """Return what a pipeline takes of a device, from its graph.

    Args:
        profile: of the device.
        graph: the whole pipeline, float or in int8 form; a float one is estimated as it will be with `bits`.
        bits: of the network's weights: 8, 4 (kept in bytes) or 32 for a float network.
        buffer_bytes: of the window that is filled beside it.
        own: the user's own past misses, beside those that come with Edgewright.

    Raises:
        InputError: for a graph that cannot run, be made integer or be written as C.
        UnknownNameError: for an operator that has no C form.
    """
    if bits in _LEVELS and graph.boundary and Subject("model", graph).form == "float":
        graph = as_integers(graph, bits)
    return subject_footprint(profile, Subject("model", graph), bits=bits, buffer_bytes=buffer_bytes, own=own)


def subject_footprint(
    profile: Profile, subject: Subject, *, bits: int = 8, buffer_bytes: int = 0, own: Sequence[Miss] = ()
) -> Footprint:
    """Return what a model in the form that it has takes of a device; arguments as of `footprint`."""
    small = subject.form == "int8"
    form = ("int4" if bits == 4 else "int8") if small else "float"
    if profile.instruction_set in SETS and small:
        return verilog_footprint(profile, subject)
    if takes_programs(profile):
        program = program_of(subject.graph, subject.integers, core=profile.core, flash=profile.flash.value)
        return program_footprint(profile, program, form=form, buffer_bytes=buffer_bytes, own=own)
    return rough_footprint(profile, subject, form=form, buffer_bytes=buffer_bytes, own=own)


def fill_bytes(profile: Profile, graph: Graph, window: WindowConfig | WindowSpec | None, *, whole: bool = False) -> int:
    """Return bytes that are filled while the rows of a window arrive, beside the memory of a model.

    Args:
        profile: of the device.
        graph: of the model.
        window: how rows become samples; None where every row is one, or a sample comes whole.
        whole: whether something else than the model reads the window.
    """
    if window is None:
        return 0
    step, size = window.step or max(1, window.samples // 2), 4 * math.prod(graph.inputs[0].shape)
    if whole or window.fill_start or not takes_programs(profile):
        return size
    try:
        grid = grid_of(graph, Subject("model", graph).integers, core=profile.core, flash=profile.flash.value)
    except (InputError, UnknownNameError):
        return size
    return grid.memory(step) if grid is not None and grid.pays(step) else size


def form_footprint(profile: Profile, graph: Graph, *, buffer_bytes: int = 0, own: Sequence[Miss] = ()) -> Footprint:
    """Return what one form of a model takes, as it is: roughly where it has no C form, which a note then says."""
    subject = Subject("model", graph)
    try:
        return subject_footprint(profile, subject, buffer_bytes=buffer_bytes, own=own)
    except (InputError, UnknownNameError) as error:
        rough = rough_footprint(profile, subject, form=subject.form, buffer_bytes=buffer_bytes, own=own)
        return msgspec.structs.replace(
            rough, notes=(f"no {'Verilog' if profile.instruction_set in SETS else 'C'} form: {error}", *rough.notes)
        )


def rough_footprint(
    profile: Profile, subject: Subject, *, form: str, buffer_bytes: int = 0, own: Sequence[Miss] = ()
) -> Footprint:
    """From bytes and multiply-accumulates alone: an engine on a system, or a model that has no C form."""
    try:
        network = subject.integers
    except (InputError, UnknownNameError):
        network = None
    return on_system(profile, _load(subject.graph, network), form=form, buffer_bytes=buffer_bytes, own=own)


def as_integers(graph: Graph, bits: int = 8) -> Graph:
    """Return the int8 form of a float graph with made-up ranges: the same operators and bytes as with watched ones.

    Biases that nobody has trained are 0 and would take no table: they stand as small numbers.
    """
    section = network_section(graph)
    producers = {output: node for node in section.inside for output in node.outputs}
    known = {name: _range_of(graph, producers.get(name), index) for index, name in enumerate(values_of(section))}
    known[section.start] = _limits(graph, section.start)
    biases = {
        node.inputs[index]
        for node in section.inside
        if (index := _BIASES.get(node.op, len(node.inputs))) < len(node.inputs)
        and node.inputs[index] in graph.constants
    }
    rng = np.random.default_rng(0)
    constants = dict(graph.constants)
    for name in sorted(biases):
        bias = constants[name]
        if not bias.any():
            constants[name] = rng.normal(0.0, 0.05, bias.shape).astype(bias.dtype)
    graph = msgspec.structs.replace(graph, constants=constants, nodes=tuple(map(_with_step, graph.nodes)))
    return quantise(graph, np.zeros((0, *graph.inputs[0].shape), np.float32), levels=_LEVELS[bits], known=known)


def _with_step(node: Node) -> Node:
    """Return an LSTM with a made-up step of its cell, another node as it is."""
    return msgspec.structs.replace(node, attributes={STEP: _CELL, **node.attributes}) if node.op == "LSTM" else node


def _limits(graph: Graph, start: str) -> tuple[float, float]:
    """Range of what enters the network: the limits of a Clip before it, which training samples reach, else made up."""
    return _range_of(graph, next((node for node in graph.nodes if start in node.outputs and node.op == "Clip"), None))


def _range_of(graph: Graph, node: Node | None, index: int = 0) -> tuple[float, float]:
    """Range of what a node gives: the limits of a Clip, from 0 on for what is never negative, else made up.

    Watched ranges are never alike, by which factors would be round numbers: each place has its own.
    """
    if node is not None and node.op == "Clip":
        limits = [graph.constants[name] for name in node.inputs[1:] if name in graph.constants]
        if len(limits) == len(("low", "high")):
            return float(limits[0]), float(limits[1])
    high = 6.0 + index * _GOLDEN % 1.0
    return (0.0, high) if node is not None and node.op in ("Relu", "Sigmoid") else (-5.0, high)


def _load(graph: Graph, network: IntegerNetwork | None) -> Load:
    """Return what an engine has to do; values of an integer network take one byte each."""
    whole = cost(graph)
    if not graph.boundary:
        return Load(whole.total.weight_bytes, whole.total.peak_bytes, whole.total.macs, 0)
    inside = whole.network.peak_bytes
    if network is not None:
        sizes = [math.prod(value.shape) for value in network.values]
        inside = max(sizes[o.output] + sum(sizes[i] for i in o.inputs) for o in network.operators)
    macs = whole.network.macs
    before = whole.preprocessing
    return Load(
        weights=whole.network.weight_bytes + before.weight_bytes,
        values=max(inside, before.peak_bytes),
        macs_float=before.macs + (0 if network is not None else macs),
        macs_int8=macs if network is not None else 0,
    )


def integer_form(profile: Profile, graph: Graph, measured: Footprint, limits: Budget, buffer_bytes: int = 0) -> str:
    """Return what the int8 form of a float model takes, and whether it fits; empty where it takes no less.

    Args:
        profile: of the device.
        graph: the whole pipeline.
        measured: its footprint as it is.
        limits: of the device.
        buffer_bytes: of the window that is filled beside it.
    """
    if measured.form != "float" or not graph.boundary:
        return ""
    try:
        small = footprint(profile, graph, buffer_bytes=buffer_bytes)
    except EdgewrightError:
        return ""
    if small.form == "float" or (small.flash.value >= measured.flash.value and small.ram.value >= measured.ram.value):
        return ""
    fits = "is too large, too" if over_budget(small, limits) else "fits"
    return f"the int8 form, {_sizes(small.flash.value, small.ram.value)}, {fits}"


def holder(graph: Graph, budget: Budget, buffer_bytes: int = 0) -> str:
    """Return which microcontroller holds a model as it is, that with the least flash and RAM.

    Args:
        graph: the whole pipeline.
        budget: limits beside the devices' own.
        buffer_bytes: of the window that is filled beside it.
    """
    holders = []
    for profile in map(load_profile, listing()):
        if not takes_programs(profile):
            continue
        flash, ram = int(profile.flash.value), int(profile.ram.value)
        footprint = form_footprint(profile, graph, buffer_bytes=buffer_bytes)
        if not over_budget(footprint, Budget(flash=flash, ram=ram, latency_us=budget.latency_us)):
            holders.append((flash, ram, profile.name))
    if not holders:
        return "no microcontroller with a profile holds the model as it is"
    flash, ram, name = min(holders)
    return f"{name} holds the model as it is ({_sizes(flash, ram)})"


def _sizes(flash: float, ram: float) -> str:
    return f"{amount(flash, 'B')} of flash and {amount(ram, 'B')} of RAM"
