"""`edgewright fleet practice`: a fleet of simulated devices that follows its rollouts in real time."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Event

import click

from edgewright.cli.command import argument, declare, option
from edgewright.cli.interrupt import loading


@declare(example="my-practice --new 100")
def command(
    folder: Path = argument(metavar="DIR"),
    count: int | None = option(
        "--new", type=click.IntRange(1, 500), metavar="N", help="Create the fleet in DIR first, with N devices."
    ),
    product: str = option(default="main", metavar="NAME", help="With --new: its product."),
) -> int:
    """Serve a fleet to simulated devices, which follow its rollouts in seconds.

    Keys, signed metadata, control plane, gates and agents are the real ones; models and network are simulated. Publish
    and roll out as for real devices, on the command line or in the studio. Ctrl-C ends it; the next start enrols new
    devices with the release that the last rollout finished.
    """
    with loading():
        from edgewright.fleet.simulator.practice import create_practice, practise

    ended = Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    signal.signal(signal.SIGINT, lambda number, frame: ended.set())
    if count is not None:
        create_practice(folder, folder.absolute().name, product, count)
    practise(folder, lambda number: click.echo(f"{number} simulated devices follow the fleet (Ctrl-C ends it)"), ended)
    return 0
