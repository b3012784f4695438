"""Shapes of columns that are no readings: people, machines, row numbers, and targets of every place and kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from odd_files.layouts import renamed
from odd_files.shape import Draw, OddFile, Sheet, shape, written
from odd_files.signals import motion, spots


@shape
def machines_in_text(draw: Draw) -> OddFile:
    """Write which of many machines a row is of, as a text that counts them."""
    count, word = draw.take(25, 30, 22, 40, 24), draw.take("oven", "Pumpe", "motor", "four", "pompa")
    sheet = spots(draw, rows=20 * count)
    name = draw.take("name", draw.words.machine, "source")
    names = [f"{word}-{number:02}" for number in range(count) for _ in range(20)]
    return written(draw, sheet.with_first(name, names, group=name, groups=count))


@shape
def people_by_number(draw: Draw) -> OddFile:
    """Write which person a row is of, as a number."""
    count = draw.take(8, 6, 12, 5, 10)
    sheet = spots(draw, rows=40 * count)
    name = draw.words.person
    people = [draw.take(1, 101) + number for number in range(count) for _ in range(40)]
    return written(draw, sheet.with_first(name, people, group=name, groups=count))


@shape
def row_numbers(draw: Draw) -> OddFile:
    """Write the number of each row."""
    sheet = spots(draw)
    name = draw.take("UNIQUE_ID", "Unnamed: 0", "Nr", "", "index")
    start, step = draw.take((1, 1), (0, 1), (1000, 1), (0, 1), (5, 2))
    return written(draw, sheet.with_first(name, [start + step * row for row in range(sheet.rows)]))


def _moved(sheet: Sheet, position: int) -> Sheet:
    """Return a sheet with its target at another place."""
    label = sheet.truth.target
    names = [name for name in sheet.cells if name != label]
    names.insert(position, label)
    return replace(sheet, cells={name: sheet.cells[name] for name in names})


@shape
def target_first_or_in_the_middle(draw: Draw) -> OddFile:
    """Write the target before or between the readings."""
    return written(draw, _moved(spots(draw), draw.take(0, 2, 1, 0, 3)))


@shape
def target_without_a_telling_name(draw: Draw) -> OddFile:
    """Write texts or few whole numbers under a name that says nothing, among measurements."""
    sheet = spots(draw)
    target = draw.take("res", "col5", "z", "kl", "out1")
    label = sheet.truth.target
    if draw.seed % 2:
        _, numbers = np.unique(sheet.truth.y, return_inverse=True)
        sheet = Sheet({**sheet.cells, label: numbers.tolist()}, replace(sheet.truth, y=numbers.astype(np.float64)))
    cells = {target if name == label else name: column for name, column in sheet.cells.items()}
    return written(draw, _moved(Sheet(cells, sheet.truth).known(target=target), draw.take(4, 4, 0, 0, 2)))


@shape
def amount_as_target(draw: Draw) -> OddFile:
    """Write an amount that depends on the readings, in some files beside a text."""
    sheet = renamed(spots(draw), ("speed", "load", draw.words.temperature, "flow"))
    amount = np.round(3 * sheet.truth.values[:, 0] + sheet.truth.values[:, 3] + draw.rng.normal(0, 0.2, sheet.rows), 2)
    name = draw.words.consumption
    cells = {key: cells for key, cells in sheet.cells.items() if key != sheet.truth.target}
    sheet = Sheet(cells, sheet.truth).with_last(name, amount.tolist(), target=name, y=amount, amount=True)
    if draw.seed % 2:
        lots = draw.rng.choice(["A", "B", "C"], sheet.rows)
        values = np.concatenate([sheet.truth.values, lots[:, None] == np.array(["A", "B", "C"])], axis=1)
        readings = (*sheet.truth.readings, "lot=A", "lot=B", "lot=C")
        sheet = sheet.with_first("lot", lots.tolist(), readings=readings, values=values)
    return written(draw, sheet)


@shape
def yes_or_no(draw: Draw) -> OddFile:
    """Write yes or no in the language of the file."""
    sheet = spots(draw)
    no, yes = draw.take(
        draw.words.answers, tuple(map(str.capitalize, draw.words.answers)), ("N", "Y"), ("false", "true")
    )
    y = np.where(sheet.truth.values[:, 0] > 11.0, yes, no)
    cells = {key: cells for key, cells in sheet.cells.items() if key != sheet.truth.target}
    name = draw.words.alarm
    sheet = Sheet(cells, sheet.truth).with_last(name, y.tolist(), target=name, y=y)
    return written(draw, _moved(sheet, draw.take(4, 0, 2)))


@shape
def people_and_clock(draw: Draw) -> OddFile:
    """Write motion of several people, one after the other, with one clock that goes on."""
    count = draw.take(4, 5, 6)
    sheet = motion(draw, draw.take(25.0, 20.0), turns=count)
    assert sheet.truth.rate_hz
    times = np.round(np.arange(sheet.rows) / sheet.truth.rate_hz[0], 3).tolist()
    rows = sheet.rows // count
    name = draw.words.person
    people = [f"{draw.take('p', 's')}{number}" for number in range(count) for _ in range(rows)]
    sheet = sheet.with_first(name, people, group=name, groups=count)
    return written(draw, sheet.with_first(draw.words.time, times, time=draw.words.time))
