"""A model on a device: estimated, and compiled and counted in the estimate's place where the tools are there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.errors import CheckFailedError, EdgewrightError, ExportError
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.prediction.objects import read_objects
from edgewright.core.records.data import Floats
from edgewright.core.records.footprint import Budget, Estimate, Footprint, How, Part, Spread
from edgewright.core.records.network import Graph, IntegerNetwork, Node
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.linkable import write_objects_c99
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.contract import Subject, read_subject
from edgewright.export.emulator import Entry, devices, how_to_install, installed_tools, missing_tools, run_on_device
from edgewright.export.targets.c99 import watchers_in
from edgewright.export.vela import CONFIGURATIONS, NOT_RUN, Placement, compile_vela
from edgewright.graph.cost import cost
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.pipeline.cost import fill_bytes, form_footprint, holder, integer_form, over_budget
from edgewright.profiles.footprint import UNVERIFIED, amount, energy, program_latency, takes_programs
from edgewright.profiles.records import Profile
from edgewright.profiles.rules import (
    CHECKED,
    Checked,
    Operator,
    Rules,
    Verdict,
    check_operators,
    check_program,
    load_rules,
)

_NAME = "model"
# Instructions spent on counting: to some dozens of a million, in a tenth of the time that exact counts take.
_COUNTED = 3e7


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of flash, of static memory and of stack of a program, instructions of one prediction, and the compiler."""

    flash: int
    static: int
    stack: int
    instructions: int
    compiler: str = ""

    @property
    def ram(self) -> int:
        """Static memory and stack, bytes."""
        return self.static + self.stack


def truth_of(
    graph: Graph,
    network: IntegerNetwork | None,
    core: str,
    row: Floats | None = None,
    *,
    written_for: str = "",
    flash: float = 0.0,
) -> Truth:
    """Compile and count.

    Args:
        graph: the whole pipeline, float or in QDQ form.
        network: the integers of its network; None for the float network.
        core: name of an emulated core.
        row: a sample, shape as the graph's input; made up where there is none.
        written_for: core that the code is written for; portable where empty.
        flash: bytes of the device that it is written for; 0 where they are not known.

    Raises:
        InputError: for a program that does not fit the emulated board.
        CheckFailedError: when a tool is missing or the program does not end.
    """
    shape = graph.inputs[0].shape
    if row is None:
        row = np.random.default_rng(0).normal(0.0, 0.5, shape).astype(np.float32)
    words = 1 + sum(math.prod(v.shape) if v.name != "label" else 1 for v in graph.outputs)
    size = math.prod(shape)
    call = f"static {_NAME}_context context; {_NAME}_predict(&context, (const float *)in, ({_NAME}_answer *)out);"
    files, header = write_c99(graph, CodeOptions(_NAME, core=written_for, flash=flash), network), f"{_NAME}.h"
    if (spec := read_objects(graph.metadata)) is not None:
        files, header = files | write_objects_c99(spec, name=_NAME), f"{_NAME}_objects.h"
        call += f" static {_NAME}_objects found; {_NAME}_find_objects((const {_NAME}_answer *)out, &found);"
    entry = Entry(header, call, size * 4, words * 4)
    rows = np.asarray(row, np.float32).reshape(1, size)
    # The estimates were fitted to programs that GCC compiled.
    tools = next(iter(sorted(installed_tools(core), reverse=True)), None)
    done = run_on_device(files, entry, core, rows, timeout=300.0, counted=_COUNTED, tools=tools)
    return Truth(
        flash=done.flash,
        static=done.ram,
        stack=done.stack,
        instructions=done.instructions,
        compiler=done.tools.partition(",")[0],
    )


# They stand around the operators of an integer network, and before its weights, which are constants.
_GRIDS = ("QuantizeLinear", "DequantizeLinear")


def estimate_place(
    path: Path,
    profile: Profile,
    *,
    form: str = "",
    shape: tuple[int, ...] | None = None,
    budget: Budget | None = None,
    compiled: bool | None = None,
    measured: Mapping[str, float] | None = None,
) -> tuple[Estimate, Subject]:
    """Estimate a run, a package or a model from elsewhere.

    Args:
        path: of it.
        profile: of the device.
        form: 'float' or 'int8' of a package; its default when empty.
        shape: of one sample of an ONNX model that leaves its axes open.
        budget: limits beside the device's own.
        compiled: compile and count; None where the tools are installed.
        measured: figures from a board, 'latency' in us or 'energy' in uJ.

    Raises:
        InputError: nothing there, damaged, or a core that is not emulated where `compiled` asks for it.
        CheckFailedError: `compiled` asks for tools that are not installed.
    """
    subject = read_subject(path, form=form, shape=shape)
    return estimate_subject(subject, profile, budget=budget, compiled=compiled, measured=measured), subject


def estimate_subject(
    subject: Subject,
    profile: Profile,
    *,
    budget: Budget | None = None,
    compiled: bool | None = None,
    measured: Mapping[str, float] | None = None,
    whole: bool = False,
) -> Estimate:
    """Estimate what was read already, with windows kept `whole` where its code does; else as `estimate_place`."""
    notes: list[str] = []
    buffer = _buffer(subject, profile, whole)
    footprint = before = form_footprint(profile, subject.graph, buffer_bytes=buffer)
    if _may_compile(profile, before, compiled, notes):
        try:
            truth = truth_of(
                subject.graph, subject.integers, profile.core, written_for=profile.core, flash=profile.flash.value
            )
        except EdgewrightError as error:
            if compiled:
                raise
            notes.append(f"not compiled: {error}")
        else:
            footprint = _compiled(profile, before, truth, buffer)
    for quantity, value in (measured or {}).items():
        footprint = _replaced(footprint, quantity, value)
    limits = _limits(profile, subject, budget)
    if footprint.latency_us is None and limits.latency_us is not None and (budget is None or budget.latency_us is None):
        notes.append(f"an answer is due every {amount(limits.latency_us, 'us')}; whether it is in time is not known")
        limits = msgspec.structs.replace(limits, latency_us=None)
    over = over_budget(footprint, limits)
    parts = _parts(subject)
    return Estimate(
        name=subject.name,
        device=profile.name,
        description=profile.description,
        footprint=footprint,
        before=before,
        limits=limits,
        over=over,
        helps=tuple(_helps(subject, profile, footprint, limits, over, parts, buffer)) if over else (),
        parts=parts,
        notes=tuple(notes),
    )


def _buffer(subject: Subject, profile: Profile, whole: bool) -> int:
    """Return bytes that are filled while the rows of a window arrive, which detectors may see whole, too."""
    window = None if subject.stream is None else subject.stream.window
    whole = whole or any(watcher.given for watcher in watchers_in(subject).all)
    return fill_bytes(profile, subject.graph, window, whole=whole)


def _may_compile(profile: Profile, before: Footprint, compiled: bool | None, notes: list[str]) -> bool:
    """Return whether to compile; a note, or an error where it was asked for, says why not."""
    if compiled is False or not takes_programs(profile):
        if compiled:
            raise ExportError("a microcontroller", f"{profile.name}, where an engine answers", "--compile")
        return False
    if profile.core not in devices():
        reason = f"{profile.core or profile.instruction_set} is not an emulated core ({', '.join(devices())})"
        if compiled:
            raise ExportError("an emulated core", reason, "--compile")
        notes.append(f"not compiled: {reason}")
        return False
    if missing := ", ".join(missing_tools(profile.core)):
        if compiled:
            raise CheckFailedError(f"compiling needs {missing}", how_to_install(profile.core))
        notes.append(f"not compiled: {missing} not installed ({how_to_install(profile.core)})")
        return False
    return before.instructions is None or before.instructions.how == "estimated"


def _compiled(profile: Profile, before: Footprint, truth: Truth, buffer: int) -> Footprint:
    """Return the footprint with compiled sizes and counted instructions; latency and energy follow."""
    instructions = _exact(truth.instructions, "instructions", "counted", f"{profile.core} under emulation")
    latency = program_latency(profile, instructions)
    size = f"{truth.compiler} -O2 for {profile.core}"
    return msgspec.structs.replace(
        before,
        notes=(UNVERIFIED,) if before.latency_us is None else before.notes,
        flash=_exact(truth.flash, "B", "compiled", size),
        ram=_exact(truth.ram + buffer, "B", "compiled", f"{size}, stack measured under emulation"),
        instructions=instructions,
        latency_us=latency,
        energy_uj=energy(profile, latency),
    )


def _exact(value: float, unit: str, how: How, source: str) -> Spread:
    return Spread(value=value, low=value, high=value, unit=unit, how=how, source=source)


def _replaced(footprint: Footprint, quantity: str, value: float) -> Footprint:
    """Return the footprint with a figure from a board."""
    if quantity == "latency":
        fields = {"latency_us": _exact(value, "us", "measured", "a board")}
    else:
        fields = {"energy_uj": _exact(value, "uJ", "measured", "a board")}
    left = "energy is" if quantity == "latency" else "latency is"
    note = f"{left} modelled, unverified on silicon"
    notes = tuple(note if text == UNVERIFIED else text for text in footprint.notes if text != note)
    return msgspec.structs.replace(footprint, notes=notes, **fields)


def _limits(profile: Profile, subject: Subject, budget: Budget | None) -> Budget:
    """Return the device's limits, or lower ones; an answer takes no longer than the time to the next one."""
    requested = budget or Budget()
    flash, ram = int(profile.flash.value), int(profile.ram.value)
    window = None if subject.stream is None else subject.stream.window
    deadline = window.step / window.rate * 1e6 if window is not None and window.rate and window.step else None
    return msgspec.structs.replace(
        requested,
        latency_us=deadline if requested.latency_us is None else requested.latency_us,
        flash=flash if requested.flash is None else min(flash, requested.flash),
        ram=ram if requested.ram is None else min(ram, requested.ram),
        cells=None if profile.cells is None else int(profile.cells.value),
    )


def _parts(subject: Subject) -> tuple[Part, ...]:
    """Return stages of the graph with what they hold and do."""
    whole = cost(subject.graph)
    return tuple(
        Part(
            name=name,
            constants=part.weight_bytes,
            values=max((node.bytes for node in whole.nodes if node.stage == name and node.op not in _GRIDS), default=0),
            macs=part.macs,
        )
        for name, part in whole.stages.items()
    )


def _helps(
    subject: Subject,
    profile: Profile,
    footprint: Footprint,
    limits: Budget,
    over: tuple[str, ...],
    parts: tuple[Part, ...],
    buffer: int,
) -> list[str]:
    """Return what takes most of what is short, and what would fit."""
    helps = []
    quantities = {sentence.split()[0] for sentence in over}
    holding = [part for part in parts if part.constants]
    if "flash" in quantities and len(holding) > 1:
        whole, largest = sum(part.constants for part in holding), max(holding, key=lambda part: part.constants)
        helps.append(f"flash: the stage {largest.name!r} has {largest.constants / whole:.0%} of the constants")
    if parts and "RAM" in quantities:
        largest = max(parts, key=lambda part: part.values)
        helps.append(
            f"RAM: the stage {largest.name!r} has the largest value, {largest.values:,} bytes; a shorter window "
            "or fewer channels reduce it"
        )
    macs = sum(part.macs for part in parts)
    if macs and quantities & {"latency", "energy"}:
        largest = max(parts, key=lambda part: part.macs)
        helps.append(f"time: the stage {largest.name!r} needs {largest.macs:,} multiplications per answer")
    if profile.cells is not None and quantities & {"flash", "RAM"}:
        helps.append(
            f"what would fit: weights, factors and activations of {profile.flash.value:,.0f} bytes in block RAM, or "
            f"weights sent through the stream and activations of {profile.ram.value:,.0f} bytes in SPRAM"
        )
    if takes_programs(profile):
        fits = [integer_form(profile, subject.graph, footprint, limits, buffer), holder(subject.graph, limits, buffer)]
        helps.append(f"what would fit: {', and '.join(filter(None, fits))}")
        small = (
            "run DATA --search 10m finds smaller networks" if macs else "run DATA --explain ladder shows simpler models"
        )
        helps.append(f"edgewright {small} for a --device")
    return helps


# How LiteRT calls the operators of a network.
_LITERT = {
    "add": "ADD",
    "average_pool": "AVERAGE_POOL_2D",
    "concat": "CONCATENATION",
    "conv": "CONV_2D",
    "dense": "FULLY_CONNECTED",
    "depthwise": "DEPTHWISE_CONV_2D",
    "logistic": "LOGISTIC",
    "max_pool": "MAX_POOL_2D",
    "mean": "MEAN",
    "pad": "PAD",
    "quantise": "QUANTIZE",
    "relu": "RELU",
    "reshape": "RESHAPE",
    "softmax": "SOFTMAX",
    "transpose": "TRANSPOSE",
}


def accelerators(profile: Profile, subject: Subject) -> tuple[Checked, ...]:
    """Every accelerator of a profile with a verdict on each operator.

    Args:
        profile: of the device.
        subject: the model.
    """
    compiled = []
    for accelerator in profile.accelerators:
        rules = load_rules(accelerator.rules)
        verdicts, notes = _verdicts(rules, subject)
        how = CHECKED
        if accelerator.configuration in CONFIGURATIONS and verdicts:
            verdicts, how, more = _compiled_operators(accelerator.configuration, rules, subject, verdicts)
            notes = (*notes, *more)
        compiled.append(
            Checked(
                accelerator=accelerator.name,
                serves=accelerator.serves,
                verdicts=verdicts,
                supported=sum(verdict.supported for verdict in verdicts),
                source=rules.source,
                how=how,
                notes=(*notes, *rules.notes),
            )
        )
    return tuple(compiled)


def _compiled_operators(
    configuration: str, rules: Rules, subject: Subject, verdicts: tuple[Verdict, ...]
) -> tuple[tuple[Verdict, ...], str, tuple[str, ...]]:
    """Return the verdicts of Vela in place of those of its rules, how they came about, and notes."""
    try:
        # It needs the extra `engines`, which few estimates do.
        model = import_module("edgewright.export.targets.tflite").to_tflite(subject.network)
        report = compile_vela(model, configuration)
    except EdgewrightError as error:
        return verdicts, CHECKED, (str(error),)
    placed = tuple(_verdict(placement, number) for number, placement in enumerate(report.operators))
    ours = check_operators(rules, _file_operators(model))
    other = [
        f"our rules say otherwise of {placement.operator}, {placement.value}: {own.why or 'it is taken'}"
        for own, placement in zip(ours, placed, strict=True)
        if own.supported != placement.supported
    ]
    return placed, NOT_RUN, (str(report), *other)


def _file_operators(model: bytes) -> list[Operator]:
    """Return the operators of a .tflite as it is written."""
    file = parse_tflite(model)
    return [
        Operator(
            name=operator.name,
            value=f"operator {number}",
            dtype=file.tensors[operator.outputs[0]].dtype,
            rank=len(file.tensors[operator.inputs[0]].shape),
            constants=tuple(tensor < 0 or file.tensors[tensor].array is not None for tensor in operator.inputs),
        )
        for number, operator in enumerate(file.operators)
    ]


def _verdict(placement: Placement, number: int) -> Verdict:
    why = "" if placement.npu else "Vela leaves it to the CPU"
    return Verdict(operator=placement.operator, value=f"operator {number}", supported=placement.npu, why=why)


def _verdicts(rules: Rules, subject: Subject) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    try:
        if rules.reads == "c99":
            text = write_c99(subject.graph, CodeOptions("model"), subject.integers)["model.c"]
            return check_program(rules, text), ()
        if rules.reads == "onnx":
            return check_operators(rules, _graph_operators(subject.graph)), ()
        network = subject.network
    except EdgewrightError as error:
        return (), (f"cannot be checked: {error}",)
    outside = sum(node.op not in ("QuantizeLinear", "DequantizeLinear") for node in _before(subject.graph))
    notes = (f"{outside} float operators before the network run on the CPU",) if outside else ()
    return check_operators(rules, _network_operators(network)), notes


def _before(graph: Graph) -> tuple[Node, ...]:
    """Return nodes that come before the boundary."""
    nodes = []
    for node in graph.nodes:
        if not graph.boundary or graph.boundary == graph.inputs[0].name:
            break
        nodes.append(node)
        if graph.boundary in node.outputs:
            return tuple(nodes)
    return ()


def _graph_operators(graph: Graph) -> list[Operator]:
    names = [output for node in graph.nodes for output in node.outputs if output]
    source = graph.inputs[0]
    sample = np.zeros((1, *source.shape), source.dtype)
    values = {**graph.constants, source.name: sample, **compile_graph(graph, names)(sample)}
    operators = []
    for node in graph.nodes:
        first = values.get(node.inputs[0]) if node.inputs else None
        dtype = values[node.outputs[0]].dtype.name
        operators.append(
            Operator(
                name=node.op,
                value=node.outputs[0],
                dtype="float32" if dtype == "float64" else dtype,
                rank=0 if first is None else first.ndim,
                constants=tuple(not name or name in graph.constants for name in node.inputs),
            )
        )
    return operators


def _network_operators(network: IntegerNetwork) -> list[Operator]:
    dtype = "float32" if network.rounding == "none" else "int8"
    return [
        Operator(
            name=_LITERT.get(operator.kind, operator.kind.upper()),
            value=f"value {operator.output}",
            dtype=dtype,
            rank=1 + len(network.values[operator.inputs[0]].shape),
            activation=operator.activation,
        )
        for operator in network.operators
    ]
