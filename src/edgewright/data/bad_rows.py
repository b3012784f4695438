"""Rows and files that cannot be read: all of them in one error, or a warning that counts what is left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.reader import ClockReader
from edgewright.core.csv.bad_lines import MAX_SHARE, BadLines
from edgewright.core.csv.number_forms import plain_cells
from edgewright.core.csv.rows import Rows, iter_csv, open_csv
from edgewright.core.formatting import percent, plural
from edgewright.core.units import MISSING_NUMBERS, is_number
from edgewright.data.categories import is_text
from edgewright.schema.data import Labels
from edgewright.schema.errors import DataWarning, InputError

KEY = "skip_bad_rows"
"""Key of [data]: whether rows and files that cannot be read are left out."""
LEAVE_OUT = f"leave them out with --skip-bad-rows ({KEY} = true in [data])"
# Files that a message lists.
_SHOWN = 8
C = TypeVar("C")
T = TypeVar("T")


def list_bad_rows(error: InputError, path: Path, name: str, delimiter: str = "") -> InputError:
    """Return an error that lists all bad lines of a file, where its first one raised an error.

    Args:
        error: that reading the file raised.
        path: path of the file.
        name: name of the file, for messages.
        delimiter: between cells; found when empty.

    Returns:
        The error itself where nothing is wrong with single lines, or with most of them.
    """
    bad = BadLines(name)
    try:
        numbers = _number_columns(path, name, delimiter)
        opened = open_csv(path, name, delimiter or None, bad=bad)
        texts = [column for column in opened.columns if column not in numbers]
        for _ in iter_csv(opened, name=name, text_columns=texts, bad=bad):
            pass
    except InputError:
        return error
    return bad.error(error, LEAVE_OUT)


def _number_columns(path: Path, name: str, delimiter: str) -> set[str]:
    """Return the columns whose first cells are numbers."""
    bad = BadLines(name)
    opened = open_csv(path, name, delimiter or None, bad=bad)
    first = next(iter_csv(opened, name=name, text_columns=opened.columns, bad=bad))
    forms = first.header.forms
    return {column for column, cells in first.text.items() if not is_text(plain_cells(cells, forms.get(column, ())))}


def skip_bad_rows(pieces: Iterator[Rows], bad: BadLines, time: str, unit: str, names: Sequence[str]) -> Iterator[Rows]:
    """Yield the rows of a file that have a time and a person or session; at its end say how many were left out.

    Args:
        pieces: of one file.
        bad: of the same file.
        time: column of times, as text; empty without.
        unit: unit of the times.
        names: columns of people and sessions.

    Raises:
        InputError: more than `MAX_SHARE` of its rows cannot be read.
    """
    clock = ClockReader(time, unit)
    for rows in pieces:
        good = np.ones(len(rows), np.bool_)
        checks = {name: rows.text[name] != "" for name in names}
        checks |= {time: np.isfinite(clock.ticks(rows.text[time].tolist()))} if time else {}
        for name, known in checks.items():
            for row in np.flatnonzero(good & ~known).tolist():
                cell, where = str(rows.text[name][row]), f"{bad.name} line {rows.lines[row]}, column {name}"
                bad.add(InputError("a time" if name == time else "a name", repr(cell), where))
            good &= known
        bad.count += int((~good).sum())
        if good.any():
            yield rows if good.all() else rows.part(good)
    bad.refuse_many()
    if bad.faults:
        warnings.warn(f"{bad.name}: left out, {bad.summary}", DataWarning, 2)


def rows_of_numbers(columns: Mapping[str, Labels]) -> NDArray[np.bool_]:
    """Return which rows hold a number, or nothing, in each column of numbers; all where many do not.

    Args:
        columns: cells by column, at least one.
    """
    good = np.ones(len(next(iter(columns.values()))), np.bool_)
    for cells in columns.values():
        if not is_text(cells):
            texts, places = np.unique(np.char.strip(cells), return_inverse=True)
            known = [is_number(text) or text.lower() in MISSING_NUMBERS for text in texts.tolist()]
            good &= np.array(known, np.bool_)[places]
    return good if good.mean() >= 1 - MAX_SHARE else np.ones(len(good), np.bool_)


def readable(
    files: Iterable[tuple[str, C]], read: Callable[[str, C], T], where: str, kind: str, *, skip: bool
) -> Iterator[T]:
    """Yield what is read of files; those that cannot be read are listed together, or left out.

    Args:
        files: names, and contents or paths.
        read: reads a file.
        where: folder, for messages.
        kind: what a file is called, for messages.
        skip: leave out files that cannot be read.

    Raises:
        InputError: files that cannot be read, or more than `MAX_SHARE` of them where they are left out.
    """
    faults: list[InputError] = []
    count = 0
    for name, content in files:
        count += 1
        try:
            result = read(name, content)
        except InputError as error:
            faults.append(error)
            continue
        if skip or not faults:  # after a fault the rest is read for its faults only
            yield result
    if not faults:
        return
    listed = "; ".join(f"{fault.where}: {fault.got}" for fault in faults[:_SHOWN])
    more = f"; and {plural(len(faults) - _SHOWN, 'more file')}" if len(faults) > _SHOWN else ""
    summary = f"{len(faults):,} of {plural(count, kind)} cannot be read: {listed}{more}"
    if skip and len(faults) <= MAX_SHARE * count:
        warnings.warn(f"{where}: left out, {summary}", DataWarning, 2)
    elif skip:
        raise InputError(f"at most {percent(MAX_SHARE)} of files that cannot be read", summary, where, "Replace them")
    elif len(faults) == count:  # such as a column that no file has
        raise faults[0]
    elif len(faults) == 1:
        do = faults[0].do if LEAVE_OUT in faults[0].do else f"{faults[0].do}, or {LEAVE_OUT}".removeprefix(", or ")
        raise InputError(faults[0].expected, faults[0].got, faults[0].where, do)
    else:
        raise InputError(f"{kind}s that can be read", summary, where, f"Replace them, or {LEAVE_OUT}")
