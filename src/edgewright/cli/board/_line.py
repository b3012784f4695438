"""What the commands of boards share: the line, and how a board is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from edgewright.cli.output import print_json

if TYPE_CHECKING:
    from edgewright.device.boards.link import BoardAnswer, BoardLine

F = TypeVar("F", bound=Callable[..., object])


def line_options(function: F) -> F:
    """`PORT` (or tcp:HOST:PORT), `--baud`, `--json`."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        click.option("--baud", type=click.IntRange(50, 20_000_000), default=115200, show_default=True),
        click.argument("port", metavar="PORT"),
    ):
        function = decorate(function)
    return function


@contextmanager
def board_at(port: str, baud: int) -> Iterator[BoardLine]:
    """Provide an open line to a board: a serial port's name, or tcp:HOST:PORT of a bridge.

    Raises:
        MissingExtraError: without pyserial.
        InputError: the port cannot be opened, or takes no such rate.
        OutputError: it vanishes meanwhile.
    """
    from edgewright.device.boards.link import BoardLine, open_link

    with open_link(port if port.startswith("tcp:") else f"serial:{port}@{baud}") as opened:
        yield BoardLine(opened)


def tell(answer: BoardAnswer, as_json: bool) -> None:
    """Print what a board said."""
    if as_json:
        print_json(
            {
                "counter": answer.counter, "floor": answer.floor, "slot": answer.active, "starts_left": answer.trial,
                "receiving": answer.received if answer.state else None, "weights": answer.name.hex(),
                "layout": answer.layout.hex(), "slot_bytes": answer.slot,
            }
        )  # fmt: skip
        return
    if answer.active is None:
        click.echo("no weights")
    else:
        left = (
            "" if answer.trial is None else f", on trial, {answer.trial} start{'s' if answer.trial != 1 else ''} left"
        )
        click.echo(f"weights {answer.counter} in slot {answer.active}{left}")
    if answer.state:
        click.echo(f"receiving: {answer.received:,} of {answer.length:,} bytes")
    click.echo(
        f"takes weights above {answer.floor}, up to {answer.slot:,} bytes, for layout {answer.layout.hex()[:16]}"
    )
