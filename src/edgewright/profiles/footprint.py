"""Footprint of a model on a device: flash, RAM, instructions, latency and energy, each with its interval.

On a microcontroller the model is a program of generated C99 (`export.program`): tables and static memory are exact.
Code, stack and instructions are sums over the operators, weighted by coefficients of the core that
`make bench-estimate` fitted to compiled and counted programs. On a device with an operating system an engine runs the
model: cycles for each multiply-accumulate and an overhead. `pipeline.cost.footprint` derives both from a graph.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from edgewright.core.errors import UnknownNameError
from edgewright.core.records.footprint import Budget, Footprint, How, Program, Spread
from edgewright.core.records.trace import BudgetRow, DeviceRecord
from edgewright.profiles.records import Profile

_COEFFICIENTS = Path(__file__).resolve().parent / "coefficients.json"
# A program with more instructions than this multiple of the longest fitted program is outside of the regression.
_MAX_LENGTH = 10.0
# Last words of the counts of work.
_SHAPES = ("node", "output", "row", "mac")
# Factor on the error of a program with an operator that no fitted program has.
_UNSEEN = 2.0


class Coefficients(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coefficients of a core; each sum is over the counts of a `Program` and the constant under ''.

    Attributes:
        made_with: compiler, options and emulator of the measured programs.
        subjects: number of measured programs.
        longest: instructions of the longest of them; `smallest` bytes of code of the smallest.
        code: bytes for each count of the code.
        stack: bytes of stack and of static memory in addition to the values, for each count of the code.
        instructions: instructions for each count of the work.
        errors: by form ('int8', 'float') and quantity, the factor within which nine of ten cross-validated estimates
            of what is not exact lie.
    """

    made_with: str
    subjects: int
    longest: int
    smallest: int
    code: dict[str, float]
    stack: dict[str, float]
    instructions: dict[str, float]
    errors: dict[str, dict[str, float]]


@cache
def coefficients() -> dict[str, Coefficients]:
    """Return the coefficients by the name of the core."""
    return msgspec.json.decode(_COEFFICIENTS.read_bytes(), type=dict[str, Coefficients])


def core_of(name: str) -> Coefficients:
    """Return the coefficients of a core.

    Raises:
        UnknownNameError: listing the cores that have some.
    """
    if name not in coefficients():
        raise UnknownNameError("core with coefficients", name, coefficients())
    return coefficients()[name]


def weighed(weights: Mapping[str, float], counts: Mapping[str, float]) -> float:
    """Return the sum of counts by their coefficients, and the constant; an unseen operator counts as a typical one."""
    return weights.get("", 0.0) + sum(
        (weights[kind] if kind in weights else _typical(weights, kind)) * count for kind, count in counts.items()
    )


def _typical(weights: Mapping[str, float], kind: str) -> float:
    """Return the median coefficient of kinds like an unseen one: of operators without products, or of steps of code."""
    first, last = kind.partition(" ")[0], kind.rpartition(" ")[2]
    like = [
        value
        for name, value in weights.items()
        if value and (_is_plain(weights, name, last) if last in _SHAPES else name.partition(" ")[0] == first)
    ]
    return statistics.median(like) if like else 0.0


def _is_plain(weights: Mapping[str, float], name: str, last: str) -> bool:
    operator, _, shape = name.rpartition(" ")
    return shape == last and not name.startswith("int8 ") and f"{operator} mac" not in weights


def unseen_kinds(core: Coefficients, program: Program) -> list[str]:
    """Return the kinds of a program that no fitted program has."""
    return [kind for kind in program.run if kind not in core.instructions] + [
        kind for kind in program.written if kind not in core.code
    ]


def unsupported_reason(core: Coefficients, program: Program) -> str:
    """Return why a program is outside of what a core's coefficients were fitted to; empty if it is inside."""
    products = [kind.removesuffix(" mac") for kind in unseen_kinds(core, program) if kind.endswith(" mac")]
    if products:
        return f"no program that estimates were fitted on has the products of {products[0]}"
    if weighed(core.instructions, program.run) > _MAX_LENGTH * core.longest:
        return f"it runs more than {_MAX_LENGTH:g} times as long as any program that estimates were fitted on"
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
# Assumption: portable int8 code takes at most twice the instructions of code for the DSP instructions of the core.
_PORTABLE = 2.0
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


def program_footprint(profile: Profile, program: Program, *, form: str, buffer_bytes: int = 0) -> Footprint:
    """Return the footprint of generated C on a microcontroller.

    Args:
        profile: device profile.
        program: size and work of the program.
        form: form of the network's weights.
        buffer_bytes: bytes of the window that is filled in addition, exact.

    Raises:
        UnknownNameError: the core has no coefficients.
    """
    core = core_of(_core_of(profile))
    if unknown := unsupported_reason(core, program):
        return _unknown(profile, program, form, buffer_bytes, unknown)
    errors, unseen = core.errors["float" if form == "float" else "int8"], unseen_kinds(core, program)
    if unseen:
        errors = {name: _UNSEEN * error for name, error in errors.items()}
    source = f"regression on {core.subjects} programs of a {_core_of(profile)}, cross-validated"
    source += f"; twice as wide, because none has {unseen[0]!r}" if unseen else ""
    code = float(round(weighed(core.code, program.written)))
    stack = float(round(weighed(core.stack, program.written)))
    flash = _regressed(code, errors["flash"], "B", source, program.constants)
    ram = _regressed(stack, errors["ram"], "B", source, program.values + buffer_bytes)
    work = max(1.0, weighed(core.instructions, program.run))
    instructions = _regressed(work, errors["instructions"], "instructions", source)
    if form != "float" and not profile.core and profile.estimated_as:
        instructions = msgspec.structs.replace(instructions, high=_PORTABLE * instructions.high)
    latency = program_latency(profile, instructions)
    return Footprint(
        profile=profile.name,
        form=form,
        flash=flash,
        ram=ram,
        instructions=instructions,
        latency_us=latency,
        energy_uj=energy(profile, latency),
        notes=(*_shares(program), UNVERIFIED),
    )


def _regressed(value: float, factor: float, unit: str, source: str, exact: int = 0) -> Spread:
    """Return an estimate with its interval in addition to an exact part."""
    low, high = min(value / factor, value - _MIN_SPREAD), max(value * factor, value + _MIN_SPREAD)
    return Spread(
        value=exact + value, low=exact + max(0.0, low), high=exact + high, unit=unit, how="estimated", source=source
    )


def _shares(program: Program) -> tuple[str, ...]:
    """Return what the network takes of the whole program, where it is not all there is."""
    if not 0 < program.network < program.constants:
        return ()
    whole = "flash and RAM are those of the whole program, from a raw sample to the answer"
    return (f"{whole}; the network's tables are {amount(program.network, 'B')} of the flash",)


def _unknown(profile: Profile, program: Program, form: str, buffer_bytes: int, why: str) -> Footprint:
    """Return what is exact of a program that coefficients were not fitted on; the rest of flash and RAM is a guess."""
    count = "; `edgewright estimate --compile` counts them"
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


def program_latency(profile: Profile, instructions: Spread) -> Spread:
    """Return time of so many instructions: cycles each, waiting for memory included, over the clock."""
    each = CYCLES if profile.cycles is None else profile.cycles.value
    scale = each / profile.clock.value * 1e6
    error = max(profile.error.value, CYCLES_ERROR * (profile.cycles is None))
    return Spread(
        value=instructions.value * scale,
        low=instructions.low * scale * max(0.0, 1 - error),
        high=instructions.high * scale * (1 + error),
        unit="us",
        how="modelled",
        source=f"{each:g} cycles an instruction at {profile.clock.value / 1e6:g} MHz; ±{error:.0%} assumed",
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


def on_system(profile: Profile, load: Load, *, form: str, buffer_bytes: int = 0) -> Footprint:
    """Estimate an engine on a device with an operating system, or what cannot be written as C on another.

    Args:
        profile: of the device.
        load: of one answer.
        form: how the network's weights are held.
        buffer_bytes: of the window that is filled.
    """
    small = takes_programs(profile)
    code, stack = (MICRO_CODE, MICRO_STACK) if small else (SYSTEM_CODE, SYSTEM_STACK)
    if profile.instruction_set in ("hls", "ice40"):
        code = stack = (0.0, 0.0, 0.0)
    cycles = (
        load.macs_float * profile.macs_float.value + load.macs_int8 * profile.macs_int8.value + profile.overhead.value
    )
    error = profile.error.value
    latency = _around(cycles / profile.clock.value * 1e6, error, "us", "modelled", f"±{error:.0%} assumed")
    figure = profile.macs_int8 if load.macs_int8 > load.macs_float else profile.macs_float
    return Footprint(
        profile=profile.name,
        form=form,
        flash=_estimated(load.weights, code, _MICRO_SOURCE if small else _ENGINE_SOURCE),
        ram=_estimated(load.values + buffer_bytes, stack, "assumed memory in addition to the values"),
        instructions=_around(cycles, error, "instructions", "modelled", "cycles; one instruction each assumed"),
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
