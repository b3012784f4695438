"""The top of a CSV file: comments, delimiter, column names, an unnamed column of row numbers, and a line of units."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

import numpy as np

from edgewright.core.csv.text import Block, NumberForm
from edgewright.core.errors import (
    CsvDelimiterError,
    CsvError,
    CsvHeaderError,
    CsvNulByteError,
    CsvQuotesError,
    InputError,
)
from edgewright.core.formatting import (
    MISSING_NUMBERS,
    MISSING_TEXTS,
    is_number,
    is_unit_line,
    refuse_other_unit,
    some_of,
    unit_in,
    unit_of,
)
from edgewright.core.records.data import Column, Floats, Labels

FEWEST_VALUES = 16
"""Columns that may be values one after the other at least."""
# No step between numbers is so many times as large as the usual one, or as small.
_UNEVEN = 3.0
_NUMBER = re.compile(r"(?:^-)?\d+(?:\.\d+)?")
MARK = "#"
"""Stands for the number in the name of a family: `t#`."""


def are_even(numbers: Sequence[float]) -> bool:
    """Return whether numbers all rise or all fall, at steps that hardly differ, as those of an axis do."""
    steps = [after - before for before, after in pairwise(numbers)]
    usual = median(steps) if steps else 0.0
    few = len(numbers) < FEWEST_VALUES
    return not few and usual != 0 and all(1 / _UNEVEN <= step / usual <= _UNEVEN for step in steps)


def families(names: Iterable[str]) -> dict[str, dict[float, str]]:
    """Return the columns of each family by their numbers in ascending order, the largest family first.

    A column belongs to the largest family that its name fits: `ch1_t0` to `ch1_t99` and not to `ch1_t0`, `ch2_t0`.

    Args:
        names: of columns.

    Returns:
        Names by number, by the name of the family: `{"t#": {0.0: "t0", 1.0: "t1"}}`.
    """
    fits: dict[str, dict[float, str]] = {}
    for name in names:
        for match in _NUMBER.finditer(name):
            family = f"{name[: match.start()]}{MARK}{name[match.end() :]}"
            fits.setdefault(family, {}).setdefault(float(match[0]), name)
    used: set[str] = set()
    chosen: dict[str, dict[float, str]] = {}
    for family, columns in sorted(fits.items(), key=lambda fit: -len(fit[1])):
        own = {number: columns[number] for number in sorted(columns) if columns[number] not in used}
        if own:
            chosen[family] = own
            used.update(own.values())
    return dict(sorted(chosen.items(), key=lambda fit: -len(fit[1])))


DELIMITERS = (",", ";", "\t", "|")
_SPOKEN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SNIFFED_ROWS = 6
_DECIMAL_COMMA = NumberForm(",")
# Rows that show how the numbers of a column are written.
_SEEN_ROWS = 1000


@dataclass(frozen=True)
class Header:
    """Names of all columns in the order of the file; an unnamed first column of row numbers has the name ''.

    Attributes:
        names: all different: of several columns called 'acc' the second is 'acc.1', as in pandas.
        delimiter: between cells.
        units: by name, where a line below the header holds them.
        repeated: names as the file has them by those that were numbered: {'acc.1': 'acc'}.
        forms: of numbers by name, of columns that are not written as a program reads them; several where their first
            rows can be read in several ways.
        encoding: of the file.
    """

    names: tuple[str, ...]
    delimiter: str
    units: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    forms: dict[str, tuple[NumberForm, ...]] = field(default_factory=dict)
    encoding: str = "utf-8"

    def unit(self, column: str) -> str:
        """Return the unit of a column by its cells or the line below the header; empty where neither says it."""
        return self.units.get(column, "") or next((form.unit for form in self.forms.get(column, ())), "")

    def refuse_units(self, columns: Sequence[Column], name: str) -> None:
        """Refuse a file with a column in another unit than a model was trained on.

        Args:
            columns: of the model; those whose unit either side does not know are passed over.
            name: name of the file.

        Raises:
            InputError: naming column and units.
        """
        for column in columns:
            unit = column.unit or unit_in(column.name)
            refuse_other_unit(column.name, unit, self.unit(column.name), "as in the training", name)

    def assumptions(self, columns: Collection[str]) -> str:
        """Return what was understood that does not go without saying; empty for a plain file.

        Args:
            columns: those that are read as numbers.
        """
        read = {name: forms[0] for name, forms in self.forms.items() if name in columns}
        parts = [f"text in {self.encoding}"] if self.encoding != "utf-8" else []
        parts += [f"a {_SPOKEN.get(self.delimiter, self.delimiter)} between cells"] if self.delimiter != "," else []
        for name in dict.fromkeys(self.repeated.values()):
            numbered = [new for new, old in self.repeated.items() if old == name]
            parts.append(f"several columns {name} as {', '.join([name, *numbered])}")
        for form in [form for form in dict.fromkeys(read.values()) if str(form)]:
            names = [name for name, own in read.items() if own == form]
            parts.append(f"{form} ({some_of(names, 3)})")
        return ", ".join(parts)


def opening_of(stream: Iterator[Block]) -> Block:
    """Return the first blocks of a file as one: the header, and the rows in which delimiter and units show."""
    opening = Block(b"", 1)
    for block in stream:
        opening = replace(block, data=opening.data + block.data, line=1)
        lines = opening.data[_comments(opening.data) :].lstrip(b"\n").split(b"\n", 3)
        # Rows of a stream are read as they come: only what may be units waits for the next line.
        if len(lines) > 3 or (len(lines) > 2 and any(byte in b"0123456789" for byte in lines[1])):
            break
    return opening


def _comments(data: bytes) -> int:
    """Return how many bytes at the start are lines of comments, which begin with '#', and blank lines."""
    end = 0
    while data[end : end + 1] in (b"#", b"\n"):
        end = data.find(b"\n", end) + 1 or len(data)
    return end


def records(block: Block, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a block as lists of cells, each with the number of its first line; blank lines are left out.

    Damaged lines of a block that is read by line are left out.

    Raises:
        InputError: for quoting that does not end or a cell beyond the reader's limit.
    """
    if block.by_line:
        lines = separate_lines(block, delimiter, name)
        yield from ((line, cells) for line, cells in lines if not isinstance(cells, InputError))
        return
    reader = csv.reader(io.StringIO(block.data.decode("utf-8"), newline="\n"), delimiter=delimiter, strict=True)
    while True:
        start = block.line + reader.line_num
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise CsvQuotesError(
                "well-formed quotes", str(error), f"{name} line {start}", "Correct the quotes"
            ) from None
        if cells is None:
            return
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield start, cells


def separate_lines(block: Block, delimiter: str, name: str) -> Iterator[tuple[int, list[str] | InputError]]:
    """Yield the number of each line of a block, and its cells or what is wrong with it; blank lines are left out."""
    for line, text in enumerate(block.data.decode("utf-8").split("\n"), block.line):
        cells: list[str] | InputError
        try:
            cells = next(csv.reader([text], delimiter=delimiter, strict=True), [])
            if "\0" in text:
                cells = CsvNulByteError(
                    "text", "a NUL byte", f"{name} line {line}", "Write the line again, or remove it"
                )
        except csv.Error as error:
            cells = CsvQuotesError("well-formed quotes", str(error), f"{name} line {line}", "Correct the quotes")
        if isinstance(cells, InputError) or len(cells) > 1 or (cells and cells[0].strip()):
            yield line, cells


# Lines that show where a table begins below others, such as a title.
_OPENING_LINES = 60


def below_banner(block: Block, name: str, delimiter: str | None) -> tuple[Block, list[int]]:
    """Return a block from its header on, and the numbers of the lines above it that are no comments.

    The header is the first line with as many cells as most lines have, a name in each of them and no number. Without
    such a line, or where one cell is usual, the block is returned as it is.
    """
    best: tuple[int, int, int] | None = None
    for sign in DELIMITERS if delimiter is None else (delimiter,):
        lines = _first(block, sign, name, _OPENING_LINES)
        widths = Counter(len(cells) for _, cells in lines if len(cells) > 1)
        usual = max(widths, key=lambda width: (widths[width], width), default=0)
        header = next((line for line, cells in lines if len(cells) == usual and _are_names(cells)), 0)
        if header and widths[usual] > 1 and (best is None or widths[usual] > best[0]):
            best = widths[usual], header, lines[0][0]
    if best is None or best[1] == best[2]:
        return block, []
    above = [line for line, text in enumerate(block.data.split(b"\n"), block.line)
             if line < best[1] and text.strip() and not text.startswith(b"#")]  # fmt: skip
    return _rest(block, best[1]), above


def _are_names(cells: Sequence[str]) -> bool:
    return all(cell.strip() for cell in cells) and not any(map(is_number, cells))


def read_header(block: Block, name: str, delimiter: str | None = None) -> tuple[Header, Block]:
    """Read the header.

    Args:
        block: the first block, with at least one row after the header.
        name: name of the source, for messages.
        delimiter: None finds it: the one that cuts the first lines into equally many cells.

    Returns:
        The header and the rest of the block.

    Raises:
        InputError: empty file, no delimiter that fits, names that are missing, numbers in their place.
    """
    if not block.data.strip():
        raise CsvHeaderError("a header line and rows", "an empty file", name)
    if delimiter is not None and (
        len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\n\r0123456789.+-eE'
    ):
        raise CsvDelimiterError("a delimiter of one character", repr(delimiter), name, "Take one of , ; | or tab")
    block, delimiters = _without_comments(block, name, delimiter)
    first = _first(block, delimiters, name, 3)
    if not first:
        raise CsvHeaderError("a header line and rows", "blank lines", name)
    line, cells = first.pop(0)
    # A quoted name may hold line breaks; messages and tables want it on one line.
    names = tuple(" ".join(cell.split()) for cell in cells)
    if first and all(len(cells) == len(names) + 1 for _, cells in first):
        # R writes row numbers without a name for their column.
        names = ("", *names)
    _check(names, name, line, [cells for _, cells in first])
    unique, units = _numbered(names), {}
    repeated = {new: old for new, old in zip(unique, names, strict=True) if new != old}
    names = unique
    if len(first) > 1 and is_unit_line(first[0][1], first[1][1]):
        line, cells = first.pop(0)
        units = {column: unit for column, cell in zip(names, cells, strict=False) if (unit := unit_of(cell))}
    # Behind the header of a block that is read by line, a damaged line may come before the first row.
    rest = _rest(block, line + 1 if block.by_line else first[0][0] if first else None)
    return Header(names, delimiters, units, repeated, encoding=block.encoding), rest


def first_cells(block: Block, header: Header, name: str) -> dict[str, tuple[str, ...]]:
    """Return the cells of the first rows below a header, by column: they show how numbers are written.

    Args:
        block: what follows the header.
        header: of the file.
        name: name of the source, for messages.
    """
    rows = [cells for _, cells in _first(block, header.delimiter, name, _SEEN_ROWS) if len(cells) == len(header.names)]
    columns = zip(header.names, zip(*rows, strict=True), strict=True) if rows else ()
    return {column: cells for column, cells in columns if column}


def _without_comments(block: Block, name: str, delimiter: str | None) -> tuple[Block, str]:
    """Return the block from its header on, and the delimiter.

    Lines that begin with '#' are comments, but for the last one where it has a name for each cell of a row of numbers,
    or of a line of units.
    """
    end = _comments(block.data)
    if not block.data[end:].strip():
        return block, delimiter or _sniff(block, name)
    table = replace(block, data=block.data[end:], line=block.line + block.data.count(b"\n", 0, end))
    delimiters = delimiter or _sniff(table, name)
    start = block.data[:end].rstrip(b"\n").rfind(b"\n") + 1
    comment, rows = (
        _first(part, delimiters, name, 2) for part in (replace(block, data=block.data[start:end], line=1), table)
    )
    above, *below = [cells for _, cells in rows]
    is_row = any(map(is_number, above)) or (bool(below) and is_unit_line(above, below[0]))
    if not comment or not is_row or len(comment[0][1]) != len(above):
        return table, delimiters
    return replace(block, data=block.data[start:], line=block.line + block.data.count(b"\n", 0, start)), delimiters


def _numbered(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names that differ: of several columns called 'acc' the second is 'acc.1', as in pandas."""
    unique: dict[str, None] = {}
    known = set(names)
    for name in names:
        new, count = name, 0
        while name and (new in unique or (count and new in known)):
            count += 1
            new = f"{name}.{count}"
        unique[new] = None
    return tuple(unique)


def _first(block: Block, delimiter: str, name: str, count: int) -> list[tuple[int, list[str]]]:
    rows = records(block, delimiter, name)
    return [row for _, row in zip(range(count), rows, strict=False)]


def _rest(block: Block, after: int | None) -> Block:
    if after is None:
        return replace(block, data=b"", line=block.line + block.data.count(b"\n"))
    at = 0
    for _ in range(after - block.line):
        at = block.data.index(b"\n", at) + 1
    return replace(block, data=block.data[at:], line=after)


def _sniff(block: Block, name: str) -> str:
    """Return the delimiter with which the first lines have equally many cells, at least two.

    Of several, such as a comma in a name and before decimals beside semicolons, the one that cuts rows into numbers.
    """
    good: dict[str, tuple[bool, float]] = {}
    largest = {}
    for delimiter in DELIMITERS:
        try:
            lines = [cells for _, cells in _first(block, delimiter, name, _SNIFFED_ROWS)]
        except InputError:
            continue
        if not lines:
            raise CsvHeaderError("a header line and rows", "blank lines", name)
        width = largest[delimiter] = len(lines[0])
        below = lines[1:] or lines
        rows = {len(cells) for cells in below}
        if width > 1 and rows in ({width}, {width + 1}):
            numbers = [is_number(cell) or _DECIMAL_COMMA.fits(cell.strip()) for cells in below for cell in cells]
            good[delimiter] = rows == {width}, sum(numbers) / len(numbers)
    best = [delimiter for delimiter, fit in good.items() if fit == max(good.values())]
    if len(best) == 1 or "," in best:
        return "," if "," in best else best[0]
    if best:
        candidates = " and ".join(_SPOKEN[d] for d in best)
        raise CsvDelimiterError(
            "one delimiter", f"{candidates}, which both fit", f"{name} line 1", "Name the delimiter"
        )
    # None fits: a single column, or rows of unequal length, which the row itself is blamed for.
    return max(largest, key=lambda d: largest[d]) if largest else ","


def _check(names: tuple[str, ...], name: str, line: int, below: Sequence[Sequence[str]]) -> None:
    where = f"{name} line {line}"
    # pandas writes 0,1,2,... above unnamed columns, a spectrometer wavelengths: other numbers are a row of values.
    numbers = [float(column) for column in names if is_number(column)]
    counted = names == tuple(str(i) for i in range(len(names))) or (
        are_even(numbers)
        and _are_other(numbers, [cell for row in below for column, cell in zip(names, row, strict=False) if column])
    )
    if not counted and any(names) and len(numbers) == len([column for column in names if column]):
        raise CsvHeaderError("a header line with column names", f"numbers ({names[-1]!r})", where, "Add a header line")
    parts = names[0].split()
    if len(names) == 1 and len(parts) > 1 and all(is_number(part) for part in parts):
        raise CsvDelimiterError(
            "a comma, semicolon, tab or bar between columns",
            f"spaces ({' '.join(parts[:3])} ...)",
            where,
            "Write commas, and a header line above",
        )
    for index, column in enumerate(names):
        if not column and (index or len(names) == 1):
            raise CsvHeaderError("a name for every column", f"none for column {index + 1}", where, "Name it")


def _are_other(numbers: Sequence[float], below: Sequence[str]) -> bool:
    """Return whether numbers of a first line differ from the cells of the rows below it, as names do from values."""
    known = [cell for cell in below if cell.strip().lower() not in MISSING_NUMBERS]
    values = [float(cell) for cell in known if is_number(cell)]
    if not values or len(values) < len(known):
        return True
    kinds = {all(number.is_integer() for number in some) for some in (numbers, values)}
    return len(kinds) == 2 or max(numbers) < min(values) or min(numbers) > max(values)


EQUALS = "="


def column_name(text: str, value: str) -> str:
    """Return the name of the column that is 1 where the text column `text` holds `value`."""
    return f"{text}{EQUALS}{value}"


def made_columns(categories: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the columns that are made of text columns, in order, each with its text column.

    Args:
        categories: texts by text column.
    """
    return {column_name(text, value): text for text, values in categories.items() for value in values}


def text_inputs(wanted: Iterable[str], header: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Find text columns of a table that wanted columns are made from.

    Args:
        wanted: columns, such as `Type=H`.
        header: columns that the table has, such as `Type`.

    Returns:
        The values of each text column, in the order of the wanted columns; none for a table that has the columns
        themselves.
    """
    wanted = list(wanted)
    sources = {name.partition(EQUALS)[0] for name in wanted if EQUALS in name and name not in header}
    by_column: dict[str, list[str]] = {}
    for name in wanted:
        text, mark, value = name.partition(EQUALS)
        if mark and text in sources and text in header and text not in wanted:
            by_column.setdefault(text, []).append(value)
    return {text: tuple(values) for text, values in by_column.items()}


def fields(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what a person fills in: a number by its column, or one text of several by the text column.

    Args:
        names: columns of a model; two or more that share a text are one field.

    Returns:
        The values of each field by its name, in the order of the columns; none for a number.
    """
    names = list(names)
    texts = [name.partition(EQUALS)[0] for name in names if EQUALS in name]
    shared = {text for text in texts if texts.count(text) > 1 and text not in names}
    values: dict[str, tuple[str, ...]] = {}
    for name in names:
        text, _, value = name.partition(EQUALS)
        if text in shared:
            values[text] = (*values.get(text, ()), value)
        else:
            values[name] = ()
    return values


def one_hot(
    cells: Labels,
    values: Sequence[str],
    where: Callable[[int], str],
    report: Callable[[InputError], None] | None = None,
) -> Floats:
    """Return a column of text as numbers.

    Args:
        cells: shape (rows,).
        values: texts that are known.
        where: a row stands, for messages.
        report: takes an error about every text that is not known, which then counts as missing; without it such a text
            is an error.

    Returns:
        Shape (rows, values), float32: 1 for the text of the row, else 0; NaN in a row without text.

    Raises:
        InputError: without `report`, for the first text that is not among the values.
    """
    texts, places = np.unique(np.char.strip(cells), return_inverse=True)
    coded = np.full((len(texts), len(values)), np.nan, np.float32)
    unknown = np.zeros(len(texts), np.bool_)
    for row, text in enumerate(texts.tolist()):
        if text in values:
            coded[row] = np.asarray(values) == text
        else:
            unknown[row] = text.lower() not in MISSING_TEXTS
    for row in np.flatnonzero(unknown[places]).tolist():
        known = ", ".join(repr(value) for value in values)
        shown = repr(str(texts[places[row]])[:40])
        do = "Correct or empty the cell: a model knows nothing of a text that it was not trained on"
        error = CsvError(f"one of {known}", shown, where(row), do)
        if report is None:
            raise error
        report(error)
    return np.asarray(coded[places])
