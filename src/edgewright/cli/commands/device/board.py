"""Inspect a microcontroller over its serial line, and update its weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.core.errors import CheckFailedError
from edgewright.core.formatting import plural

if TYPE_CHECKING:
    from edgewright.device.boards.link import BoardAnswer, BoardLine

EXAMPLE = "update /dev/ttyACM0 pump.weights"


@dataclass(frozen=True, kw_only=True)
class LineOptions:
    """The line to a board."""

    port: str = argument(metavar="PORT")
    baud: int = option(type=click.IntRange(50, 20_000_000), default=115200)

    @contextmanager
    def open(self) -> Iterator[BoardLine]:
        """Provide an open line to a board: a serial port's name, or tcp:HOST:PORT of a bridge.

        Raises:
            MissingExtraError: without pyserial.
            InputError: the port cannot be opened, or takes no such rate.
            OutputError: it vanishes meanwhile.
        """
        from edgewright.device.boards.link import BoardLine, open_link

        with open_link(self.port if self.port.startswith("tcp:") else f"serial:{self.port}@{self.baud}") as opened:
            yield BoardLine(opened)


def state_of(answer: BoardAnswer) -> Result:
    """Return which weights a board has, and which it would accept."""
    record = {
        "counter": answer.counter, "floor": answer.floor, "slot": answer.active, "starts_left": answer.trial,
        "receiving": answer.received if answer.state else None, "weights": answer.name.hex(),
        "layout": answer.layout.hex(), "slot_bytes": answer.slot,
    }  # fmt: skip
    trial = "" if answer.trial is None else f", on trial, {plural(answer.trial, 'start')} left"
    lines = ["no weights" if answer.active is None else f"weights {answer.counter} in slot {answer.active}{trial}"]
    if answer.state:
        lines.append(f"receiving: {answer.received:,} of {answer.length:,} bytes")
    layout = answer.layout.hex()[:16]
    lines.append(f"takes weights above {answer.floor}, up to {answer.slot:,} bytes, for layout {layout}")
    return Result(record, lines)


@declare(example="/dev/ttyACM0")
def status(options: LineOptions) -> Result:
    """Show the weights of the board at PORT, and which weights it would accept."""
    from edgewright.device.boards.link import ASK

    with options.open() as line:
        return state_of(line.ask(ASK))


@declare(example="/dev/ttyACM0 pump.weights")
def update(
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


@declare(example="/dev/ttyACM0")
def revert(options: LineOptions) -> Result:
    """Make the board at PORT drop weights on trial, for good, or a transfer in progress."""
    from edgewright.device.boards.link import CODES, REVERT

    with options.open() as line:
        answer = line.ask(REVERT)
    if answer.code:
        raise CheckFailedError(f"the board did not revert: {CODES.get(answer.code, answer.code)}")
    return state_of(answer)
