"""What a generated file is: its rows, what is true of it, and the shapes that make such files."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odd_files.words import WORDS, Words

Values = NDArray[np.float64]
Cells = Sequence[object]
SEEDS = 5


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a reader must understand.

    Attributes:
        readings: columns that are inputs.
        values: of them, shape (rows, readings), recordings in the order of their names, NaN where missing.
        target: column to predict.
        y: its values, shape (rows,): text, or float64 of an amount and of classes that are numbers.
        amount: the target is an amount.
        decision: 'row', 'window', 'recording', 'series' or 'spectrum': what a decision looks at.
        group, session, time: columns; empty where there is none.
        groups, recordings: number of people or machines, and of recordings.
        rate_hz: rows a second; None where none is known; more than one where the reader chooses.
        units: of readings, where the file says them apart from the names.
        allowed: inputs that a reader may take or leave out.
        resampled_s: seconds that the recordings last, where their rows are not those of the file.
        question: texts that an error must hold, where the file has two meanings.
    """

    readings: tuple[str, ...]
    values: Values
    target: str
    y: NDArray[Any]
    amount: bool = False
    decision: str = "row"
    group: str = ""
    session: str = ""
    time: str = ""
    groups: int = 0
    recordings: int = 1
    rate_hz: tuple[float, ...] | None = None
    units: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    resampled_s: float = 0.0
    question: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """Rows of a table.

    Attributes:
        cells: values by column, in the order of the file: text, numbers, or None where nothing was measured.
        truth: of a file with these cells.
    """

    cells: Mapping[str, Cells]
    truth: Truth

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.truth.y)

    def known(self, **changes: Any) -> Sheet:  # noqa: ANN401 - fields of Truth
        """Return the same cells with another truth."""
        return replace(self, truth=replace(self.truth, **changes))

    def with_first(self, name: str, cells: Cells, **changes: Any) -> Sheet:  # noqa: ANN401 - fields of Truth
        """Return the sheet with a further column before the others, and what that changes in the truth."""
        return Sheet({name: cells, **self.cells}, replace(self.truth, **changes))

    def with_last(self, name: str, cells: Cells, **changes: Any) -> Sheet:  # noqa: ANN401 - fields of Truth
        """Return the sheet with a further column behind the others, and what that changes in the truth."""
        return Sheet({**self.cells, name: cells}, replace(self.truth, **changes))

    def changed(self, write: Callable[[object], object], names: Sequence[str] | None = None) -> Sheet:
        """Return the sheet with the cells of its readings, or of some columns, written another way."""
        columns = self.truth.readings if names is None else names
        return replace(self, cells={**self.cells, **{name: [write(c) for c in self.cells[name]] for name in columns}})

    def table(self) -> list[list[object]]:
        """Return the header and the rows."""
        return [list(self.cells), *map(list, zip(*self.cells.values(), strict=True))]


@dataclass(frozen=True)
class OddFile:
    """A file or folder on the disk, and what is true of it."""

    path: Path
    truth: Truth


@dataclass(frozen=True)
class Draw:
    """What differs between the files of a shape.

    Attributes:
        shape: name of the shape.
        seed: from 0 on.
        folder: where the file goes.
    """

    shape: str
    seed: int
    folder: Path

    @cached_property
    def rng(self) -> np.random.Generator:
        """Random numbers of this file."""
        return np.random.default_rng(zlib.crc32(f"{self.shape} {self.seed}".encode()))

    @property
    def words(self) -> Words:
        """Names in the language of this file."""
        return WORDS[self.seed % len(WORDS)]

    def take(self, *choices: Any) -> Any:  # noqa: ANN401 - one of the arguments
        """Return the choice of this seed."""
        return choices[self.seed % len(choices)]

    def path(self, ending: str) -> Path:
        """Return where a file with this ending goes."""
        return self.folder / f"{self.take('data', 'messung', 'log-2024', 'My file', 'export')}{ending}"


Shape = Callable[[Draw], OddFile]
SHAPES: dict[str, Shape] = {}


def shape(write: Shape) -> Shape:
    """Register a shape under the name of its function."""
    SHAPES[write.__name__] = write
    return write


def text_of(sheet: Sheet, delimiter: str = ",", below: Sequence[Sequence[str]] = ()) -> str:
    """Return a sheet as delimited text, with `below` between the header and the rows; None is an empty cell."""
    header, *rows = sheet.table()
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([header, *below, *rows])
    return out.getvalue()


def written(draw: Draw, sheet: Sheet, ending: str = ".csv", encoding: str = "utf-8", delimiter: str = ",") -> OddFile:
    """Write a sheet as delimited text."""
    path = draw.path(ending)
    path.write_bytes(text_of(sheet, delimiter).encode(encoding))
    return OddFile(path, sheet.truth)
