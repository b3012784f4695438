"""`edgewright estimate`: flash, RAM, instructions, latency and energy of a model on a device, with error bars."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import sample_shape
from edgewright.core.errors import CheckFailedError, OptionFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.core.records.footprint import Estimate, Spread
    from edgewright.profiles.rules import Checked

_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class EstimateOptions:
    """Options of the command."""

    path: Path = argument(metavar="RUN|PACKAGE|MODEL.onnx|MODEL.tflite")
    device: str = option(required=True, metavar="PROFILE", help="A profile, or the path of your own TOML file.")
    budget: str | None = option(
        metavar="LIMITS", help="flash=64kB,ram=16kB,latency=10ms,energy=2mJ; exits with 1 if exceeded."
    )
    form: str = option(metavar="NAME", help="Form of a package: float or int8; its default form by default.")
    shape: str | None = option(metavar="N,N,...", help="Shape of one sample, for an ONNX model with dynamic axes.")
    compiled: bool | None = option(
        "--compile/--no-compile", help="Compile and count. [default: if the tools are installed]"
    )
    measured: tuple[str, ...] = option(metavar="latency=8ms", help="Measurement from a board, in place of the model.")


@declare(example="runs/hapt --device cortex-m4 --budget flash=64kB,ram=32kB,latency=10ms")
def command(options: EstimateOptions) -> Result:
    """Estimate the flash, RAM, latency and energy of a model on a device.

    Tables and static memory are exact; code, stack and instructions come from a regression over the operators, whose
    intervals hold nine of ten cross-validated errors. Sizes are compiled and instructions counted under emulation if
    the tools are installed. Latency and energy are modelled, not verified on silicon, until --measured gives them.
    """
    with loading():
        from edgewright.core.records.footprint import parse_budget
        from edgewright.profiles.catalogue import load_profile
        from edgewright.workflows.estimation import accelerators, estimate_place

    profile = load_profile(options.device)
    estimate, subject = estimate_place(
        options.path,
        profile,
        form=options.form,
        shape=sample_shape(options.shape),
        budget=None if options.budget is None else parse_budget(options.budget),
        compiled=options.compiled,
        measured=_figures(options.measured),
    )
    checked = accelerators(profile, subject)
    failure = None
    if estimate.over:
        over = f"{estimate.name} on {estimate.device}: {'; '.join(estimate.over)}"
        failure = CheckFailedError(over, "; ".join(estimate.helps))
    record = {**msgspec.to_builtins(estimate), "accelerators": msgspec.to_builtins(checked)}
    return Result(record, _lines(estimate, checked), failure=failure)


def _figures(measured: tuple[str, ...]) -> dict[str, float]:
    from edgewright.core.records.footprint import parse_amount

    figures = {}
    for text in measured:
        key, equals, amount = (word.strip() for word in text.partition("="))
        if not equals or key not in ("latency", "energy"):
            raise OptionFormatError("latency=8ms or energy=2mJ", repr(text), "--measured")
        figures[key] = parse_amount(key, amount, f"--measured {key}")
    return figures


def _lines(estimate: Estimate, checked: tuple[Checked, ...]) -> Iterator[str]:
    from edgewright.profiles.footprint import amount, engine_weights

    footprint, limits = estimate.footprint, estimate.limits
    emulated = footprint.instructions is not None and footprint.instructions.how == "counted"
    head = "Simulated processor: " if emulated else ""
    yield f"{head}{estimate.name}, {footprint.form}, on {estimate.device}: {estimate.description}"
    rows: list[tuple[str, Spread | None, float | None]] = [
        ("flash", footprint.flash, limits.flash),
        ("RAM", footprint.ram, limits.ram),
        ("instructions", footprint.instructions, None),
        ("latency", footprint.latency_us, limits.latency_us),
        ("energy", footprint.energy_uj, limits.energy_uj),
    ]
    if (weights := engine_weights(footprint)) is not None:
        yield f"  {'model':<13} {amount(weights, 'B')}"
        rows[0] = ("with engine", *rows[0][1:])
    for name, spread, limit in rows:
        yield _row(name, spread, limit, footprint.latency_us is not None and name == "energy")
    for source in dict.fromkeys(s.source for _, s, _ in rows if s is not None and s.how == "estimated"):
        yield f"  error bars: {source}"
    if estimate.before != footprint:
        yield f"  before compiling: {_before(estimate)}"
    yield from (f"  {note}" for note in (*footprint.notes, *estimate.notes))
    for accelerator in checked:
        yield from _accelerator(accelerator)


def _row(name: str, spread: Spread | None, limit: float | None, timed: bool = False) -> str:
    from edgewright.profiles.footprint import amount

    if spread is None:
        why = "unknown, because the profile has no power figures" if timed else "unknown"
        return f"  {name:<13} {why}"
    largest = "" if limit is None else f" of {amount(limit, spread.unit)}"
    if spread.how == "at least":
        return f"  {name:<13} at least {amount(spread.value, spread.unit)}{largest}, the rest is unknown"
    low, high = amount(spread.low, spread.unit), amount(spread.high, spread.unit)
    span = "" if spread.low == spread.high else f" ({low} to {high})"
    return f"  {name:<13} {amount(spread.value, spread.unit)}{span}{largest}, {spread.how}"


def _before(estimate: Estimate) -> str:
    from edgewright.profiles.footprint import amount

    before, after = estimate.before, estimate.footprint
    pairs = (
        ("flash", before.flash, after.flash), ("RAM", before.ram, after.ram),
        ("instructions", before.instructions, after.instructions),
    )  # fmt: skip
    return ", ".join(
        f"{name} unknown"
        if before is None or now is None or before.how == "at least"
        else f"{name} {amount(before.value, before.unit)} ({before.value / now.value - 1:+.1%})"
        for name, before, now in pairs
    )


def _accelerator(checked: Checked) -> Iterator[str]:
    kind = "functions" if any(verdict.operator == "function" for verdict in checked.verdicts) else "operators"
    yield (
        f"  {checked.accelerator} ({checked.serves}): {checked.supported} of {len(checked.verdicts)} {kind}, "
        f"{checked.how}"
    )
    refused = Counter((verdict.operator, verdict.why) for verdict in checked.verdicts if not verdict.supported)
    for (operator, why), count in list(refused.items())[:_SHOWN]:
        yield f"    {count} x {operator} falls back to the CPU: {why}"
    if len(refused) > _SHOWN:
        yield f"    and {len(refused) - _SHOWN} more kinds (--json lists them)"
    yield from (f"    {note}" for note in checked.notes)
