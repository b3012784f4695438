"""Cells to arrays: a fast way for clean numbers, and an exact one that names the cell that is wrong."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.header import records, separate_lines
from edgewright.core.csv.text import PLAIN, Block, NumberForm
from edgewright.core.errors import CsvCellCountError, CsvNumberError, InputError
from edgewright.core.formatting import MISSING_NUMBERS, is_number

_NAN = float("nan")
_LARGEST = float(np.finfo(np.float32).max)
# Bytes of numbers and of missing ones that NumPy's parser takes, and the line feed.
_USUAL = np.isin(np.arange(256), np.frombuffer(b"0123456789.+-eE nNaA?\n", np.uint8))


@dataclass(frozen=True)
class Plan:
    """Which columns become what, as places in the file's order.

    Attributes:
        name: name of the source, for messages.
        delimiter: between cells.
        columns: names of all columns.
        numbers: places of the float32 columns; wide: of the float64 ones; text: of the text ones.
        forms: by place, of columns of numbers or times that are not written as a program reads them.
    """

    name: str
    delimiter: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    wide: tuple[int, ...]
    text: tuple[int, ...]
    forms: Mapping[int, NumberForm] = field(default_factory=dict)


@dataclass(frozen=True)
class Cells:
    """A block in arrays: values (rows, numbers) float32, wide (rows, wide) float64, text by place, line numbers.

    `bad` is shape (rows,), the rows that were reported.
    """

    values: NDArray[np.float32]
    wide: NDArray[np.float64]
    text: dict[int, NDArray[np.str_]]
    lines: NDArray[np.int64]
    bad: NDArray[np.bool_]

    def without_bad(self) -> Cells:
        """Return the rows that were not reported."""
        good = ~self.bad
        if good.all():
            return self
        text = {column: cells[good] for column, cells in self.text.items()}
        return Cells(self.values[good], self.wide[good], text, self.lines[good], self.bad[good])


def parse(block: Block, plan: Plan, report: Callable[[InputError], None] | None = None) -> Cells:
    """Turn a block into arrays.

    Numbers are read as float64, correctly rounded, and then rounded to float32.

    Args:
        block: whole lines.
        plan: which columns become what.
        report: is told of every cell that is not a finite number and of every ragged line, which then count as missing.

    Raises:
        InputError: without `report`, naming line and column of the first such cell, or the ragged line.
    """
    return _fast(block, plan) or _exact(block, plan, report)


def _fast(block: Block, plan: Plan) -> Cells | None:
    """Return the block by NumPy's own parser; None where anything is unusual, so that the exact way decides."""
    data, width = block.data, len(plan.columns)
    if b'"' in data or b"\0" in data or b"\n\n" in data or data[:1] == b"\n":
        return None
    if width == 1 and b" " in data:
        # A line of blanks is no row; only the exact way knows it from a missing cell.
        return None
    raw = np.frombuffer(data, np.uint8)
    separators = np.flatnonzero((raw == ord(plan.delimiter)) | (raw == 10))
    if separators.size % width:
        return None
    ends = separators.reshape(-1, width)
    if not np.array_equal(raw[ends] == 10, np.broadcast_to(np.arange(width) == width - 1, ends.shape)):
        return None
    starts = np.empty_like(ends)
    starts.flat[0] = 0
    starts.flat[1:] = ends.flat[:-1] + 1
    wanted = sorted((*plan.numbers, *plan.wide))
    numbers = _numbers(raw, starts, ends, plan, wanted)
    if numbers is None:
        return None
    location = {column: i for i, column in enumerate(wanted)}
    values = narrow(numbers[:, [location[c] for c in plan.numbers]])
    wide = numbers[:, [location[c] for c in plan.wide]]
    if np.isinf(values).any() or np.isinf(wide).any():
        return None
    lines = block.line + np.arange(len(ends), dtype=np.int64)
    return Cells(values, wide, {c: _text(_slices(data, starts[:, c], ends[:, c]), plan, c) for c in plan.text}, lines,
                 np.zeros(len(lines), np.bool_))  # fmt: skip


def _numbers(
    raw: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], plan: Plan, wanted: list[int]
) -> NDArray[np.float64] | None:
    """Return the wanted columns of numbers, shape (rows, wanted); None where a cell is none.

    Columns with cells that NumPy's parser does not read are read cell by cell, the others at once.
    """
    width = len(plan.columns)
    commas = {column for column in wanted if column in plan.forms and plan.forms[column].decimal != PLAIN.decimal}
    # Without points nothing stands between thousands; with points as decimals they are numbers of a program.
    slow = commas & set(_places(raw == ord("."), ends).tolist()) if commas else set()
    data, raw = raw.tobytes(), _with_points(raw, ends, commas - slow)
    quick = [column for column in wanted if column not in slow]
    matrix = _matrix(_without(raw, starts, ends, quick, width), plan.delimiter, (len(ends), len(quick)))
    if matrix is None:
        odd = set(_places(~_USUAL[raw] & (raw != ord(plan.delimiter)), ends).tolist()) & set(quick)
        slow, quick = slow | odd, [column for column in quick if column not in odd]
        matrix = _matrix(_without(raw, starts, ends, quick, width), plan.delimiter, (len(ends), len(quick)))
        if matrix is None or not odd:
            return None
    numbers = np.empty((len(ends), len(wanted)), np.float64)
    numbers[:, [wanted.index(column) for column in quick]] = matrix
    for column in slow:
        cells = _slices(data, starts[:, column], ends[:, column])
        largest = _LARGEST if column in plan.numbers else math.inf
        numbers[:, wanted.index(column)], bad = _column(cells, largest, plan.forms.get(column))
        if bad:
            return None
    return numbers


def _places(chosen: NDArray[np.bool_], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of the column of each chosen byte."""
    places: NDArray[np.int64] = np.searchsorted(ends.ravel(), np.flatnonzero(chosen)) % ends.shape[1]
    return places


def _with_points(raw: NDArray[np.uint8], ends: NDArray[np.int64], columns: set[int]) -> NDArray[np.uint8]:
    """Return the bytes with points in place of the commas of some columns."""
    if not columns:
        return raw
    commas = raw == ord(",")
    at = np.flatnonzero(commas)
    changed = raw.copy()
    changed[at[np.isin(_places(commas, ends), list(columns))]] = ord(".")
    return changed


def _text(cells: list[str], plan: Plan, column: int) -> NDArray[np.str_]:
    """Return the cells of a column of text; numbers among times as a program writes them."""
    if (form := plan.forms.get(column)) is not None:
        cells = [cell if (plain := form.plain(cell)) is None else plain for cell in cells]
    return np.array(cells, dtype=np.str_)


def _without(
    raw: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], wanted: list[int], width: int
) -> bytes:
    """Return the bytes of the wanted columns only, each cell followed by its delimiter or line end."""
    if len(wanted) == width:
        return raw.tobytes()
    change = np.zeros(raw.size + 1, np.int8)
    for column in set(range(width)) - set(wanted):
        change[starts[:, column]] += 1
        change[ends[:, column] + 1] -= 1
    kept: NDArray[np.uint8] = raw[np.cumsum(change[:-1], dtype=np.int8) == 0]
    return kept.tobytes()


def _matrix(data: bytes, delimiter: str, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Delimited numbers as a matrix, or None. Missing cells are rewritten to `nan` before NumPy sees them."""
    if not shape[1]:
        return np.zeros(shape, np.float64)
    cut = delimiter.encode()
    odd = data.translate(None, b"0123456789.+-eE\n" + cut)
    if odd.translate(None, b" nNaA?"):
        return None
    data = b"," + data.replace(b"\n", b",").replace(cut, b",")
    if odd:
        data = data.replace(b", ", b",").replace(b" ,", b",")
        data = data.replace(b"NaN", b"nan").replace(b"NA", b"nan").replace(b"?", b"nan")
        if b" " in data or b"-n" in data or b"+n" in data:
            return None
    # Twice, because neighbours that are both empty share a comma.
    data = data.replace(b",,", b",nan,").replace(b",,", b",nan,")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            numbers = np.fromstring(data[1:-1].decode("ascii"), np.float64, sep=",")
        except (ValueError, DeprecationWarning):
            return None
    return numbers.reshape(shape) if numbers.size == shape[0] * shape[1] else None


def _slices(data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[str]:
    cells = [data[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return [cell.decode("utf-8").strip() for cell in cells]


def narrow(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return numbers as float32, infinite where they are too large for it."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _exact(block: Block, plan: Plan, report: Callable[[InputError], None] | None = None) -> Cells:
    width, lines, bad_rows = len(plan.columns), [], set[int]()
    rows: list[list[str]] = []
    read = separate_lines if block.by_line else records
    for line, cells in read(block, plan.delimiter, plan.name):
        if isinstance(cells, InputError) or len(cells) != width:
            fault = (
                cells
                if isinstance(cells, InputError)
                else CsvCellCountError(
                    f"{width} cells",
                    str(len(cells)),
                    f"{plan.name} line {line}",
                    "Give every row as many cells as the header has names",
                )
            )
            if report is None:
                raise fault
            report(fault)
            bad_rows.add(len(rows))
            cells = [""] * width
        lines.append(line)
        rows.append(cells)
    wanted = sorted((*plan.numbers, *plan.wide))
    columns: list[tuple[str, ...]] = list(zip(*rows, strict=True)) if rows else [()] * width
    parsed = {c: _column(columns[c], _LARGEST if c in plan.numbers else math.inf, plan.forms.get(c)) for c in wanted}
    for row, index in sorted((row, c) for c, (_, bad) in parsed.items() for row in bad):
        where = f"{plan.name} line {lines[row]}, column {plan.columns[index]}"
        error = _error(rows[row][index], where, plan.forms.get(index))
        if report is None:
            raise error
        report(error)
        bad_rows.add(row)
    return Cells(
        narrow(_stack([parsed[c][0] for c in plan.numbers], len(rows))),
        _stack([parsed[c][0] for c in plan.wide], len(rows)),
        {c: _text([cell.strip() for cell in columns[c]], plan, c) for c in plan.text},
        np.asarray(lines, np.int64),
        np.isin(np.arange(len(rows)), list(bad_rows)),
    )


def _stack(columns: list[list[float]], rows: int) -> NDArray[np.float64]:
    return np.array(columns, np.float64).reshape(len(columns), rows).T


def _column(cells: Sequence[str], largest: float, form: NumberForm | None) -> tuple[list[float], list[int]]:
    """Return the numbers of a column, NaN where a cell is none, and the indices of these cells."""
    numbers, bad = [], []
    for row, cell in enumerate(cells):
        plain = cell if form is None else form.plain(cell)
        try:
            # Not `is_number`, which would read it twice: Python reads 1_000 as a number; no other reader of CSV does.
            number = float(plain) if plain is not None and "_" not in plain else None
        except ValueError:
            number = _NAN if cell.strip().lower() in MISSING_NUMBERS else None
        if number is None or number in (math.inf, -math.inf) or abs(number) > largest:
            bad.append(row)
            number = _NAN
        numbers.append(number)
    return numbers, bad


def _error(cell: str, where: str, form: NumberForm | None) -> InputError:
    cell = cell.strip()
    if form is not None and form.plain(cell) is None and any(sign.isdigit() for sign in cell):
        return CsvNumberError(
            f"a number written as in the first rows, or in the training ({form})",
            repr(cell),
            where,
            "Write all numbers of the column in that way",
        )
    if not is_number(cell):
        decimal = "," in cell and cell.replace(",", ".", 1).replace(".", "", 1).lstrip("+-").isdigit()
        do = "Write decimals with a point" if decimal else "Correct or empty the cell, or read the column as text"
        shown = cell if len(cell) <= 40 else cell[:37] + "..."
        return CsvNumberError("a number", repr(shown), where, do)
    return CsvNumberError("a finite number that float32 holds", repr(cell), where, "Correct or empty the cell")
