"""`edgewright estimate`: flash, RAM, instructions, latency and energy of a model on a device, with error bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option, sample_shape
from edgewright.cli.output import print_json
from edgewright.schema.errors import CheckFailedError, InputError

if TYPE_CHECKING:
    from edgewright.profiles.rules import Checked
    from edgewright.schema.footprint import Estimate, Spread

_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class EstimateOptions:
    """Options of the command."""

    place: Path = argument(metavar="RUN|PACKAGE|MODEL.onnx|MODEL.tflite")
    device: str = option(required=True, metavar="PROFILE", help="A profile, or the path of your own TOML file.")
    budget: str | None = option(
        metavar="LIMITS", help="flash=64kB,ram=16kB,latency=10ms,energy=2mJ; exits with 1 if exceeded."
    )
    form: str = option(metavar="NAME", help="Form of a package: float or int8; its default form by default.")
    shape: str | None = option(metavar="N,N,...", help="Shape of one sample, for an ONNX model with dynamic axes.")
    compiled: bool | None = option(
        "--compile/--no-compile", help="Compile and count. [default: if the tools are installed]"
    )
    measured: tuple[str, ...] = option(
        metavar="latency=8ms", help="Measurement from a board; stored, and used for future error bars."
    )
    as_json: bool = option("--json", help="Print everything as JSON.")


@declare(
    "estimate",
    epilog="Example: edgewright estimate runs/hapt --device cortex-m4 --budget flash=64kB,ram=32kB,latency=10ms",
)
def command(options: EstimateOptions) -> None:
    """Estimate the flash, RAM, latency and energy of a model on a device.

    The error bars cover 90 % of this tool's past errors on that kind of core. Sizes are compiled and instructions
    counted under emulation if arm-none-eabi-gcc and qemu-system-arm are installed. Latency and energy are modelled, not
    verified on silicon, until --measured adds measurements from a board.
    """
    with loading():
        from edgewright.profiles.catalogue import load_profile
        from edgewright.schema.budget import parse_budget
        from edgewright.workflows.estimation.accelerators import accelerators
        from edgewright.workflows.estimation.workflow import estimate_place

    profile = load_profile(options.device)
    made, subject = estimate_place(
        options.place,
        profile,
        form=options.form,
        shape=sample_shape(options.shape),
        budget=None if options.budget is None else parse_budget(options.budget),
        compiled=options.compiled,
        measured=_figures(options.measured),
    )
    checked = accelerators(profile, subject)
    if options.as_json:
        print_json({**msgspec.to_builtins(made), "accelerators": msgspec.to_builtins(checked)})
    else:
        _print(made, checked)
    if made.over:
        raise CheckFailedError(f"{made.name} on {made.device}: {'; '.join(made.over)}", "; ".join(made.helps))


def _figures(measured: tuple[str, ...]) -> dict[str, float]:
    from edgewright.schema.budget import parse_amount

    found = {}
    for text in measured:
        key, equals, amount = (word.strip() for word in text.partition("="))
        if not equals or key not in ("latency", "energy"):
            raise InputError("latency=8ms or energy=2mJ", repr(text), "--measured")
        found[key] = parse_amount(key, amount, f"--measured {key}")
    return found


def _print(made: Estimate, checked: tuple[Checked, ...]) -> None:
    found, limits = made.found, made.limits
    emulated = found.instructions is not None and found.instructions.how == "counted"
    head = "Simulated processor: " if emulated else ""
    click.echo(f"{head}{made.name}, {found.form}, on {made.device}: {made.description}")
    rows: list[tuple[str, Spread | None, float | None]] = [
        ("flash", found.flash, limits.flash),
        ("RAM", found.ram, limits.ram),
        ("instructions", found.instructions, None),
        ("latency", found.latency_us, limits.latency_us),
        ("energy", found.energy_uj, limits.energy_uj),
    ]
    for name, spread, limit in rows:
        click.echo(_row(name, spread, limit, found.latency_us is not None and name == "energy"))
    sources = dict.fromkeys(s.source for _, s, _ in rows if s is not None and s.how == "estimated")
    for source in sources:
        click.echo(f"  error bars: {source}")
    if made.before != found:
        click.echo(f"  before compiling: {_before(made)}")
    for note in (*found.notes, *made.notes):
        click.echo(f"  {note}")
    for one in checked:
        _accelerator(one)


def _row(name: str, spread: Spread | None, limit: float | None, timed: bool = False) -> str:
    from edgewright.profiles.footprint import amount

    if spread is None:
        why = "unknown, because the profile has no power figures" if timed else "unknown"
        return f"  {name:<13} {why}"
    if spread.how == "at least":
        largest = "" if limit is None else f" of {amount(limit, spread.unit)}"
        return f"  {name:<13} at least {amount(spread.value, spread.unit)}{largest}, the rest is unknown"
    span = (
        ""
        if spread.low == spread.high
        else f" ({amount(spread.low, spread.unit)} to {amount(spread.high, spread.unit)})"
    )
    largest = "" if limit is None else f" of {amount(limit, spread.unit)}"
    return f"  {name:<13} {amount(spread.value, spread.unit)}{span}{largest}, {spread.how}"


def _before(made: Estimate) -> str:
    from edgewright.profiles.footprint import amount

    pairs = (
        ("flash", made.before.flash, made.found.flash),
        ("RAM", made.before.ram, made.found.ram),
        ("instructions", made.before.instructions, made.found.instructions),
    )
    return ", ".join(
        f"{name} unknown"
        if before is None or found is None or before.how == "at least"
        else f"{name} {amount(before.value, before.unit)} ({before.value / found.value - 1:+.1%})"
        for name, before, found in pairs
    )


def _accelerator(one: Checked) -> None:
    what = "functions" if any(verdict.operator == "function" for verdict in one.verdicts) else "operators"
    click.echo(f"  {one.accelerator} ({one.serves}): {one.supported} of {len(one.verdicts)} {what}, {one.how}")
    refused: dict[tuple[str, str], int] = {}
    for verdict in one.verdicts:
        if not verdict.supported:
            key = (verdict.operator, verdict.why)
            refused[key] = refused.get(key, 0) + 1
    for (operator, why), count in list(refused.items())[:_SHOWN]:
        click.echo(f"    {count} x {operator} falls back to the CPU: {why}")
    if len(refused) > _SHOWN:
        click.echo(f"    and {len(refused) - _SHOWN} more kinds (--json lists them)")
    for note in one.notes:
        click.echo(f"    {note}")
