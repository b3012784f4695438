"""`edgewright device board update`: new weights for a board."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.device.board._line import LineOptions, state_of
from edgewright.schema.errors import CheckFailedError


@declare(example="/dev/ttyACM0 pump.weights")
def command(
    *,
    options: LineOptions,
    file: Path = argument(metavar="WEIGHTS|PACKAGE"),
    on_trial: bool = option(help="Do not confirm: the board goes back to the old weights after a few starts."),
) -> Result:
    """Send weights to the board at PORT, which verifies and tests them before it uses them.

    Of a PACKAGE (fleet weights --into), those that fit the code of this board are sent. An interrupted transfer resumes
    where it stopped. Exits with 1 if the board refuses the weights, with 74 if it does not answer.
    """
    from edgewright.core.package import parse_package
    from edgewright.device.boards.link import ASK
    from edgewright.device.boards.reconciliation import update
    from edgewright.device.boards.weights import parse_weights, read_weights, weights_for

    data = read_weights(file)
    package = parse_package(data, str(file)) if data[:2] == b"PK" else None
    if package is None:
        parse_weights(data, str(file))
    shown = sys.stderr.isatty()

    def progress(at: int, whole: int) -> None:
        if shown:
            click.echo(f"\r{100 * at // whole:3d} %", nl=False, err=True)

    with options.open() as line:
        if package is not None:
            layout = line.ask(ASK).layout
            fitting = weights_for(package, layout)
            if fitting is None:
                raise CheckFailedError(
                    f"{file} has no weights for the firmware of this board, layout {layout.hex()[:16]}",
                    "For other firmware, update the board through its boot loader",
                )
            data = fitting
        answer = update(line, data, str(file), confirm=not on_trial, progress=progress)
    if shown:
        click.echo("\r     \r", nl=False, err=True)
    return state_of(answer)
