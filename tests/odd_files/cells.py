"""Shapes of numbers and texts in cells."""

from __future__ import annotations

import numpy as np

from odd_files.shape import Draw, OddFile, Sheet, shape, written
from odd_files.signals import motion, room, spots


@shape
def decimal_commas(draw: Draw) -> OddFile:
    """Write decimals with a comma between semicolons or tabs."""
    mark = draw.take(";", ";", "\t")
    sheet = room(draw, 60.0).known(rate_hz=None).changed(lambda value: str(value).replace(".", ","))
    return written(draw, sheet, ".csv" if mark == ";" else ".txt", delimiter=mark)


@shape
def thousands(draw: Draw) -> OddFile:
    """Write large numbers with separators of thousands, as English, German, French or Swiss spreadsheets do."""
    mark, point, delimiter = draw.take((",", ".", ","), (".", ",", ";"), ("\u202f", ",", ";"), ("'", ".", ";"))
    sheet = spots(draw, columns=3)
    values = np.round(sheet.truth.values * draw.rng.uniform(80, 4000, 3), 2)
    signs = str.maketrans({",": mark, ".": point})
    cells = {
        name: [f"{v:,.2f}".translate(signs) for v in column]
        for name, column in zip(sheet.truth.readings, values.T, strict=True)
    }
    sheet = Sheet({**sheet.cells, **cells}, sheet.truth).known(values=values)
    return written(draw, sheet, delimiter=delimiter)


@shape
def units_in_cells(draw: Draw) -> OddFile:
    """Write the unit behind each number."""
    units = draw.take(("°C", "%", "hPa"), ("C", "%", "mbar"), ("K", "%", "Pa"))
    blank = draw.take(" ", "", " ")
    sheet = room(draw, 60.0).known(rate_hz=None)
    for name, unit in zip(sheet.truth.readings, units, strict=True):
        sheet = sheet.changed(lambda value, unit=unit: f"{value}{blank}{unit}", [name])  # type: ignore[misc]
    return written(draw, sheet)


@shape
def spellings_of_missing(draw: Draw) -> OddFile:
    """Write that a value is missing as people and programs do."""
    texts = ("NA", "n/a", "-", "null", "NULL", "None", "#N/A", "", "?", "NaN", "--", "N/A", "missing", "<NA>", "nan")
    sheet = spots(draw)
    values = sheet.truth.values.copy()
    values[draw.rng.random(values.shape) < 0.06] = np.nan
    spelled = draw.take(texts, texts[:4], texts[4:8], texts[8:12], texts[2:3])
    cells = {
        name: [draw.rng.choice(spelled) if np.isnan(v) else v for v in column.tolist()]
        for name, column in zip(sheet.truth.readings, values.T, strict=True)
    }
    return written(draw, Sheet({**sheet.cells, **cells}, sheet.truth).known(values=values))


@shape
def constant_and_empty_columns(draw: Draw) -> OddFile:
    """Write a column that never changes and one that holds nothing."""
    sheet = spots(draw)
    sheet = sheet.with_first(draw.take("version", "site"), [draw.take("1.0", "north", 7)] * sheet.rows)
    return written(draw, sheet.with_last(draw.take("notes", "Bemerkung"), [None] * sheet.rows))


@shape
def single_reading(draw: Draw) -> OddFile:
    """Write one column of numbers with its label and, in some files, a clock."""
    sheet = motion(draw, columns=1)
    if draw.seed % 2:
        return written(draw, sheet.known(rate_hz=None))
    assert sheet.truth.rate_hz
    times = np.round(np.arange(sheet.rows) / sheet.truth.rate_hz[0], 3).tolist()
    return written(draw, sheet.with_first(draw.words.time, times, time=draw.words.time))
