"""`edgewright adapt federate`: what a fleet would learn together while its data stay on the devices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import listed, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.schema.federation import FederationSimulation, RoundOutcome


@dataclass(frozen=True, kw_only=True)
class FederateOptions:
    """Options of the command."""

    model: Path = argument(metavar="RUN|PACKAGE")
    data: str = option(
        metavar="DATA", help="File or folder with labels, or a public set. [default: the run's test part]"
    )
    judge: str = option(metavar="A,B", help="People who are judged, all others learn. [default: a quarter, by chance]")
    rounds: int = option(default=20, type=click.IntRange(1, 1000), help="Rounds of learning.")
    size: int = option("--devices-in-group", default=5, type=click.IntRange(3, 64), help="Devices of a secure sum.")
    passes: int = option(default=2, type=click.IntRange(1, 50), help="Passes of a device over its own examples.")
    clip: float = option(
        default=0.1, type=click.FloatRange(0, 4, min_open=True),
        help="How far the direction of a device counts, as a share of the norm of the layer.",
    )  # fmt: skip
    noise: float = option(
        default=0.0, type=click.FloatRange(0, 1000), help="Noise in a sum, as a multiple of the signs of a device."
    )
    delta: float = option(default=1e-5, type=click.FloatRange(0, 1, min_open=True, max_open=True), help="For epsilon.")
    dropouts: float = option(default=0.0, type=click.FloatRange(0, 1), help="Share of devices that fall silent.")
    poisoners: float = option(default=0.0, type=click.FloatRange(0, 1), help="Share of devices that attack.")
    attack: str = option(default="flip", metavar="NAME", help="What they do: back, bounded, flip, labels or random.")
    seed: int = option(default=0, help="Seed of the random number generators.")
    kind: str = option(metavar="NAME", help="Kind of source or public set of DATA; detected from the path by default.")
    target: str = option(metavar="COLUMN", help="Column with the labels; that of the training data by default.")
    group: str = option(metavar="COLUMN", help="Column with the person or machine.")
    settings: tuple[str, ...] = option("--set", metavar="KEY=VALUE", help="Option of the loader.")


@declare(example="runs/watch --data wisdm_watch --dropouts 0.2")
def command(options: FederateOptions) -> Result:
    """Let people learn together as devices of a fleet, and judge what they learned on other people.

    Each person is a device that keeps its examples. It sends masked signs of how its last layer changes, of which the
    server sees sums of small groups only. People whom the model was fitted on are left out.
    """
    with loading():
        from edgewright.schema.federation import FederationSettings
        from edgewright.workflows.adaptation.federation import FederationPlan, federate
        from edgewright.workflows.adaptation.local_fleet import Faults
        from edgewright.workflows.scoring.rows import ScoreRequest

    request = ScoreRequest(
        data=options.data, kind=options.kind, target=options.target, group=options.group,
        settings=settings_of(options.settings),
    )  # fmt: skip
    plan = FederationPlan(
        settings=FederationSettings(
            rounds=options.rounds, group=options.size, passes=options.passes, clip=options.clip, noise=options.noise,
        ),
        faults=Faults(options.dropouts, options.poisoners, options.attack),
        evaluated=listed(options.judge),
        delta=options.delta, seed=options.seed,
    )  # fmt: skip
    simulation = federate(options.model, request, plan, None if wants_json() else _print_round)
    return Result(simulation, _lines(simulation))


def _print_round(outcome: RoundOutcome) -> None:
    if outcome.number == 1:
        click.echo("round  devices  in a sum  groups  failed  beyond  moved")
    click.echo(
        f"{outcome.number:>5}  {outcome.devices:>7}  {outcome.counted:>8}  {outcome.groups:>6}  "
        f"{outcome.failed:>6}  {outcome.beyond:>6}  {outcome.moved:>5.1%}"
    )


def _lines(simulation: FederationSimulation) -> Iterator[str]:
    yield (
        f"{simulation.name} on {simulation.data}: {simulation.devices} devices with {simulation.examples:,} examples, "
        f"{len(simulation.test_people)} other people judged"
    )
    yield "layer      accuracy  95 %            worst person"
    for figure in simulation.figures:
        interval = f"{figure.accuracy.low:.3f} to {figure.accuracy.high:.3f}"
        yield f"{figure.layer:<9}  {figure.accuracy.value:>8.3f}  {interval}  {figure.worst:>12.3f}"
    yield f"a device and round: {simulation.bytes_up:,} bytes up, {simulation.bytes_down:,} down"
    if simulation.poisoners:
        yield f"poisoners: {simulation.poisoners:.0%} of the devices, attack {simulation.attack!r}"
    if simulation.epsilon is not None:
        yield f"epsilon {simulation.epsilon:.2f} at delta {simulation.delta:g}, against whoever sees the sums"
    else:
        yield "no noise: sums are exact, and no epsilon bounds what they tell; --noise adds some"
    yield from (f"note: {note}" for note in simulation.notes)
