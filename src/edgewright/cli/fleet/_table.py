"""Tables in the terminal: columns as wide as what is in them, the last one cut where the screen ends."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import click


def plain(text: str) -> str:
    """Return text from devices without control characters, which a terminal would obey."""
    return "".join(one if one.isprintable() else "�" for one in text)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Return lines of a table.

    Args:
        heads: of the columns.
        rows: texts.
        right: places of columns of numbers.
    """
    shown = [[plain(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[place]) for row in shown) for place in range(len(heads))]
    lines = []
    for row in shown:
        cells = [
            cell.rjust(w) if p in right else cell.ljust(w) for p, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def fitting(line: str, width: int) -> str:
    """Return a line that is no wider than the screen."""
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"


def show(lines: Sequence[str]) -> None:
    """Print lines; on a terminal none is broken into two."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in lines:
        click.echo(fitting(line, width) if width else line)
