"""Text columns as numbers: a column `TEXT=VALUE` is 1 in the rows where the column TEXT holds VALUE, and 0 elsewhere.

The name says it all, so a package, a stream and a C header need nothing but the names of their columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from edgewright.core.units import MISSING_TEXTS
from edgewright.schema.data import Floats, Labels
from edgewright.schema.errors import InputError

MARK = "="


def column_name(text: str, value: str) -> str:
    """Return the name of the column that is 1 where the text column `text` holds `value`."""
    return f"{text}{MARK}{value}"


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
    sources = {name.partition(MARK)[0] for name in wanted if MARK in name and name not in header}
    by_column: dict[str, list[str]] = {}
    for name in wanted:
        text, mark, value = name.partition(MARK)
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
    texts = [name.partition(MARK)[0] for name in names if MARK in name]
    shared = {text for text in texts if texts.count(text) > 1 and text not in names}
    values: dict[str, tuple[str, ...]] = {}
    for name in names:
        text, _, value = name.partition(MARK)
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
        error = InputError(f"one of {known}", shown, where(row), do)
        if report is None:
            raise error
        report(error)
    return np.asarray(coded[places])
