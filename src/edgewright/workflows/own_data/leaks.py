"""Columns that give the target away: flags that are never set without it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewright.data.targets import as_text, read_target
from edgewright.schema.data import Labels

# Where a column of text tells the class, it leaves over so few of the wrong answers of who always says the usual one.
_LEFT_OVER = 0.1
# A flag that is set in fewer rows shows nothing, and one flag alone may be a sensor's.
_FEWEST_ROWS, _FEWEST_FLAGS = 5, 2


def flags_of_target(columns: Mapping[str, Labels], target: Labels, name: str) -> dict[str, str]:
    """Find columns of two values, one of which occurs with one rare class only.

    A flag between such flags is one of them, even where it does not tell the class (a cause that is not always noted).

    Args:
        columns: cells by column, in the order of the file.
        target: cells of the target.
        name: of the target.

    Returns:
        Why a column is left out, by its name.
    """
    y = as_text(read_target(target))
    classes, counts = np.unique(y, return_counts=True)
    usual = str(classes[counts.argmax()])
    flags = [one for one, cells in columns.items() if len(np.unique(cells)) == 2]
    telling = [one for one in flags if _tells(columns[one], y, usual)]
    if len(telling) < _FEWEST_FLAGS and not any(_is_all(columns[one], y, usual) for one in telling):
        return {}
    found = dict.fromkeys(telling, f"a flag that is never set without {name}: it gives the answer away")
    order = list(columns)
    beside = {order[p + s] for p, one in enumerate(order) if one in telling for s in (-1, 1) if 0 <= p + s < len(order)}
    found |= {one: f"a flag beside flags that give {name} away" for one in flags if one in beside and one not in found}
    return found


def texts_of_target(columns: Mapping[str, Labels], target: Labels, name: str) -> dict[str, str]:
    """Find columns of text that are the target in other words: almost every text stands for one class.

    Args:
        columns: cells by column.
        target: cells of the target.
        name: of the target.

    Returns:
        Why a column is left out, by its name.
    """
    y = as_text(read_target(target))
    known = y != ""
    _, codes = np.unique(y[known], return_inverse=True)
    if not len(codes):
        return {}
    usual = len(codes) - int(np.bincount(codes).max())
    found = {}
    for column, cells in columns.items():
        _, texts = np.unique(cells[known], return_inverse=True)
        table = np.zeros((int(texts.max()) + 1, int(codes.max()) + 1), np.int64)
        np.add.at(table, (texts, codes), 1)
        if len(codes) - int(table.max(axis=1).sum()) <= _LEFT_OVER * usual:
            found[column] = f"its texts say {name} in other words: it gives the answer away"
    return found


def _tells(cells: Labels, y: Labels, usual: str) -> bool:
    """Return whether the rarer value occurs in several rows, all of one class that is not the usual one."""
    values, counts = np.unique(cells, return_counts=True)
    rows = cells == values[counts.argmin()]
    found = np.unique(y[rows])
    return int(rows.sum()) >= _FEWEST_ROWS and len(found) == 1 and str(found[0]) not in ("", usual)


def _is_all(cells: Labels, y: Labels, usual: str) -> bool:
    """Return whether the flag is the target itself: set in every row that is not of the usual class."""
    values, counts = np.unique(cells, return_counts=True)
    return bool(np.array_equal(cells == values[counts.argmin()], y != usual))
