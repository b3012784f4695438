"""A first estimate of a model on a device: flash, RAM, package and latency against the profile, with error bars."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.schema.profile import Profile
from edgewright.schema.trace import BudgetRow, DeviceRecord

MICROCONTROLLERS = ("armv6-m", "armv7-m", "armv7e-m", "armv8-m")


@dataclass(frozen=True)
class Span:
    """A constant with its lower and upper bound, in bytes."""

    value: int
    low: int
    high: int


# Flash beside the weights of 10-64-64-3 on a Cortex-M4 (5,452 bytes with int32 biases), measured under emulation:
# generated C about 1 kB, vendor kernels called directly 2 kB, an interpreter with vendor kernels 25 kB. The value
# leaves room for the float preprocessing in front of the network.
MICRO_CODE = Span(4_000, 1_000, 25_000)
# Stack of one inference measured under emulation: 8 bytes (generated C) to 508 (interpreter with vendor kernels); the
# value adds the caller and one interrupt frame with floating-point registers (104 bytes, ARMv7-M architecture).
MICRO_STACK = Span(512, 128, 1_024)
# Where there is an operating system, the engine that answers is counted. Assumption: one that was built for few
# operators is some hundred kilobytes to a few megabytes; ONNX Runtime's library on x86-64 was measured with 31 MB.
SYSTEM_CODE = Span(4_000_000, 200_000, 31_000_000)
SYSTEM_STACK = Span(65_536, 16_384, 1_048_576)


def estimate(
    profile: Profile,
    *,
    weight_bytes: int,
    activation_bytes: int,
    preprocessing_bytes: int = 0,
    macs_float: int = 0,
    macs_int8: int = 0,
    package_bytes: int = 0,
    buffer_bytes: int = 0,
    deadline_us: float = 0.0,
    measured_latency_us: float | None = None,
) -> DeviceRecord:
    """The model against the budgets of a profile.

    flash = weights + constants of the preprocessing + code; RAM = peak activations + buffers + stack;
    latency = (float MACs * cycles each + int8 MACs * cycles each + overhead) / clock, from half to one and a half of
    it where the profile's error is 0.5. The package's bytes are measured.

    Args:
        profile: of the device.
        weight_bytes: weights, biases and scales in the form that is deployed.
        activation_bytes: largest sum of activations alive at one time, in the form that is deployed.
        preprocessing_bytes: constants of the stages before the network (scales, filters, tables).
        macs_float: multiply-accumulates an inference in float32, preprocessing included.
        macs_int8: multiply-accumulates an inference in int8.
        package_bytes: of the whole package file; 0 leaves the row out.
        buffer_bytes: of the window that is being filled and its float copy.
        deadline_us: time between two answers, in microseconds; 0 sets no limit.
        measured_latency_us: p50 on the device itself, which takes the place of the estimate.
    """
    small = profile.instruction_set in MICROCONTROLLERS
    code, stack = (MICRO_CODE, MICRO_STACK) if small else (SYSTEM_CODE, SYSTEM_STACK)
    constants, held = weight_bytes + preprocessing_bytes, activation_bytes + buffer_bytes
    rows = [
        _bytes_row("flash" if small else "storage", constants, code, profile.flash.value),
        _bytes_row("RAM", held, stack, profile.ram.value),
    ]
    if package_bytes:
        size = float(package_bytes)
        rows.append(
            BudgetRow(
                name="package", used=size, low=size, high=size, available=profile.package.value, unit="B",
                how="measured",
            )
        )  # fmt: skip
    rows.append(_latency_row(profile, macs_float, macs_int8, deadline_us, measured_latency_us))
    over = [row for row in rows if 0 < row.available < row.used]
    return DeviceRecord(
        profile=profile.name,
        description=profile.description,
        rows=tuple(rows),
        fits=not over,
        notes=_notes(profile, rows, measured_latency_us, macs_int8 > macs_float),
    )


def _bytes_row(name: str, known: int, added: Span, available: float) -> BudgetRow:
    """Bytes that are known and a constant that is only estimated."""
    return BudgetRow(
        name=name,
        used=float(known + added.value),
        low=float(known + added.low),
        high=float(known + added.high),
        available=available,
        unit="B",
        how="estimated",
    )


def cycles(profile: Profile, macs_float: int, macs_int8: int) -> float:
    """Cycles an inference: multiply-accumulates at the profile's price each, and the overhead."""
    return macs_float * profile.macs_float.value + macs_int8 * profile.macs_int8.value + profile.overhead.value


def _latency_row(
    profile: Profile, macs_float: int, macs_int8: int, deadline_us: float, measured: float | None
) -> BudgetRow:
    """Time of one inference in microseconds: measured where it was, estimated from cycles elsewhere."""
    if measured is not None:
        used = low = high = measured
    else:
        used = cycles(profile, macs_float, macs_int8) / profile.clock.value * 1e6
        low, high = used * max(0.0, 1 - profile.error.value), used * (1 + profile.error.value)
    return BudgetRow(
        name="latency", used=used, low=low, high=high, available=deadline_us, unit="us",
        how="estimated" if measured is None else "measured",
    )  # fmt: skip


def _notes(profile: Profile, rows: list[BudgetRow], measured: float | None, int8: bool) -> tuple[str, ...]:
    """What an estimate leaves open."""
    notes = [
        f"{row.name} may exceed its budget: the error bar reaches beyond it"
        for row in rows
        if 0 < row.available < row.high and row.used <= row.available
    ]
    if measured is None:
        figure = profile.macs_int8 if int8 else profile.macs_float
        notes.append(f"{figure.value:g} cycle{'s' * (figure.value != 1)} a multiply-accumulate ({figure.source})")
    return tuple(notes)
