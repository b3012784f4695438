"""The header line of a CSV file: delimiter, column names, and an unnamed column of row numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgewright.core.csv.blocks import Block
from edgewright.schema.errors import InputError

DELIMITERS = (",", ";", "\t", "|")
_SPOKEN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SNIFFED_ROWS = 6


@dataclass(frozen=True)
class Header:
    """Names of all columns in the order of the file; an unnamed first column of row numbers has the name ''."""

    names: tuple[str, ...]
    delimiter: str


def records(block: Block, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a block as lists of cells, each with the number of its first line; blank lines are left out.

    Raises:
        InputError: for quoting that does not end or a cell beyond the reader's limit.
    """
    reader = csv.reader(io.StringIO(block.data.decode("utf-8"), newline="\n"), delimiter=delimiter, strict=True)
    while True:
        start = block.line + reader.line_num
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError("well-formed quotes", str(error), f"{name} line {start}", "Correct the quotes") from None
        if cells is None:
            return
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield start, cells


def read_header(block: Block, name: str, delimiter: str | None, columns: Sequence[str] | None) -> tuple[Header, Block]:
    """Read the header.

    Args:
        block: the first block, with at least one row after the header where there is one.
        name: of the source, for messages.
        delimiter: None finds it: the one that cuts the first lines into equally many cells.
        columns: names, when the file has no header line.

    Returns:
        The header and the rest of the block.

    Raises:
        InputError: empty file, no delimiter that fits, names that are missing or repeated, numbers in their place.
    """
    if not block.data.strip():
        raise InputError("a header line and rows", "an empty file", name)
    if delimiter is not None and (
        len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\n\r0123456789.+-eE'
    ):
        raise InputError("a delimiter of one character", repr(delimiter), name, "Take one of , ; | or tab")
    found = delimiter or _sniff(block, name, columns is not None)
    first = _first(block, found, name, 2)
    if columns is not None:
        return Header(_checked(tuple(columns), name, 1), found), block
    if not first:
        raise InputError("a header line and rows", "blank lines", name)
    line, cells = first[0]
    # A quoted name may hold line breaks; messages and tables want it on one line.
    names = tuple(" ".join(cell.split()) for cell in cells)
    after = first[1][0] if len(first) > 1 else None
    if len(first) > 1 and len(first[1][1]) == len(names) + 1:
        # R writes row numbers without a name for their column.
        names = ("", *names)
    return Header(_checked(names, name, line), found), _rest(block, after)


def _first(block: Block, delimiter: str, name: str, count: int) -> list[tuple[int, list[str]]]:
    rows = records(block, delimiter, name)
    return [row for _, row in zip(range(count), rows, strict=False)]


def _rest(block: Block, after: int | None) -> Block:
    if after is None:
        return Block(b"", block.line + block.data.count(b"\n"))
    at = 0
    for _ in range(after - block.line):
        at = block.data.index(b"\n", at) + 1
    return Block(block.data[at:], after)


def _sniff(block: Block, name: str, headless: bool) -> str:
    """Return the delimiter with which the first lines have equally many cells, at least two."""
    good, largest = [], {}
    for delimiter in DELIMITERS:
        try:
            widths = [len(cells) for _, cells in _first(block, delimiter, name, _SNIFFED_ROWS)]
        except InputError:
            continue
        if not widths:
            raise InputError("a header line and rows", "blank lines", name)
        largest[delimiter] = widths[0]
        rows = set(widths) if headless else set(widths[1:]) or {widths[0]}
        if widths[0] > 1 and (rows == {widths[0]} or rows == {widths[0] + 1}):
            good.append(delimiter)
    if len(good) == 1 or "," in good:
        return "," if "," in good else good[0]
    if good:
        found = " and ".join(_SPOKEN[d] for d in good)
        raise InputError("one delimiter", f"{found}, which both fit", f"{name} line 1", "Name the delimiter")
    # None fits: a single column, or rows of unequal length, which the row itself is blamed for.
    return max(largest, key=lambda d: largest[d]) if largest else ","


def _checked(names: tuple[str, ...], name: str, line: int) -> tuple[str, ...]:
    where = f"{name} line {line}"
    # pandas writes 0,1,2,... above unnamed columns: these are names, other numbers are a row of values.
    counted = names == tuple(str(i) for i in range(len(names)))
    if not counted and any(names) and all(is_number(column) for column in names if column):
        raise InputError("a header line with column names", f"numbers ({names[-1]!r})", where, "Add a header line")
    parts = names[0].split()
    if len(names) == 1 and len(parts) > 1 and all(is_number(part) for part in parts):
        raise InputError("a comma, semicolon, tab or bar between columns", f"spaces ({' '.join(parts[:3])} ...)", where,
                         "Write commas, and a header line above")  # fmt: skip
    for index, column in enumerate(names):
        if not column and (index or len(names) == 1):
            raise InputError("a name for every column", f"none for column {index + 1}", where, "Name it")
        if column in names[:index]:
            raise InputError("column names that differ", f"{column!r} twice", where, "Rename one of them")
    return names


def is_number(text: str) -> bool:
    """Return whether a cell holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
