"""`edgewright fleet waiting`: signed changes that the control plane has not taken in yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.fleet._folder import FLEET


@declare(example="--fleet my-fleet")
def command(
    folder: Path = FLEET,
    withdraw: int | None = option(type=click.IntRange(1), metavar="N", help="Withdraw change N and those after it."),
) -> Result:
    """List changes that are signed and wait to be published, or withdraw some.

    The control plane publishes them as soon as it runs. If it refuses one (its log says why), the changes after it wait
    too.
    """
    from edgewright.fleet.repository import acceptance
    from edgewright.fleet.repository.changes import plain
    from edgewright.fleet.repository.folder import locked, open_fleet

    fleet = open_fleet(folder)
    if withdraw is None:
        changes = acceptance.waiting(fleet)
    else:
        with locked(fleet):
            changes = acceptance.withdraw(fleet, withdraw)

    def text() -> Iterator[str]:
        prefix = "" if withdraw is None else "taken back: "
        for change in changes:
            yield plain(f"{prefix}{int(change.path.stem)}  {change.change.about}")
        if not changes:
            yield "nothing waits"

    return Result([{"number": int(change.path.stem), "about": change.change.about} for change in changes], text())
