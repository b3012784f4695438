"""What the commands of boards share: the line, and how a board is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, option
from edgewright.core.formatting import plural

if TYPE_CHECKING:
    from edgewright.device.boards.link import BoardAnswer, BoardLine


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
