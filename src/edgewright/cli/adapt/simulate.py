"""`edgewright adapt simulate`: what learning on the device would gain, and for whom it would lose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option, settings_of
from edgewright.cli.output import print_json

if TYPE_CHECKING:
    from edgewright.schema.adapt_simulation import AdaptSimulation
    from edgewright.workflows.adaptation.examples import Examples


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    """Options of the command."""

    model: Path = argument(metavar="RUN|PACKAGE")
    data: str = option(
        metavar="DATA", help="File or folder with labels, or a public set. [default: the run's test part]"
    )
    by: str = option(type=click.Choice(["person"]), default="person", help="Who calibrates a device.")
    examples: str = option(
        metavar="30s|12", help="Labelled examples of each class: seconds, or samples. [default: 30s]"
    )
    first: str = option(
        metavar="300s", help="Label all samples of each person's first stretch of time, of whatever class, instead."
    )
    worn: str = option(
        metavar="AXES",
        help="Wear the sensors another way, such as -x,-y,z; for the layer 'affine'. [default: as recorded]",
    )
    people: str = option(metavar="A,B", help="Only these people.")
    kind: str = option(metavar="NAME", help="Kind of source or public set of DATA; detected from the path by default.")
    target: str = option(metavar="COLUMN", help="Column with the labels; that of the training data by default.")
    group: str = option(metavar="COLUMN", help="Column with the person or machine.")
    settings: tuple[str, ...] = option("--set", metavar="KEY=VALUE", help="Option of the loader.")
    as_json: bool = option("--json", help="Print the simulation as JSON.")


@declare("simulate", epilog="Example: edgewright adapt simulate runs/watch --examples 65s")
def command(options: SimulateOptions) -> None:
    """Let each unseen person calibrate a device with the first examples; judge all later samples.

    The examples are the first of each class, or with --first all of a stretch of time. The device's own integers
    learn. People whom the model was fitted on are left out. The output lists for whom the answers get worse, and for
    whom they would without the guard.
    """
    with loading():
        from edgewright.workflows.adaptation.simulation import simulate
        from edgewright.workflows.scoring.rows import ScoreRequest

    request = ScoreRequest(
        data=options.data, kind=options.kind, target=options.target, group=options.group,
        settings=settings_of(options.settings),
    )  # fmt: skip
    people = [name.strip() for name in options.people.split(",") if name.strip()]
    found = simulate(options.model, request, _examples(options), people, options.worn)
    if options.as_json:
        print_json(found)
    else:
        _print(found)


def _examples(options: SimulateOptions) -> Examples:
    """Return how much is labelled.

    Raises:
        InputError: no amount of seconds or samples, or both options.
    """
    from edgewright.cli.durations import seconds_of
    from edgewright.schema.errors import InputError
    from edgewright.workflows.adaptation.examples import Examples

    if options.first:
        if options.examples:
            raise InputError("one of --examples and --first", "both", "options")
        return Examples(seconds_of(options.first, "--first"), "first")
    text = options.examples or "30s"
    if text.isdigit():
        if not int(text):
            raise InputError("at least one sample of each class", text, "--examples")
        return Examples(float(text), "samples")
    return Examples(seconds_of(text, "--examples"), "seconds")


def _print(found: AdaptSimulation) -> None:
    labelled = found.examples if found.examples.startswith("first") else f"{found.examples} of each class"
    click.echo(f"{found.name} on {found.data}: {len(found.people)} people, {labelled}, then judged")
    click.echo("person            examples  later  before  after  learned layer")
    for one in found.people:
        use = "used" if one.used else f"not used ({one.unguarded:.3f})"
        click.echo(
            f"{one.name[:16]:<16}  {one.examples:>8}  {one.samples:>5}  {one.before:>6.3f}  {one.after:>5.3f}  {use}"
        )
    for name, figure in (("before", found.before), ("after", found.after), ("gain", found.gain)):
        click.echo(f"mean {name}: {figure.value:.3f} (95 %: {figure.low:.3f} to {figure.high:.3f}; {figure.method})")
    if found.gain_without_best is not None:
        rest = found.gain_without_best
        click.echo(f"mean gain without {found.people[-1].name}, who gains most: {rest.value:.3f} "
                   f"(95 %: {rest.low:.3f} to {rest.high:.3f})")  # fmt: skip
    width = max(len("class"), *(len(one.label) for one in found.classes))
    click.echo(f"{'class':<{width}}  samples  people  F1 before  F1 after  gain    95 %              unguarded")
    for each in found.classes:
        interval = f"{each.gain.low:+.3f} to {each.gain.high:+.3f}"
        click.echo(
            f"{each.label:<{width}}  {each.samples:>7}  {each.people:>6}  {each.before.value:>9.3f}  "
            f"{each.after.value:>8.3f}  {each.gain.value:>+.3f}  {interval}  {each.unguarded:>9.3f}"
        )
    click.echo(f"worst person: {min(p.before for p in found.people):.3f} before, "
               f"{min(p.after for p in found.people):.3f} after")  # fmt: skip
    click.echo(f"more than a point worse: {', '.join(found.losing) or 'nobody'}; "
               f"without the guard: {', '.join(found.losing_unguarded) or 'nobody'}")  # fmt: skip
    if (own := found.shipped) is not None:
        click.echo("the figures are of the earlier fit, which has not seen these people; the package that ships was "
                   f"fitted on them too: {own.before:.3f} before, {own.after:.3f} after; "
                   f"more than a point worse: {', '.join(own.losing) or 'nobody'}")  # fmt: skip
    click.echo(f"layer {found.layer!r}: {found.state_bytes:,} bytes of RAM, and two slots of as much flash")
    for note in found.notes:
        click.echo(f"note: {note}")
