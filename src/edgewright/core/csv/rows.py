"""CSV rows as desk and device share them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO, TypedDict, Unpack

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from edgewright.core.clocks.reader import joined, parts_of
from edgewright.core.csv.blocks import blocks
from edgewright.core.csv.cells import Cells, Plan, narrow, parse
from edgewright.core.csv.header import (
    Header,
    below_banner,
    column_name,
    first_cells,
    made_columns,
    one_hot,
    opening_of,
    read_header,
    text_inputs,
)
from edgewright.core.csv.text import PLAIN, Block, NumberForm, number_forms, only_form
from edgewright.core.errors import CsvBadRowsError, CsvHeaderError, DataWarning, InputError
from edgewright.core.formatting import percent, plural, refuse_other_unit
from edgewright.core.records.data import Column, Numerals


@dataclass(frozen=True)
class Rows:
    """Rows of a CSV file.

    Attributes:
        names: of the numeric columns, in the order of `values`.
        values: shape (rows, numeric columns), float32, NaN where a cell is empty, NaN, NA or ?.
        text: the columns read as text, each of shape (rows,), '' where empty.
        wide: the columns read as float64 (times, say, that float32 would round), each of shape (rows,).
        lines: shape (rows,), the line of the file at which each row begins, counted from 1.
        header: of the file, with the forms of numbers of all its columns.
        name: name of the file.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    text: dict[str, NDArray[np.str_]]
    wide: dict[str, NDArray[np.float64]]
    lines: NDArray[np.int64]
    header: Header
    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns of the file in its order, those left out included."""
        return tuple(name for name in self.header.names if name)

    def numerals(self, column: str) -> Numerals | UnsetType:
        """Return how the numbers of a column are written; unset where they are written as a program reads them."""
        return next((form.numerals for form in self.header.forms.get(column, ())), UNSET)

    def __len__(self) -> int:
        return len(self.lines)

    def part(self, rows: NDArray[np.bool_]) -> Rows:
        """Return some of the rows; `rows` is a mask."""
        text = {name: cells[rows] for name, cells in self.text.items()}
        wide = {name: cells[rows] for name, cells in self.wide.items()}
        return replace(self, values=self.values[rows], text=text, wide=wide, lines=self.lines[rows])

    def matrix(self, names: Sequence[str]) -> NDArray[np.float32]:
        """Return columns of numbers in this order, shape (rows, names), those that are read as float64 too."""
        wide = {name: narrow(cells) for name, cells in self.wide.items() if name in names}
        columns = [wide[name] if name in wide else self.values[:, self.names.index(name)] for name in names]
        return np.stack(columns, axis=1) if columns else self.values[:, :0]


@dataclass(frozen=True)
class OpenedCsv:
    """A file whose header was read; its rows are read once.

    Attributes:
        header: names and delimiter; the forms of its numbers are known with the rows.
        rest: what came with the header.
        stream: the blocks behind it.
    """

    header: Header
    rest: Block
    stream: Iterator[Block]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns but one of row numbers."""
        return tuple(name for name in self.header.names if name)


def open_csv(
    source: Path | TextIO,
    name: str,
    delimiter: str | None = None,
    report: Callable[[str], None] | None = None,
    bad: BadLines | None = None,
) -> OpenedCsv:
    """Read the header of a file or stream; None finds the delimiter among comma, semicolon, tab and bar.

    Other arguments and errors are as for `iter_csv`.
    """
    receive = _receiver(report, bad)
    stream = blocks(source, name, receive, by_line=receive is not None)
    opening = opening_of(stream)
    if receive is not None:
        opening, above = below_banner(opening, name, delimiter)
        for line in above:
            receive(CsvHeaderError("a header with names", "a line above it", f"{name} line {line}", "Remove the line"))
        if bad is not None:
            bad.above = len(above)
    header, rest = read_header(opening, name, delimiter)
    return OpenedCsv(header, rest, stream)


def _receiver(report: Callable[[str], None] | None, bad: BadLines | None) -> Callable[[InputError], None] | None:
    """Return what receives each fault of a source that is read by line; None where a fault is an error."""
    if bad is not None:
        return bad.add
    return None if report is None else lambda fault: report(str(fault))


class ColumnOptions(TypedDict, total=False):
    """Which columns are read, and how. Columns that the file does not have are ignored.

    Attributes:
        text_columns: read as text, as it stands.
        time_columns: read as text, but for numbers, which become as a program writes them. `Date + Time` stands for
            two columns, the day and the time of day.
        float64_columns: numbers that need float64, times for example; they are not part of `values`.
        ignored_columns: not read at all, whatever they hold.
        only_columns: all others are not read either. A column `Type=H` that the file does not have is made from its
            text column `Type`: 1 where the text is H, else 0, NaN where the cell is empty.
        trained: columns of a model, whose numbers are written as in its training; another unit is refused.
    """

    text_columns: Collection[str]
    time_columns: Collection[str]
    float64_columns: Collection[str]
    ignored_columns: Collection[str]
    only_columns: Collection[str] | None
    trained: Sequence[Column]


def read_csv(source: Path | TextIO | OpenedCsv, *, name: str, **columns: Unpack[ColumnOptions]) -> Rows:
    """Read all rows of a CSV file.

    Args:
        source: a file (also .gz and .xz), an open stream, or one whose header was read.
        name: name of the source, for messages: 'rows.csv'.
        columns: which columns are read, and how.

    Returns:
        The rows; a first column without a name (row numbers, as R and pandas write) is left out.

    Raises:
        InputError: one line that names the source, line and column.
    """
    chunks = list(iter_csv(source, name=name, **columns))
    first = chunks[0]
    if len(chunks) == 1:
        return first
    return Rows(
        names=first.names,
        values=np.concatenate([c.values for c in chunks]),
        text={key: np.concatenate([c.text[key] for c in chunks]) for key in first.text},
        wide={key: np.concatenate([c.wide[key] for c in chunks]) for key in first.wide},
        lines=np.concatenate([c.lines for c in chunks]),
        header=first.header,
        name=first.name,
    )


def iter_csv(
    source: Path | TextIO | OpenedCsv, *, name: str, report: Callable[[str], None] | None = None,
    bad: BadLines | None = None, **columns: Unpack[ColumnOptions],
) -> Iterator[Rows]:  # fmt: skip
    """Read rows as they arrive: arguments and errors as for `read_csv`, memory bounded by one block.

    With `report` a cell that is no number, or no known text, is missing instead of an error, and so is every cell of a
    line with too few or too many cells, an unmatched quote or a NUL byte. `report` receives a line about each. Each
    line is then a row: no quoted cell spans lines. With `bad`, such lines are left out and counted.

    Yields:
        One or more rows at a time, never none.
    """
    opened = source if isinstance(source, OpenedCsv) else open_csv(source, name, report=report, bad=bad)
    header, rest = opened.header, opened.rest
    text_columns, time_columns = columns.get("text_columns", ()), columns.get("time_columns", ())
    only_columns, trained = columns.get("only_columns"), columns.get("trained", ())
    ignored = set(columns.get("ignored_columns", ()))
    categories = {} if only_columns is None else text_inputs(only_columns, header.names)
    if only_columns is not None:
        _tell_repeated(header, only_columns, name)
        coded = set(made_columns(categories))
        ignored |= set(header.names) - (set(only_columns) - coded) - set(categories)
    clocks = {c: parts for c in (*text_columns, *time_columns) if (parts := parts_of(c, header.names))}
    halves = {part for parts in clocks.values() for part in parts}
    ignored -= halves
    first = first_cells(rest, header, name)
    header = replace(header, forms=number_forms(first))
    header.refuse_units(trained, name)
    wide = set(columns.get("float64_columns", ()))
    plan = _plan(header, name, {*text_columns, *time_columns, *categories, *halves}, wide, ignored)
    plan = replace(plan, forms=_forms(plan, header, first, time_columns, trained))
    seen = False
    for block in _chain(rest, opened.stream):
        cells = parse(block, plan, _receiver(report, bad))
        if bad is not None:
            bad.rows, bad.count = bad.rows + len(cells.lines), bad.count + int(cells.bad.sum())
            cells = cells.without_bad()
        if cells.lines.size:
            seen = True
            rows = _coded(_rows(cells, plan, header), categories, name, _receiver(report, bad))
            if bad is not None:  # with rows of unknown texts
                bad.count = max(bad.count, len(bad.faults) - bad.above)
            yield _clocked(rows, clocks, halves - {*text_columns, *time_columns}) if clocks else rows
    if not seen:
        raise CsvHeaderError("at least one row", "only a header line", name, "Add rows below the header")


def iter_file(path: Path, *, name: str, leave_out: str = "", **columns: Unpack[ColumnOptions]) -> Iterator[Rows]:
    """Read a file as `iter_csv` does; an error lists all lines that cannot be read.

    Args:
        path: path of the file.
        name: name of the file, for messages.
        leave_out: how to read the file without these lines, for the error.
        columns: which columns are read, and how.

    Raises:
        InputError: after the rows above the block with the first fault.
    """
    try:
        yield from iter_csv(path, name=name, **columns)
    except InputError as error:
        bad = BadLines(name)
        try:
            for _ in iter_csv(path, name=name, bad=bad, **columns):
                pass
        except InputError:
            raise error from None
        raise bad.error(error, leave_out, max_share=1.0) from None


def _tell_repeated(header: Header, wanted: Collection[str], name: str) -> None:
    """Warn of several columns of a wanted name, where not each of them is wanted: the first one has the name."""
    for numbered, column in header.repeated.items():
        if column in wanted and numbered not in wanted:
            warnings.warn(f"{name}: of several columns {column!r} the first is read, as in training", DataWarning, 2)


def _chain(first: Block, others: Iterator[Block]) -> Iterator[Block]:
    if first.data:
        yield first
    yield from others


def _plan(header: Header, name: str, text: set[str], wide: set[str], ignored: set[str]) -> Plan:
    places = [(i, n) for i, n in enumerate(header.names) if n and n not in ignored]
    return Plan(
        name=name,
        delimiter=header.delimiter,
        columns=header.names,
        numbers=tuple(i for i, n in places if n not in text and n not in wide),
        wide=tuple(i for i, n in places if n in wide and n not in text),
        text=tuple(i for i, n in places if n in text),
    )


def _forms(
    plan: Plan,
    header: Header,
    first: Mapping[str, Sequence[str]],
    time_columns: Collection[str],
    trained: Sequence[Column],
) -> dict[int, NumberForm]:
    """Return the forms of the columns that are read as numbers or times, by place: texts stay as they are.

    A model's column with decimal commas is read as its files were where the first rows are written so, but where a
    comma stands between cells.

    Raises:
        InputError: numbers with two units, or that can be read in two ways.
    """
    known = {column.name: column for column in trained}
    times = [index for index in plan.text if plan.columns[index] in time_columns]
    read = [(index, plan.columns[index]) for index in sorted((*plan.numbers, *plan.wide, *times))]
    chosen = {}
    for index, column in read:
        where = f"{plan.name}, column {column}"
        form = NumberForm.of(known[column]) if column in known else None
        own = column in header.forms and (form is None or form.decimal == PLAIN.decimal)
        if form is not None and form.decimal != plan.delimiter and not own:
            chosen[index] = _as_trained(form, header.forms.get(column, ()), first.get(column, ()), where)
        elif column in header.forms:
            chosen[index] = only_form(header.forms[column], first[column], where)
            unit = header.units.get(column, "")
            refuse_other_unit(column, unit, chosen[index].unit, "as below the header", plan.name)
    return {index: form for index, form in chosen.items() if form != PLAIN}


def _as_trained(trained: NumberForm, own: Sequence[NumberForm], cells: Sequence[str], where: str) -> NumberForm:
    """Return the form of a model's column with decimal commas in a file.

    Args:
        trained: its form in the training.
        own: what the file says of the column; empty where its numbers are written as a program reads them, or mixed.
        cells: of its first rows.
        where: file and column, for errors.

    Raises:
        InputError: numbers that can be read in two ways, such as 1.013 where points stood between thousands.
    """
    pointed = NumberForm(unit=trained.unit)
    as_trained, as_pointed = ([form.plain(cell) for cell in cells] for form in (trained, pointed))
    if None not in as_trained:
        if None in as_pointed or any(form[:2] == trained[:2] for form in own):
            return trained
        return only_form((pointed, trained), cells, where)
    if own:
        return only_form(own, cells, where)
    return trained if None in as_pointed else pointed


def _coded(
    rows: Rows, categories: Mapping[str, Sequence[str]], name: str, report: Callable[[InputError], None] | None
) -> Rows:
    if not categories:
        return rows
    names, values = list(rows.names), [rows.values]
    for text, known in categories.items():

        def where(row: int, text: str = text) -> str:
            return f"{name} line {rows.lines[row]}, column {text}"

        names += [column_name(text, value) for value in known]
        values.append(one_hot(rows.text[text], known, where, report))
    kept = {column: cells for column, cells in rows.text.items() if column not in categories}
    return replace(rows, names=tuple(names), values=np.concatenate(values, axis=1), text=kept)


def _clocked(rows: Rows, clocks: Mapping[str, Sequence[str]], halves: Collection[str]) -> Rows:
    """Return rows with clocks of two columns as one text, and without those columns."""
    texts = {name: joined(*(rows.text[part].tolist() for part in parts)) for name, parts in clocks.items()}
    return replace(rows, text={name: cells for name, cells in (rows.text | texts).items() if name not in halves})


def _rows(cells: Cells, plan: Plan, header: Header) -> Rows:
    return Rows(
        names=tuple(plan.columns[i] for i in plan.numbers),
        values=cells.values,
        text={plan.columns[i]: column for i, column in cells.text.items()},
        wide={plan.columns[i]: cells.wide[:, k] for k, i in enumerate(plan.wide)},
        lines=cells.lines,
        header=header,
        name=plan.name,
    )


MAX_SHARE = 0.05
"""A file with a larger share of lines that cannot be read is refused: it is more likely misunderstood than damaged."""
# Faults that a message describes, faults whose lines it names, and faults that are stored.
_DESCRIBED, _NAMED, _STORED = 8, 40, 1000


@dataclass
class BadLines:
    """Lines of one file that cannot be read.

    Attributes:
        name: name of the file, for messages.
        rows: lines below the header.
        count: of them those that cannot be read.
        above: lines above the header that are no comment.
        faults: what is wrong with the first lines, by their place in the file.
    """

    name: str
    rows: int = 0
    count: int = 0
    above: int = 0
    faults: dict[str, InputError] = field(default_factory=dict)

    def add(self, fault: InputError) -> None:
        """Take what is wrong with a line; further faults of the same line are left out."""
        line = fault.where.removeprefix(f"{self.name} ").partition(",")[0]
        if len(self.faults) < _STORED:
            self.faults.setdefault(line, fault)

    @property
    def share(self) -> float:
        """Share of the rows that cannot be read."""
        return self.count / max(1, self.rows)

    def __str__(self) -> str:
        # Within a block, lines of another length are found before cells that are no numbers.
        faults = [self.faults[line] for line in sorted(self.faults, key=lambda line: (len(line), line))]
        places = [fault.where.removeprefix(f"{self.name} ") for fault in faults]
        described = zip(places[:_DESCRIBED], faults, strict=False)
        parts = [f"{line}: {fault.got} instead of {fault.expected}" for line, fault in described]
        parts += [line.partition(",")[0] for line in places[_DESCRIBED:_NAMED]]
        more = self.count + self.above - len(parts)
        return "; ".join(parts) + (f"; and {plural(more, 'more line')}" if more > 0 else "")

    @property
    def summary(self) -> str:
        """How many lines are left out, and which."""
        above = f", and {plural(self.above, 'line')} above the header" if self.above else ""
        return f"{self.count:,} of {plural(self.rows, 'row')} ({percent(self.share, 2)}){above} cannot be read: {self}"

    def error(self, first: InputError, leave_out: str, max_share: float = MAX_SHARE) -> InputError:
        """Return an error that lists all lines that cannot be read.

        Args:
            first: error that reading the file raised.
            leave_out: how to read the file without these lines.
            max_share: share of bad rows above which the first error is returned.
        """
        if not self.faults or self.share > max_share:
            return first
        if len(self.faults) == 1:
            return InputError(
                first.expected,
                first.got,
                first.where,
                f"{first.do}, or {leave_out}".removeprefix(", or "),
                code=first.code,
            )
        return CsvBadRowsError("rows that can be read", self.summary, self.name, f"Correct them, or {leave_out}")

    def refuse_many(self) -> None:
        """Refuse a file with too many bad lines.

        Raises:
            InputError: the share is above `MAX_SHARE`.
        """
        if self.share > MAX_SHARE:
            raise CsvBadRowsError(f"at most {percent(MAX_SHARE)} of rows that cannot be read", self.summary, self.name,
                             "Correct the file, or check its delimiter and header")  # fmt: skip
