"""What a model takes of a device: flash, RAM, instructions, latency and energy, each with its error bar.

On a microcontroller it is a program of generated C99 (`schema.program.Program`, counted by `export.program`): its
tables and static memory are exact, its code and instructions sums of what stands in it and what it works out, weighed
by coefficients of the core that were fitted on compiled and counted programs. On a device with an operating system it
is an engine: cycles a multiply-accumulate and an overhead. `pipeline.footprint` makes one of a graph.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from edgewright.profiles.cores import Core, core, rows, weighed
from edgewright.profiles.misses import Miss, bar
from edgewright.schema.footprint import DETECTOR, DUAL, LANES, OWN_FLOATS, Budget, Footprint, How, Program, Spread
from edgewright.schema.profile import Profile
from edgewright.schema.trace import BudgetRow, DeviceRecord

# Networks with LSTM or GRU layers, whose loops have kinds of their own.
RECURRENT = "recurrent network"
# Programs that count patterns in windows.
KERNELS = "program of kernels"
# Trees, rules, boosting and whatever else holds no network, on cores that work floats out by library functions.
ROWS = "program on rows"
# Kernel machines, and models on the spectrum of a sound.
MACHINES = "kernel machine or sound"
_KERNEL = re.compile(rf"({OWN_FLOATS} )?kernel ")
_MACHINE = re.compile(rf"({OWN_FLOATS} )?call expf$|{OWN_FLOATS} call runs$")
_STATE = re.compile(rf"({OWN_FLOATS} )?(lstm|gru) ")
# Loops cost what they cost, however often they turn; so many times the longest program that was fitted on is another.
_LONGER = 10.0


@dataclass(frozen=True)
class Population:
    """Programs whose past misses say how far off an estimate may be.

    Attributes:
        kind: of `profiles.misses`.
        flash, ram: exact bytes that no miss is relative to.
    """

    kind: str
    flash: int
    ram: int


def population_of(profile: Profile, program: Program) -> Population:
    """Return the population of fitted programs that a program belongs to."""
    kinds = set(program.run)
    if _rows_table(_core_of(profile), program) is not None:
        sort = ROWS
    elif of_detector(program):
        sort = DETECTOR
    elif any(map(_STATE.match, kinds)):
        sort = RECURRENT
    elif any(map(_KERNEL.match, kinds)):
        sort = KERNELS
    elif any(map(_MACHINE.match, kinds)):
        sort = MACHINES
    elif any(kind.startswith(f"{DUAL} ") for kind in kinds):
        sort = "network for two multipliers"
    elif any(kind.startswith(f"{LANES} ") for kind in kinds):
        sort = "network for vectors"
    elif any(kind.startswith("Conv ") for kind in kinds):
        sort = "float convolution"
    else:
        own = any(kind.startswith(f"{OWN_FLOATS} ") for kind in kinds)
        plain = {kind.removeprefix(f"{OWN_FLOATS} ") for kind in kinds}
        network = "call dense" in plain or any(kind.endswith(" step") for kind in plain)
        sort = f"{'network' if network else 'smaller program'}{' of windows' if own else ''}"
    return Population(f"{profile.core or profile.name} {sort}", program.constants, program.values)


def table_of(name: str, program: Program) -> Core:
    """Return the coefficients of a core that a program is weighed by.

    Raises:
        UnknownNameError: for a core without coefficients.
    """
    return _rows_table(name, program) or core(name)


def _rows_table(name: str, program: Program) -> Core | None:
    """Return the coefficients of programs on rows, if a program is one: at most one dense layer, nothing unknown."""
    table = rows(name)
    network = program.run.get("call dense", 0.0) > 1
    return None if table is None or network or strange(table, program) else table


def of_detector(program: Program) -> bool:
    """Return whether a program is a detector."""
    return any(kind.startswith(f"{DETECTOR} ") for kind in program.run)


def strange(table: Core, program: Program) -> str:
    """Why a program is none of those that a core's coefficients were fitted on; empty where it is one of them."""
    unseen = [kind for kind in program.run if kind not in table.instructions]
    unseen += [kind for kind in program.written if kind not in table.code and kind not in unseen]
    if unseen:
        more = f" and {len(unseen) - 1} more" if len(unseen) > 1 else ""
        return f"no program that estimates were fitted on has {unseen[0]!r}{more}"
    if weighed(table.instructions, program.run) > _LONGER * table.longest:
        return f"it runs more than {_LONGER:g} times as long as any program that estimates were fitted on"
    return ""


__all__ = ("Footprint", "Load", "Spread", "on_system", "over_budget", "program_footprint", "takes_programs")

# Cores by instruction set, for profiles that name none.
_BY_SET = {"armv6-m": "cortex-m0plus", "armv7-m": "cortex-m4", "armv7e-m": "cortex-m4", "armv8-m": "cortex-m33"}
# A model on a microcontroller that cannot be written as C, where nothing but its size is known: generated code took
# 1 kB beside the weights of 10-64-64-3 under emulation, an interpreter with vendor kernels 25 kB; stack 8 to 508 bytes.
MICRO_CODE = (4_000.0, 1_000.0, 25_000.0)
MICRO_STACK = (512.0, 128.0, 1_024.0)
# Where there is an operating system, the engine that answers is counted. Assumption: one that was built for few
# operators is some hundred kilobytes to a few megabytes; ONNX Runtime's library on x86-64 was measured with 31 MB.
SYSTEM_CODE = (4_000_000.0, 200_000.0, 31_000_000.0)
SYSTEM_STACK = (65_536.0, 16_384.0, 1_048_576.0)
_MICRO_SOURCE = "assumed code in addition to the weights"
_ENGINE_SOURCE = "an assumed engine in addition to the model; a library of operators or ONNX Runtime"
# Where a profile does not say how long an instruction takes.
CYCLES, CYCLES_ERROR = 1.5, 0.5
# A rule alone takes some dozens of bytes and instructions, of which no share says much.
_MIN_SPREAD = 64.0
UNVERIFIED = "latency and energy are modelled, unverified on silicon"


@dataclass(frozen=True)
class Load:
    """What an engine on a system has to do for one answer: bytes of weights and of values, multiply-accumulates."""

    weights: int
    values: int
    macs_float: int
    macs_int8: int


def takes_programs(profile: Profile) -> bool:
    """Return whether generated C runs there by itself, rather than an engine on an operating system."""
    return bool(_core_of(profile))


def _core_of(profile: Profile) -> str:
    """Return the core whose coefficients are taken; empty for a device with an operating system."""
    return profile.estimated_as or profile.core or _BY_SET.get(profile.instruction_set, "")


def program_footprint(
    profile: Profile, program: Program, *, form: str, buffer_bytes: int = 0, own: Sequence[Miss] = ()
) -> Footprint:
    """Return the footprint of generated C on a microcontroller.

    Args:
        profile: of the device.
        program: counted.
        form: how the network's weights are held.
        buffer_bytes: of the window that is filled beside it, exact.
        own: the user's own past misses.

    Raises:
        UnknownNameError: for a core without coefficients.
    """
    table, past = table_of(_core_of(profile), program), population_of(profile, program)
    unknown = strange(table, program)
    if unknown:
        return _unknown(profile, program, form, buffer_bytes, unknown)
    code = weighed(table.code, program.written)
    flash = _spread(program.constants + code, past, "flash", "B", own, past.flash)
    if code < table.smallest:
        # What is smaller than any program that was fitted on may be as small as its tables.
        flash = msgspec.structs.replace(flash, low=float(past.flash))
    ram = program.values + weighed(table.stack, program.written)
    instructions = max(1.0, weighed(table.instructions, program.run))
    counted = _spread(instructions, past, "instructions", "instructions", own)
    latency = program_latency(profile, counted, own)
    return Footprint(
        profile=profile.name,
        form=form,
        flash=flash,
        ram=_more(_spread(ram, past, "ram", "B", own, past.ram), buffer_bytes),
        instructions=counted,
        latency_us=latency,
        energy_uj=energy(profile, latency),
        notes=(*_shares(program), UNVERIFIED),
    )


def _shares(program: Program) -> tuple[str, ...]:
    """Return what the network takes of the whole program, where it is not all there is."""
    if not 0 < program.network < program.constants:
        return ()
    whole = "flash and RAM are those of the whole program, from a raw sample to the answer"
    return (f"{whole}; the network's tables are {amount(program.network, 'B')} of the flash",)


def _unknown(profile: Profile, program: Program, form: str, buffer_bytes: int, why: str) -> Footprint:
    """Return what is exact of a program that coefficients were not fitted on; the rest of flash and RAM is a guess."""
    # That command takes models, not detectors.
    count = "" if of_detector(program) else "; `edgewright estimate --compile` counts them"
    source = f"tables and values alone; code and stack are unknown: {why}"

    def bound(exact: int, maximum: float) -> Spread:
        return Spread(value=exact, low=exact, high=exact + maximum, unit="B", how="at least", source=source)

    return Footprint(
        profile=profile.name,
        form=form,
        flash=bound(program.constants, MICRO_CODE[2]),
        ram=bound(program.values + buffer_bytes, MICRO_STACK[2]),
        instructions=None,
        latency_us=None,
        notes=(f"instructions and latency are unknown: {why}{count}",),
    )


def _more(spread: Spread, count: int) -> Spread:
    """Return the same with so many bytes more."""
    return msgspec.structs.replace(spread, value=spread.value + count, low=spread.low + count, high=spread.high + count)


def program_latency(profile: Profile, instructions: Spread, own: Sequence[Miss] = ()) -> Spread:
    """Return time of so many instructions: cycles each, waiting for memory included, over the clock."""
    each = CYCLES if profile.cycles is None else profile.cycles.value
    scale = each / profile.clock.value * 1e6
    error = bar(profile.name, "latency", own, max(profile.error.value, CYCLES_ERROR * (profile.cycles is None)))
    return Spread(
        value=instructions.value * scale,
        low=instructions.low * scale * max(0.0, 1 - error.width),
        high=instructions.high * scale * (1 + error.width),
        unit="us",
        how="modelled",
        source=f"{each:g} cycles an instruction at {profile.clock.value / 1e6:g} MHz; {error.source}",
    )


def energy(profile: Profile, latency: Spread) -> Spread | None:
    """Energy of that time at the profile's active power; None where that is not known."""
    if profile.active is None:
        return None
    watts = profile.active.value
    return Spread(
        value=latency.value * watts, low=latency.low * watts, high=latency.high * watts, unit="uJ", how="modelled",
        source=f"{watts:g} W: {profile.active.source}",
    )  # fmt: skip


def on_system(profile: Profile, load: Load, *, form: str, buffer_bytes: int = 0, own: Sequence[Miss] = ()) -> Footprint:
    """Estimate an engine on a device with an operating system, or what cannot be written as C on another.

    Args:
        profile: of the device.
        load: of one answer.
        form: how the network's weights are held.
        buffer_bytes: of the window that is filled.
        own: the user's own past misses.
    """
    small = takes_programs(profile)
    code, stack = (MICRO_CODE, MICRO_STACK) if small else (SYSTEM_CODE, SYSTEM_STACK)
    if profile.instruction_set in ("hls", "ice40"):
        code = stack = (0.0, 0.0, 0.0)
    cycles = (
        load.macs_float * profile.macs_float.value + load.macs_int8 * profile.macs_int8.value + profile.overhead.value
    )
    error = bar(profile.name, "latency", own, profile.error.value)
    latency = _around(cycles / profile.clock.value * 1e6, error.width, "us", "modelled", error.source)
    figure = profile.macs_int8 if load.macs_int8 > load.macs_float else profile.macs_float
    return Footprint(
        profile=profile.name,
        form=form,
        flash=_estimated(load.weights, code, _MICRO_SOURCE if small else _ENGINE_SOURCE),
        ram=_estimated(load.values + buffer_bytes, stack, "assumed memory in addition to the values"),
        instructions=_around(cycles, error.width, "instructions", "modelled", "cycles; one instruction each assumed"),
        latency_us=latency,
        energy_uj=energy(profile, latency),
        notes=(
            UNVERIFIED,
            f"{figure.value:g} cycle{'s' * (figure.value != 1)} a multiply-accumulate ({figure.source})",
        ),
    )


def engine_weights(footprint: Footprint) -> float | None:
    """Return the bytes of the model alone where `flash` counts an assumed engine, too; None elsewhere."""
    flash = footprint.flash
    return flash.value - SYSTEM_CODE[0] if flash.source == _ENGINE_SOURCE else None


def over_budget(footprint: Footprint, budget: Budget) -> tuple[str, ...]:
    """By how much a footprint is beyond its limits, a sentence each; empty where it is within all of them.

    A quantity whose value is within its limit counts as within, however far its bar reaches.
    """
    pairs = (
        ("flash", footprint.flash, budget.flash),
        ("RAM", footprint.ram, budget.ram),
        ("latency", footprint.latency_us, budget.latency_us),
        ("energy", footprint.energy_uj, budget.energy_uj),
        ("logic cells", footprint.cells, None if footprint.cells is None else budget.cells),
    )
    text = []
    for name, spread, limit in pairs:
        if limit is None:
            continue
        if spread is None:
            why = f"the profile {footprint.profile} has no active power" if footprint.latency_us else footprint.notes[0]
            text.append(f"{name} is not known: {why}")
        elif spread.value > limit:
            beyond = amount(spread.value - limit, spread.unit)
            text.append(
                f"{name} {amount(spread.value, spread.unit)} is {beyond} ({spread.value / limit - 1:.0%}) beyond "
                f"{amount(limit, spread.unit)}"
            )
    return tuple(text)


def amount(value: float, unit: str) -> str:
    """Return a figure as a person reads it: '12.5 kB', '3.2 ms', '1.2 million instructions'."""
    if unit == "instructions":
        return f"{value:,.0f} instructions" if value < 1e6 else f"{value / 1e6:,.2f} million instructions"
    if unit == "cells":
        return f"{value:,.0f}"
    scales = {
        "B": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)),
        "us": (("s", 1e6), ("ms", 1e3), ("us", 1.0)),
        "uJ": (("J", 1e6), ("mJ", 1e3), ("uJ", 1.0)),
    }[unit]
    for name, scale in scales:
        if abs(value) >= scale or name in ("B", "us", "uJ"):
            digits = 0 if name == "B" else 2 if value / scale < 100 else 1
            return f"{value / scale:,.{digits}f} {name}"
    return f"{value:g} {unit}"


def _spread(value: float, past: Population, quantity: str, unit: str, own: Sequence[Miss], exact: int = 0) -> Spread:
    errors = bar(past.kind, quantity, own)
    around = max(_MIN_SPREAD, errors.width * (value - exact))
    return Spread(
        value=value, low=max(exact, value - around, 0.0), high=value + around, unit=unit, how="estimated",
        source=errors.source,
    )  # fmt: skip


def _around(value: float, width: float, unit: str, how: How, source: str) -> Spread:
    return Spread(
        value=value, low=value * max(0.0, 1 - width), high=value * (1 + width), unit=unit, how=how, source=source
    )


def _estimated(known: int, added: tuple[float, float, float], source: str) -> Spread:
    value, low, high = (known + part for part in added)
    return Spread(value=value, low=low, high=high, unit="B", how="estimated", source=source)


def estimate(
    profile: Profile,
    footprint: Footprint,
    *,
    package_bytes: int = 0,
    deadline_us: float = 0.0,
    measured_latency_us: float | None = None,
) -> DeviceRecord:
    """Return the model against the budgets of a profile.

    Args:
        profile: of the device.
        footprint: flash, RAM and latency with their error bars.
        package_bytes: of the whole package file, measured; 0 leaves the row out, as does a device that runs a program.
        deadline_us: time between two answers, in microseconds; 0 sets no limit.
        measured_latency_us: p50 on the device itself, which takes the place of the estimate.
    """
    small = takes_programs(profile)
    rows = [
        _row("flash" if small else "storage", footprint.flash, profile.flash.value),
        _row("RAM", footprint.ram, profile.ram.value),
    ]
    if footprint.cells is not None and profile.cells is not None:
        rows.append(_row("logic cells", footprint.cells, profile.cells.value))
    if package_bytes and profile.package is not None:
        rows.append(_measured("package", float(package_bytes), profile.package.value, "B"))
    if measured_latency_us is not None:
        rows.append(_measured("latency", measured_latency_us, deadline_us, "us"))
    elif footprint.latency_us is not None:
        rows.append(_row("latency", footprint.latency_us, deadline_us))
    over = [row for row in rows if 0 < row.available < row.used]
    beyond = [
        f"{row.name} may exceed its budget: the error bar reaches beyond it"
        for row in rows
        if 0 < row.available < row.high and row.used <= row.available
    ]
    text = () if measured_latency_us is not None else (_latency_note(profile, footprint),)
    return DeviceRecord(
        profile=profile.name,
        description=profile.description,
        rows=tuple(rows),
        fits=not over,
        notes=(*beyond, *(footprint.notes[:-1] if small else ()), *text),
    )


def refusal(device: DeviceRecord) -> str:
    """By how much a model is surely beyond the budget of its device, error bars included; empty where it is not."""
    over = [
        f"{row.name} {amount(row.used - row.available, row.unit)}" for row in device.rows if 0 < row.available < row.low
    ]
    return f"{', '.join(over)} beyond the budget of {device.profile}" if over else ""


def _row(name: str, spread: Spread, available: float) -> BudgetRow:
    return BudgetRow(
        name=name, used=spread.value, low=spread.low, high=spread.high, available=available, unit=spread.unit,
        how="estimated",
    )  # fmt: skip


def _measured(name: str, value: float, available: float, unit: str) -> BudgetRow:
    return BudgetRow(name=name, used=value, low=value, high=value, available=available, unit=unit, how="measured")


def _latency_note(profile: Profile, footprint: Footprint) -> str:
    """Return what the latency is made of."""
    counted = footprint.instructions is not None and footprint.instructions.how != "modelled"
    if takes_programs(profile) and counted and footprint.latency_us is not None:
        return f"latency is modelled, unverified on silicon: {footprint.latency_us.source}"
    return footprint.notes[-1]
