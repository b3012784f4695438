"""What the commands of boards share: the line, and how a board is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

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
    """An open line to a board: a serial port's name, or tcp:HOST:PORT of a bridge.

    Raises:
        MissingExtraError: without pyserial.
        InputError: the port cannot be opened, or takes no such rate.
        OutputError: it vanishes meanwhile.
    """
    from edgewright.device.boards.connection import open_link
    from edgewright.device.boards.link import BoardLine

    with open_link(port if port.startswith("tcp:") else f"serial:{port}@{baud}") as opened:
        yield BoardLine(opened)


def tell(told: BoardAnswer, as_json: bool) -> None:
    """Prints what a board said."""
    if as_json:
        from edgewright.cli.device._store import print_json

        print_json(
            {
                "counter": told.counter, "floor": told.floor, "slot": told.active, "starts_left": told.trial,
                "receiving": told.received if told.state else None, "weights": told.name.hex(),
                "layout": told.layout.hex(), "slot_bytes": told.slot,
            }
        )  # fmt: skip
        return
    if told.active is None:
        click.echo("no weights")
    else:
        left = "" if told.trial is None else f", on trial, {told.trial} start{'s' if told.trial != 1 else ''} left"
        click.echo(f"weights {told.counter} in slot {told.active}{left}")
    if told.state:
        click.echo(f"receiving: {told.received:,} of {told.length:,} bytes")
    click.echo(f"takes weights above {told.floor}, up to {told.slot:,} bytes, for layout {told.layout.hex()[:16]}")
