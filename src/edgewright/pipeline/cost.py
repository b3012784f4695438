"""What training will take of a processor, told before it begins where that is long."""

from __future__ import annotations

import ctypes
import gc
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
import numpy as np

from edgewright.compression.int8 import STEP, quantise, values_of
from edgewright.compression.weights import network_section
from edgewright.core.errors import EdgewrightError, InputError, UnknownNameError
from edgewright.core.formatting import duration_text
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.footprint import Budget, How
from edgewright.core.records.network import Graph, IntegerNetwork, Node
from edgewright.core.records.package import WindowSpec
from edgewright.export.contract import Subject
from edgewright.export.write import grid_of, program_of
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
from edgewright.profiles.records import Profile

if TYPE_CHECKING:
    from edgewright.models.architecture import Architecture

__all__ = [
    "Footprint",
    "as_integers",
    "fill_bytes",
    "footprint",
    "form_footprint",
    "over_budget",
    "rough_footprint",
    "subject_footprint",
]


Ahead = Callable[[str], None]
Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Shows work by its label and its number of steps, where that is known."""
LONG_S = 20.0
# Parts are measured for so long before they say what all of them take.
_MEASURED_S = 1.0
# CPU seconds of a two-core x86 machine for a network in JAX, by the number of dimensions that a layer takes (features,
# windows, pictures): the start, and a multiply-accumulate of one sample forwards and back; then a batch. Another
# machine differs, by two or three times.
_COSTS_S = {1: (1.2, 1.2e-10), 2: (3.0, 1e-9), 3: (12.0, 2.5e-9)}
_BATCH_S = 6e-5
# CPU seconds of such a machine for a byte of a table: 1,000,000 rows of ten columns of CSV are 79 MB and take 12.5.
_READ_BYTE_S, _TABLES = 1.6e-7, (".csv", ".tsv", ".txt", ".parquet", ".pq")


def training_s(network: Architecture, looks: float, batch: int) -> float:
    """CPU seconds that training takes at most.

    Args:
        network: to be trained.
        looks: samples looked at, all epochs together.
        batch: samples of a step.
    """
    start_s = look_s = 0.0
    for layer, config, shape in zip(network.layers, network.configs, network.shapes, strict=False):
        layer_start_s, mac_s = _COSTS_S[min(len(shape), 3)]
        start_s = max(start_s, layer_start_s)
        look_s += layer.macs(config, shape) * mac_s
    return start_s + looks * look_s + looks / batch * _BATCH_S


def reading_s(path: str) -> float:
    """Return the CPU seconds that reading, checking and dividing tables takes; 0 of other files and of addresses.

    Args:
        path: file or folder.
    """
    location = Path(path)
    files = location.iterdir() if location.is_dir() else [location]
    tables = (file for file in files if file.suffix.lower() in _TABLES and file.is_file())
    return _READ_BYTE_S * sum(file.stat().st_size for file in tables)


def tell_ahead(ahead: Ahead, work: str, seconds: float) -> None:
    """Tell what work takes, before it begins, where that is over `LONG_S`.

    Args:
        ahead: takes the sentence, as `Listener.ahead`.
        work: what is done, as 'Training at growing sizes'.
        seconds: of a processor, at most.
    """
    if seconds > LONG_S:
        text = duration_text(float(f"{seconds:.2g}"))
        ahead(f"{work} takes up to about {text} of CPU time (estimated; press Ctrl-C to stop)")


def told_by_first(
    advance: Callable[[int], None], ahead: Ahead, work: str, parts: int, *, skipped: int = 0, limit_s: float = math.inf
) -> Callable[[int], None]:
    """Return what to call after each of several like parts of work; the first of them give the estimate of all.

    Args:
        advance: called with every amount of parts, in any case.
        ahead: takes the sentence, as `Listener.ahead`.
        work: what is done, as 'Trying decisions'.
        parts: all of them.
        skipped: calls that are not measured, because their part also compiles or draws what all of them need.
        limit_s: seconds behind which no further part begins.
    """
    started = time.process_time()
    calls = measured = 0
    is_announced = False

    def step(amount: int) -> None:
        nonlocal started, calls, measured, is_announced
        calls += 1
        if calls <= skipped:
            started = time.process_time()
        elif not is_announced:
            measured += amount
            passed_s = time.process_time() - started
            is_announced = passed_s >= _MEASURED_S
            if is_announced:
                tell_ahead(ahead, work, min(limit_s, passed_s / max(1, measured) * parts))
        advance(amount)

    return step


T = TypeVar("T")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of wall clock and processor, and the rise of peak resident memory in bytes (0 where unknown)."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Measured(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a piece of work gave, and its cost."""

    value: T
    cost: Cost


def measured(work: Callable[[], T]) -> Measured[T]:
    """Run `work` and measures it.

    Peak memory is the kernel's high-water mark, reset before the work (Linux: `/proc/self/clear_refs`, proc(5));
    elsewhere it is reported as 0.
    """
    _reset_peak()
    before = _resident("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    cost = Cost(
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
        peak_bytes=max(0, _resident("VmHWM") - before),
    )
    return Measured(value=value, cost=cost)


def together(*costs: Cost) -> Cost:
    """Return costs of pieces of work one after the other: times add up, the peak is the largest."""
    return Cost(
        seconds=sum(cost.seconds for cost in costs),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        peak_bytes=max((cost.peak_bytes for cost in costs), default=0),
    )


def latency(answer: Callable[[], object], *, seconds: float = 0.1, maximum: int = 2000) -> tuple[float, float]:
    """Median and 99th percentile of one call, in microseconds, after a warm-up of a tenth of the calls.

    Args:
        answer: the call.
        seconds: budget of the measurement.
        maximum: largest number of calls.
    """
    clock = time.perf_counter_ns
    start = clock()
    answer()
    once = max(clock() - start, 1)
    calls = int(min(maximum, max(20, seconds * 1e9 / once)))
    for _ in range(calls // 10):
        answer()
    durations = np.empty(calls)
    for number in range(calls):
        start = clock()
        answer()
        durations[number] = clock() - start
    return float(np.percentile(durations, 50)) / 1e3, float(np.percentile(durations, 99)) / 1e3


def _reset_peak() -> None:
    # Memory that was freed but is still held by the allocator would hide what the work needs. Young objects only: a
    # full collection walks all of JAX and takes 0.2 s, longer than most stages.
    gc.collect(1)
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return


def _resident(field: str) -> int:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), 0)


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
    verilog = import_module("edgewright.export.verilog._layout")  # only for FPGAs
    layout = import_module("edgewright.export.verilog._files").layout_of(subject.network)
    program, cycles, needed = layout.program, layout.cycles(), verilog.cells(layout)
    latency = _exact(cycles / profile.clock.value * 1e6, "us", "counted", f"{cycles:,} cycles")
    notes = [
        f"flash is {verilog.blocks(layout)} blocks of RAM that the bitstream fills ({len(program.weights):,} bytes of "
        f"weights, {len(program.factors):,} rows of factors, {program.activations:,} bytes of activations); RAM is "
        f"{verilog.huges(layout)} blocks of SPRAM; instructions are cycles"
    ]
    if layout.loaded:
        notes.append("the weights are more than block RAM holds: they are sent through the stream after each reset")
    if subject.read is None and subject.graph.boundary != subject.graph.inputs[0].name:
        notes.append("the preprocessing stays on the host and is not counted")
    return Footprint(
        profile=profile.name,
        form="int8",
        flash=_exact(verilog.blocks(layout) * verilog.BLOCK_BYTES, "B", "counted", "blocks of RAM"),
        ram=_exact(verilog.huges(layout) * verilog.HUGE_BYTES, "B", "counted", "blocks of SPRAM"),
        instructions=_exact(cycles, "instructions", "counted", "cycles of the machine, equal to a simulator's"),
        latency_us=latency,
        energy_uj=energy(profile, latency),
        notes=tuple(notes),
        cells=Spread(
            value=needed,
            low=needed * (1 - verilog.CELLS_ERROR),
            high=needed * (1 + verilog.CELLS_ERROR),
            unit="cells",
            how="estimated",
            source="fitted on placed designs",
        ),
    )


def _exact(value: float, unit: str, how: How, source: str) -> Spread:
    return Spread(value=value, low=value, high=value, unit=unit, how=how, source=source)


# Largest integer of the weights, by bits.
_LEVELS = {8: 127, 4: 7}
# Where an operator has its bias, and the exponent of an LSTM's step that holds cells up to 8.
_BIASES = {"Gemm": 2, "Conv": 2, "LSTM": 3, "GRU": 3}
_CELL = -12
# Its multiples differ in every digit.
_GOLDEN = 0.6180339887498949


def footprint(profile: Profile, graph: Graph, *, bits: int = 8, buffer_bytes: int = 0) -> Footprint:
    """Return what a pipeline takes of a device, from its graph.

    Args:
        profile: of the device.
        graph: the whole pipeline, float or in int8 form; a float one is estimated as it will be with `bits`.
        bits: of the network's weights: 8, 4 (kept in bytes) or 32 for a float network.
        buffer_bytes: of the window that is filled beside it.

    Raises:
        InputError: for a graph that cannot run, be made integer or be written as C.
        UnknownNameError: for an operator that has no C form.
    """
    if bits in _LEVELS and graph.boundary and Subject("model", graph).form == "float":
        graph = as_integers(graph, bits)
    return subject_footprint(profile, Subject("model", graph), bits=bits, buffer_bytes=buffer_bytes)


def subject_footprint(profile: Profile, subject: Subject, *, bits: int = 8, buffer_bytes: int = 0) -> Footprint:
    """Return what a model in the form that it has takes of a device; arguments as of `footprint`."""
    small = subject.form == "int8"
    form = ("int4" if bits == 4 else "int8") if small else "float"
    if profile.instruction_set in SETS and small:
        return verilog_footprint(profile, subject)
    if takes_programs(profile):
        program = program_of(subject.graph, subject.integers, core=profile.core, flash=profile.flash.value)
        return program_footprint(profile, program, form=form, buffer_bytes=buffer_bytes)
    return rough_footprint(profile, subject, form=form, buffer_bytes=buffer_bytes)


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


def form_footprint(profile: Profile, graph: Graph, *, buffer_bytes: int = 0) -> Footprint:
    """Return what one form of a model takes, as it is: roughly where it has no C form, which a note then says."""
    subject = Subject("model", graph)
    try:
        return subject_footprint(profile, subject, buffer_bytes=buffer_bytes)
    except (InputError, UnknownNameError) as error:
        rough = rough_footprint(profile, subject, form=subject.form, buffer_bytes=buffer_bytes)
        return msgspec.structs.replace(
            rough, notes=(f"no {'Verilog' if profile.instruction_set in SETS else 'C'} form: {error}", *rough.notes)
        )


def rough_footprint(profile: Profile, subject: Subject, *, form: str, buffer_bytes: int = 0) -> Footprint:
    """From bytes and multiply-accumulates alone: an engine on a system, or a model that has no C form."""
    try:
        network = subject.integers
    except (InputError, UnknownNameError):
        network = None
    return on_system(profile, _load(subject.graph, network), form=form, buffer_bytes=buffer_bytes)


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
