"""A model against the budgets of a profile: its footprint as the rows that a record of a run has."""

from __future__ import annotations

from edgewright.profiles.footprint import amount, takes_programs
from edgewright.schema.footprint import Footprint, Spread
from edgewright.schema.profile import Profile
from edgewright.schema.trace import BudgetRow, DeviceRecord


def estimate(
    profile: Profile,
    found: Footprint,
    *,
    package_bytes: int = 0,
    deadline_us: float = 0.0,
    measured_latency_us: float | None = None,
) -> DeviceRecord:
    """Return the model against the budgets of a profile.

    Args:
        profile: of the device.
        found: flash, RAM and latency with their error bars.
        package_bytes: of the whole package file, measured; 0 leaves the row out, as does a device that runs a program.
        deadline_us: time between two answers, in microseconds; 0 sets no limit.
        measured_latency_us: p50 on the device itself, which takes the place of the estimate.
    """
    small = takes_programs(profile)
    rows = [
        _row("flash" if small else "storage", found.flash, profile.flash.value),
        _row("RAM", found.ram, profile.ram.value),
    ]
    if found.cells is not None and profile.cells is not None:
        rows.append(_row("logic cells", found.cells, profile.cells.value))
    if package_bytes and profile.package is not None:
        rows.append(_measured("package", float(package_bytes), profile.package.value, "B"))
    if measured_latency_us is not None:
        rows.append(_measured("latency", measured_latency_us, deadline_us, "us"))
    elif found.latency_us is not None:
        rows.append(_row("latency", found.latency_us, deadline_us))
    over = [row for row in rows if 0 < row.available < row.used]
    beyond = [
        f"{row.name} may exceed its budget: the error bar reaches beyond it"
        for row in rows
        if 0 < row.available < row.high and row.used <= row.available
    ]
    text = () if measured_latency_us is not None else (_latency_note(profile, found),)
    return DeviceRecord(
        profile=profile.name,
        description=profile.description,
        rows=tuple(rows),
        fits=not over,
        notes=(*beyond, *(found.notes[:-1] if small else ()), *text),
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


def _latency_note(profile: Profile, found: Footprint) -> str:
    """Return what the latency is made of."""
    counted = found.instructions is not None and found.instructions.how != "modelled"
    if takes_programs(profile) and counted and found.latency_us is not None:
        return f"latency is modelled, unverified on silicon: {found.latency_us.source}"
    return found.notes[-1]
