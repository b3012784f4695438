"""Rows from lines of CSV that arrive piece by piece; lines that are no rows are passed over and told of."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.cells import Cells, Plan, parse
from edgewright.core.csv.header import DELIMITERS, column_name, one_hot, text_inputs
from edgewright.core.csv.text import Block, NumberForm
from edgewright.core.errors import InputError
from edgewright.core.formatting import MISSING_NUMBERS, is_number
from edgewright.core.records.data import Column, Floats
from edgewright.device.sources import RowSettings
from edgewright.device.sources._packet import (
    Arrived,
    Match,
    TimeColumn,
    bare,
    clock_named,
    clock_unit,
    joined,
    match,
    refuse_missing,
    with_categories,
)

LONGEST_LINE = 1 << 16


class LineSettings(RowSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a source of lines.

    Attributes:
        names: of the cells of lines without a header.
        delimiter: between cells; found when left out.
    """

    names: tuple[str, ...] = ()
    delimiter: str = ""


_SHOWN = 60


def line_reader(config: LineSettings, wanted: Sequence[str], name: str, *, joined: bool = False) -> LineReader:
    """Return a reader with the settings of a source; arguments as of `LineReader`."""
    return LineReader(
        wanted, name=name, columns=config.names, time=config.time, sequence=config.sequence,
        delimiter=config.delimiter, joined=joined,
    )  # fmt: skip


class LineReader:
    """Rows from bytes, however they are cut; holds less than one line.

    The header is the first line whose cells are not all numbers. Without one, `columns` names the cells, or what is
    wanted does where it has as many names; else they are c1, c2 and so on. A header that comes again (a board that
    restarted) counts. A line that is no row is passed over and told of.

    Args:
        wanted: channels that come out, in order; none: all there are.
        name: name of the source, for messages.
        columns: names of the cells, for lines without a header.
        time: column with the time of a row, as `match` takes it.
        sequence: column with the sender's count.
        delimiter: between cells; found in the first line when left out.
        joined: whether the first line may have begun before it was listened to, and is thrown away.

    Attributes:
        strict: whether a header that does not fit is an `InputError` instead of a notice.
        columns: channels that come out; empty until they are known.
        match: how the wanted columns stand among the given ones; None until they are known.
        rate: None; lines do not say it.
    """

    rate: float | None = None

    def __init__(
        self,
        wanted: Sequence[str],
        *,
        name: str,
        columns: Sequence[str] = (),
        time: str = "",
        sequence: str = "",
        delimiter: str = "",
        joined: bool = False,
    ) -> None:
        self._wanted, self._name, self._given = tuple(wanted), name, tuple(columns)
        self._time_name, self._sequence_name, self._delimiter = time, sequence, delimiter
        self._joined = self._skip = joined
        self.strict = False
        self._forms: dict[str, NumberForm] = {}
        self._texts: dict[str, tuple[str, ...]] = {}
        self._renamed: dict[int, str] = {}
        self._partial = self._header = b""
        self._refused = False
        self._plan: Plan | None = None
        self._dates: bool | None = None
        self._clock = TimeColumn("")
        self._trained: tuple[Column, ...] = ()
        self._notices: list[str] = []
        self.columns, self.match = tuple(wanted), None if not columns else self._named(tuple(columns))

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how the numbers of columns are written; others are written as a program reads them."""
        self._forms = {bare(column.name): form for column in columns if (form := NumberForm.of(column)) is not None}
        self._trained = tuple(columns)
        if self._plan is not None:
            self._planned(self._plan.columns, self._plan.delimiter)

    def _with_forms(self, plan: Plan) -> Plan:
        """Return a plan with the forms of its numbers; a comma between cells leaves no decimal comma."""
        forms = {index: form for index in plan.numbers if (form := self._forms.get(bare(plan.columns[index])))}
        return replace(plan, forms={index: form for index, form in forms.items() if form.decimal != plan.delimiter})

    def restart(self, *, joined: bool | None = None) -> None:
        """Forget what is held: the file was rotated, the line was unplugged. Columns are kept until a header comes."""
        self._partial, self._skip = b"", self._joined if joined is None else joined

    @property
    def pending_bytes(self) -> int:
        """Bytes of a line that is not whole yet."""
        return len(self._partial)

    def state(self) -> dict[str, Any]:
        """Return what the next line is read with: the header, and a counter of time."""
        header = self._header if len(self._header) <= LONGEST_LINE else b""
        return {"header": header.decode("utf-8", "replace"), "clock": self._clock.state()}

    def go_on(self, state: dict[str, Any]) -> None:
        """Read what comes as behind a state of an earlier run; nothing is held."""
        self.restart(joined=False)
        header = state["header"].encode()
        if header and header != self._header:
            self._plan = None
            self.feed(header)
        self._clock.go_on(state["clock"])

    def feed(self, data: bytes) -> Arrived:
        """Return the rows that these bytes complete."""
        if self._skip:
            _, newline, data = data.partition(b"\n")
            if not newline:
                return self._arrived([])
            self._skip = False
        pending = self._partial + data
        cut = pending.rfind(b"\n") + 1
        self._partial = pending[cut:]
        if len(self._partial) > LONGEST_LINE:
            self._notices.append(f"a line of more than {LONGEST_LINE} bytes was skipped")
            self._partial, self._skip = b"", True
        return self._arrived(self._parts(_tidy(pending[:cut])) if cut else [])

    def finish(self) -> Arrived:
        """Return the row of a last line without a line end."""
        return self.feed(b"\n") if self._partial else self._arrived([])

    def _parts(self, data: bytes) -> list[Arrived]:
        parts: list[Arrived] = []
        while data:
            if self._plan is None:
                line, _, data = data.partition(b"\n")
                if line.strip():
                    parts += self._first(line)
                continue
            if self._header and data.startswith(self._header):
                data = data[len(self._header) :]  # messages that each begin with the header
                continue
            self._decide(data)
            try:
                parts += self._read(Block(data, 1), self._plan)
            except InputError:
                for line in data.split(b"\n"):
                    parts += self._single(line) if line.strip() else []
            break
        return parts

    def _decide(self, data: bytes) -> None:
        """Whether times are numbers or dates, which the first row shows."""
        plan, known = self._plan, self.match
        if self._dates is not None or plan is None or known is None or known.time < 0:
            return
        cells = _cells(data.lstrip(b"\n").partition(b"\n")[0], plan.delimiter)
        if len(cells) == len(plan.columns):
            self._dates = not _number(cells[known.time], ())
            if self._dates:
                wide = tuple(index for index in plan.wide if index != known.time)
                text = (*plan.text, known.time)
                self._plan = replace(plan, wide=wide, text=text)

    def _single(self, line: bytes) -> list[Arrived]:
        """One line of a block in which something is no row."""
        if self._plan is None:
            return self._first(line)
        self._decide(line)
        plan = self._plan
        try:
            return self._read(Block(line + b"\n", 1), plan)
        except InputError as error:
            cells = _cells(line, plan.delimiter)
            known = self.match
            if cells and not self._has_number(cells) and len(cells) > 1 and known is not None:
                if tuple(cells) == plan.columns:
                    return []
                if self._names_columns(cells, known):
                    self._plan = None
                    return self._first(line)
            self._notices.append(f"a line that is no row: expected {error.expected}, got {error.got}")
            return []

    def _names_columns(self, cells: list[str], known: Match) -> bool:
        """Whether a line of text is a header in another order, with other columns, or with a unit that is refused."""
        if not self._wanted:
            return bool(set(cells) & set(known.names))
        try:
            given = with_categories(cells, self._wanted)
            return set(match(given, self._wanted, self._name).missing) < set(self._wanted)
        except InputError:
            return True

    def _first(self, line: bytes) -> list[Arrived]:
        """Return the header, or a row that shows that there is none."""
        # The delimiter that cuts the line into most cells; a comma where none does, but not one of decimals.
        decimals = {form.decimal for form in self._forms.values()}
        may = [candidate for candidate in DELIMITERS if candidate.encode() in line and candidate not in decimals]
        delimiter = self._delimiter or max(
            may or DELIMITERS, key=lambda candidate: (line.count(candidate.encode()), candidate == ",")
        )
        cells = _cells(line, delimiter)
        if not cells or (len(set(cells)) < len(cells) and not self._has_number(cells)):
            self._notices.append(f"a line that is no header: {_shown(line)}")
            return []
        if not self._has_number(cells):
            try:
                fits = self._header_fits(cells)
                if fits:
                    self._planned(tuple(cells), delimiter)
                    self._given, self._header, self._refused = tuple(cells), line + b"\n", False
            except InputError as error:
                if self.strict:
                    raise
                self._notices.append(str(error))
                # What follows is neither what was wanted nor what came before: it waits for a header that fits.
                self._refused = True
                return []
            if not fits:
                self._notices.append(f"a line that is no header: {_shown(line)}")
            return []
        if self._refused:
            self._notices.append("a row after a header that was refused")
            return []
        given = self._given or (self._wanted if len(self._wanted) == len(cells) else ())
        if not given:
            if self._wanted:
                wanted = f"{len(self._wanted)} columns are wanted"
                self._notices.append(f"{len(cells)} cells without names, but {wanted}: add a header")
                return []
            given = tuple(f"c{i + 1}" for i in range(len(cells)))
        self._planned(given, delimiter)
        return self._single(line)

    def _has_number(self, cells: list[str]) -> bool:
        return any(_number(cell, tuple(self._forms.values())) for cell in cells)

    def _header_fits(self, cells: list[str]) -> bool:
        """Return whether cells are a header: they name a wanted column or, with none wanted, look like names."""
        if not self._wanted:
            return len(cells) > 1 or " " not in cells[0].strip()
        given = with_categories(cells, self._wanted)
        return self.strict or not set(match(given, self._wanted, self._name).missing) >= set(self._wanted)

    def _named(self, given: tuple[str, ...]) -> Match:
        given = with_categories(given, self._wanted)
        time = self._time_name or clock_named(self._trained, self._wanted, given)
        return match(given, self._wanted, self._name, time=time, sequence=self._sequence_name)

    def _planned(self, given: tuple[str, ...], delimiter: str) -> None:
        self.match = columns = self._named(given)
        self.columns = columns.names
        if columns.missing and self.strict:
            refuse_missing(columns, given, self._name)
        elif columns.missing:
            self._notices.append(columns.notice)
        self._texts = text_inputs(self._wanted, given)
        coded = with_categories(given, self._wanted)[len(given) :]
        self._renamed = {len(given) + index: name for index, name in enumerate(coded)}
        numbers = tuple(dict.fromkeys(index for index in columns.places if 0 <= index < len(given)))
        wide = tuple(index for index in (columns.time, columns.sequence) if index >= 0)
        if columns.time >= 0:
            name = given[columns.time]
            self._clock = TimeColumn(name, clock_unit(self._trained, self._wanted, name))
        self._dates = None
        texts = tuple(given.index(text) for text in self._texts)
        self._plan = self._with_forms(Plan(self._name, delimiter, given, numbers, wide, texts))

    def _arrived(self, parts: list[Arrived]) -> Arrived:
        notices, self._notices = tuple(dict.fromkeys(_counted(self._notices))), []
        return joined(parts, len(self.columns), notices)

    def _read(self, block: Block, plan: Plan) -> list[Arrived]:
        """Return the rows of whole lines.

        Raises:
            InputError: for a line that is no row.
        """
        cells, columns = parse(block, plan), self.match
        if columns is None or not len(cells.lines):
            return []
        coded = self._coded(cells, plan)
        values = columns.chosen(
            len(cells.lines),
            lambda index: coded[index] if index in coded else cells.values[:, plan.numbers.index(index)],
        )
        times: NDArray[np.float64] | None = None
        counts: NDArray[np.int64] | None = None
        if columns.time in plan.wide:
            times = self._clock.seconds(cells.wide[:, plan.wide.index(columns.time)])
        elif columns.time >= 0:
            times, notice = self._clock.of_texts(cells.text[columns.time].tolist())
            self._notices += [notice] if notice else []
        if columns.sequence in plan.wide:
            numbers = cells.wide[:, plan.wide.index(columns.sequence)]
            if np.isfinite(numbers).all() and (np.abs(numbers) < 2.0**53).all():
                counts = numbers.astype(np.int64)
        return [Arrived(values, times, counts)]

    def _coded(self, cells: Cells, plan: Plan) -> dict[int, Floats]:
        """Return the columns that are made of text columns, by their place; an unknown text is missing and told of."""
        by_name: dict[str, Floats] = {}
        for text, values in self._texts.items():
            where = f"{self._name}, column {text}"
            texts = cells.text[plan.columns.index(text)]
            coded = one_hot(texts, values, partial(_at, where), lambda fault: self._notices.append(str(fault)))
            by_name |= {column_name(text, value): coded[:, index] for index, value in enumerate(values)}
        return {index: by_name[name] for index, name in self._renamed.items()}


def _at(where: str, row: int) -> str:
    """Return where a cell stands; lines of a stream have no numbers."""
    return where


def _tidy(data: bytes) -> bytes:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    # Noise on a line is no reason to stop: a cell with such bytes is no number, and its line is passed over.
    return data if data.isascii() else data.decode("utf-8", "replace").encode()


def _cells(line: bytes, delimiter: str) -> list[str]:
    try:
        row = next(csv.reader([line.decode("utf-8", "replace")], delimiter=delimiter), [])
    except csv.Error:
        return []
    return [" ".join(cell.split()) for cell in row]


def _number(cell: str, forms: Sequence[NumberForm]) -> bool:
    """Return whether a cell is a number or missing, as a program writes it or in one of the forms."""
    if is_number(cell):
        return not math.isinf(float(cell))
    return cell.strip().lower() in MISSING_NUMBERS or any(form.plain(cell) is not None for form in forms)


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def _counted(notices: list[str]) -> list[str]:
    """Many lines that are no rows become the first of them and a number."""
    if len(notices) <= 3:
        return notices
    return [notices[0], f"and {len(notices) - 1} more skipped lines"]
