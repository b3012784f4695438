"""`edgewright fleet simulate`: a whole fleet in one process, with something broken."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, Stream, argument, declare, option, wants_json
from edgewright.cli.commands.fleet.rollout.start import read_plan
from edgewright.cli.interrupt import loading
from edgewright.core.errors import CHECK_SAID_NO, DONE, OptionFormatError, OutputError

if TYPE_CHECKING:
    from edgewright.fleet.simulator.result import Result as Outcome

_PARTS = 1000
"""Steps of the progress bar."""


@declare(example="100 --break bad-model --break lossy=0.1")
def command(
    *,
    number: int = argument(metavar="[N]", type=int, default=100),
    days: float | None = option(metavar="D", help="Days to simulate; as many as the fault needs by default."),
    broken: tuple[str, ...] = option(
        "--break", default=("none",), show_default="none", metavar="FAULT[=RATE]",
        help="Fault and the share of devices it affects, such as lossy=0.1 or liars=40%; may be repeated; --faults "
        "lists them.",
    ),
    plan: Path | None = option(
        metavar="FILE", help="Plan file, as for 'fleet rollout start'; its default plan without one."
    ),
    find_within: str | None = option(
        metavar="TIME", help="Find faults that show within this time after the activation, before the next stage; 24h "
        "by default.",
    ),
    wait: float = option(
        "--report-every", type=click.FloatRange(10.0, 86_400.0), default=1800.0, metavar="S",
        help="Seconds between reports of a device to which nothing happens.",
    ),
    seed: int = option(default=0, help="Random seed."),
    out: Path | None = option(metavar="DIR", help="Folder for simulation.json and simulation.html with charts."),
    listed: bool = option("--faults", "--list", help="List the faults and exit."),
) -> Stream:  # fmt: skip
    """Simulate the rollout of a new release to N devices with injected faults, and report the outcome.

    The rollout follows the plan of 'fleet rollout start' without options, or --plan. In place of a plan's cohorts,
    simulated devices have made-up tags: all of them those of cohorts that every stage names, a tenth each other one.
    The agents, the control plane, its gates and the signed metadata are the real ones; network, disk, clocks and the
    models' behaviour are simulated. The same seed gives the same result, byte for byte. Exits with 1 if an invariant is
    violated.
    """
    with loading():
        from edgewright.fleet.protocol.plans.detection import preview
        from edgewright.fleet.protocol.plans.options import seconds
        from edgewright.fleet.simulator.fault import check_days, known_faults
        from edgewright.fleet.simulator.fleet import Settings
        from edgewright.fleet.simulator.result import detection_of, lines
        from edgewright.fleet.simulator.simulation import simulate
    if listed:
        yield Result({name: fault.words for name, fault in known_faults().items()})
        return DONE
    (name, rate), *also = map(_rated, broken)
    options = read_plan(plan)
    if find_within:
        options = msgspec.structs.replace(options, find_within=seconds(find_within, "--find-within"))
    settings = Settings(
        devices=number, days=days, fault=name, rate=rate, also=tuple(also), plan=options, seed=seed, wait=wait
    )
    check_days(settings)
    if out is not None:
        _folder(out)
    if not wants_json():
        stages = preview(detection_of(settings.rollout, number), settings.rollout.watch or 0.0)
        yield Result(text=[f"Simulated: {number:,} devices. The plan:\n", *stages, ""])
    if sys.stderr is not None and sys.stderr.isatty():
        label = f"{settings.devices:,} devices"
        with click.progressbar(length=_PARTS, label=label, width=0, file=sys.stderr) as bar:
            result = simulate(settings, passed=lambda share: bar.update(round(_PARTS * share) - bar.pos))
    else:
        result = simulate(settings)
    if out is not None:
        _write(out, result)
    written = [] if out is None else [f"\nwritten to {click.format_filename(out / 'simulation.html')}"]
    yield Result(result, [*lines(result, min(max(shutil.get_terminal_size().columns, 80), 120)), *written])
    return DONE if result.good else CHECK_SAID_NO


def _rated(text: str) -> tuple[str, float | None]:
    """Name and rate of 'liars=0.4', 'liars=40%' or, as it was written first, 'liars:0.4'."""
    name, mark, rate = text.replace(":", "=", 1).partition("=")
    if not mark:
        return name, None
    try:
        return name, float(rate.removesuffix("%")) / (100.0 if rate.endswith("%") else 1.0)
    except ValueError:
        raise OptionFormatError("a share such as 0.2 or 20%", repr(rate), "--break") from None


def _folder(out: Path) -> None:
    """Make it before anything is simulated: a long run whose result cannot be written is lost.

    Raises:
        OutputError: it cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        why = "" if os.access(out, os.W_OK | os.X_OK) else "one that cannot"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        raise OutputError("a folder that can be written", why, str(out)) from None


def _write(out: Path, result: Outcome) -> None:
    """Write the result and its page.

    Raises:
        OutputError: they cannot be written.
    """
    from edgewright.core.files import os_errors, write_atomic
    from edgewright.trace.views.simulation import simulation_page

    with os_errors(OutputError, "a folder that can be written", out):
        write_atomic(out / "simulation.json", msgspec.json.format(msgspec.json.encode(result)))
        write_atomic(out / "simulation.html", simulation_page(result).encode())
