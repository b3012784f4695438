"""A clock of two columns: the day of a row in one, the time of day in the other; together they are `Date + Time`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import numpy as np
from numpy.typing import NDArray

_MARK = " + "


def joined_name(day: str, time: str) -> str:
    """Return the name of the column that two columns are together."""
    return f"{day}{_MARK}{time}"


def parts_of(name: str, columns: Collection[str]) -> tuple[str, ...]:
    """Return the two columns that a name stands for; none for a name that a column has, or that no two have."""
    day, mark, time = name.partition(_MARK)
    return (day, time) if mark and name not in columns and day in columns and time in columns else ()


def joined(days: Iterable[str], times: Iterable[str]) -> NDArray[np.str_]:
    """Return day and time of each row in one text; empty where one of them is."""
    pairs = ((day.strip(), time.strip()) for day, time in zip(days, times, strict=True))
    # A spreadsheet writes a day with its midnight.
    cells = [f"{day.replace('T', ' ').split(' ')[0]} {time}" if day and time else "" for day, time in pairs]
    return np.array(cells, np.str_)


def text_of(name: str, columns: Collection[str], cells: Callable[[str], NDArray[np.str_]]) -> NDArray[np.str_]:
    """Return the cells of a column, or of the two that it stands for."""
    parts = parts_of(name, columns)
    return joined(*(cells(part).tolist() for part in parts)) if parts else cells(name)
