"""A plan against the standard faults, before it starts: how many devices each bad release would reach."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.protocol.plans.options import PlanOptions
    from edgewright.fleet.simulator.simulation import Exposure

MIN_DEVICES, MAX_DEVICES = 10, 200
"""Devices that are simulated: as many as the fleet has, within these."""


def simulate_first(plan: PlanOptions, devices: int, *, anyway: bool, ask: bool) -> None:
    """Print on standard error what each standard fault exposes under a plan.

    Args:
        plan: that is about to start.
        devices: of the fleet.
        anyway: go on, whatever is found.
        ask: ask whether to go on, where a person is at the terminal.

    Raises:
        InputError: a fault reaches devices beyond the stage in which it shows.
        click.Abort: the person said no.
    """
    from edgewright.fleet.simulator.simulation import bad_releases, exposures

    count, names = min(max(devices, MIN_DEVICES), MAX_DEVICES), bad_releases()
    results: list[Exposure] = []
    click.echo(f"simulating this plan with {count} devices and each of {len(names)} bad releases", err=True)
    for exposure in exposures(plan, count):
        if not results:
            click.echo(_row("fault", "rollout", "shows in stage", "devices exposed", "beyond it"), err=True)
        results.append(exposure)
        click.echo(
            _row(exposure.fault, exposure.end, exposure.stage, f"{exposure.exposed} of {count}", str(exposure.beyond)),
            err=True,
        )
    escaped = [exposure for exposure in results if exposure.beyond]
    if escaped and not anyway:
        raise InputError(
            "a plan under which no fault reaches devices beyond the stage in which it shows", _worst(escaped),
            "--simulate", "Add gates, or lengthen --dwell; --anyway starts the rollout all the same",
        )  # fmt: skip
    if ask and sys.stdin is not None and sys.stdin.isatty():
        click.confirm("Start the rollout?", abort=True, err=True)


def _row(fault: str, end: str, stage: str, exposed: str, beyond: str) -> str:
    return f"  {fault:<18} {end:<9} {stage:<16} {exposed:>16} {beyond:>10}"


def _worst(escaped: list[Exposure]) -> str:
    first = max(escaped, key=lambda exposure: exposure.beyond)
    more = f", and {len(escaped) - 1} others do too" if len(escaped) > 1 else ""
    return f"{first.fault} shows in stage {first.stage!r} and reaches {first.beyond} devices beyond it{more}"
