"""Files with a table that are no CSV: every file here offers `FORMAT`, whose rows go on as those of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgewright.core.catalogue import find, names

PACKAGE = "edgewright.core.csv.formats"
_ROWS = 2000


@dataclass(frozen=True)
class Format:
    """The one object `FORMAT` of a file.

    Attributes:
        suffixes: endings of the names of files, in lower case.
        rows: path and name for messages -> rows, the names of the columns first. It raises `InputError` for a file that
            is none, or has no table.
    """

    suffixes: tuple[str, ...]
    rows: Callable[[Path, str], Iterable[Sequence[object]]]


@cache
def formats() -> dict[str, Format]:
    """Return formats by suffix."""
    known = [find(PACKAGE, name, "FORMAT", "format") for name in names(PACKAGE)]
    return {suffix: known_format for known_format in known for suffix in known_format.suffixes}


def csv_pieces(path: Path, name: str) -> Iterator[bytes] | None:
    """Return the table of a file as pieces of a CSV file; None for a file that is text already."""
    reader = formats().get(path.suffix.lower())
    return None if reader is None else _pieces(reader.rows(path, name))


def _pieces(rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, row in enumerate(rows, 1):
        writer.writerow([cell_text(cell) for cell in row])
        if number % _ROWS == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def cell_text(cell: object) -> str:
    """Return a cell as a CSV file has it: whole numbers without a point, times as ISO text, nothing for None."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    written = getattr(cell, "isoformat", None)
    return str(written() if written is not None else cell)
