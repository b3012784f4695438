"""Shapes of what a row, a column and a file stand for: series and spectra in columns, recordings, two rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from odd_files.shape import Draw, OddFile, Sheet, Truth, shape, text_of, written
from odd_files.signals import motion, spots


def series_sheet(draw: Draw) -> Sheet:
    """Return series of one length, a row each, whose columns are their points."""
    points, rows = draw.take(150, 96, 60, 128, 200), draw.take(80, 120, 60, 100, 90)
    classes = draw.words.classes[: draw.take(2, 3)]
    number = draw.rng.integers(0, len(classes), rows)
    phase = 2 * np.pi * (2.0 + 2.0 * number[:, None]) * np.arange(points) / points + draw.rng.uniform(0, 6, (rows, 1))
    values = np.round(np.sin(phase) + draw.rng.normal(0, 0.1, (rows, points)), 3)
    return _of_rows(draw, tuple(f"t{i}" for i in range(points)), values, np.array(classes)[number], "series")


def _of_rows(draw: Draw, names: tuple[str, ...], values: object, y: object, decision: str) -> Sheet:
    values, y = np.asarray(values), np.asarray(y)
    cells = dict(zip(names, values.T.tolist(), strict=True))
    truth = Truth(readings=names, values=values, target=draw.words.label, y=y, decision=decision)
    return Sheet({**cells, draw.words.label: y.tolist()}, truth)


def renamed(sheet: Sheet, names: tuple[str, ...]) -> Sheet:
    """Return a sheet with other names of its readings."""
    new = dict(zip(sheet.truth.readings, names, strict=True))
    cells = {new.get(name, name): cells for name, cells in sheet.cells.items()}
    return Sheet(cells, replace(sheet.truth, readings=names))


def in_recordings(sheet: Sheet, count: int) -> list[Sheet]:
    """Return a sheet cut into so many parts of whole rows."""
    cuts = [piece.tolist() for piece in np.array_split(np.arange(sheet.rows), count)]
    return [replace(sheet, cells={n: [c[i] for i in piece] for n, c in sheet.cells.items()}) for piece in cuts]


@shape
def series_in_columns(draw: Draw) -> OddFile:
    """Write a series a row, its points as columns."""
    sheet = series_sheet(draw)
    count = len(sheet.truth.readings)
    head, first = draw.take(("t", 0), ("V", 1), ("x_", 0), ("sample", 1), ("", 0))
    sheet = renamed(sheet, tuple(f"{head}{first + i}" for i in range(count)))
    if draw.seed % 2:  # the label before the points
        label = sheet.truth.target
        sheet = Sheet({label: sheet.cells[label], **sheet.cells}, sheet.truth)
    return written(draw, sheet)


@shape
def spectra(draw: Draw) -> OddFile:
    """Write a spectrum a row under wavelengths, of classes or of amounts."""
    rows, bands = draw.take(90, 120), draw.take(100, 120, 80)
    low, step, head, tail = draw.take((900, 2, "", ""), (400, 2.5, "", " nm"), (1100, 2, "X", ""), (4000, -8, "", ""))
    names = tuple(f"{head}{low + step * i:g}{tail}" for i in range(bands))
    amount = np.round(draw.rng.uniform(0, 1, rows), 3)
    places = np.linspace(0, 1, bands)
    peaks = np.exp(-(((places - 0.6) / 0.1) ** 2)) * amount[:, None] + 0.4 * places
    values = np.round(peaks + draw.rng.normal(0, 0.01, (rows, bands)), 4)
    if draw.seed % 2:
        return written(draw, _of_rows(draw, names, values, amount, "spectrum").known(amount=True))
    return written(draw, _of_rows(draw, names, values, np.where(amount > 0.5, "high", "low"), "spectrum"))


@shape
def labels_in_file_names(draw: Draw) -> OddFile:
    """Write a folder of CSV files, named by class, person and number."""
    folder = draw.folder / draw.take("recordings", "daten")
    folder.mkdir()
    rate_hz, mark = draw.take(50.0, 25.0), draw.take("_", "-")
    people, takes = draw.take(4, 5, 6), draw.take(2, 3)
    values, y = [], []
    classes = sorted(draw.words.classes[: draw.take(2, 3)])
    for number, name in enumerate(classes):
        for person in range(people):
            for index in range(takes):
                sheet = motion(Draw(f"{name} {person} {index}", draw.seed, folder), rate_hz, turns=1)
                rows = int(6 * rate_hz)
                block = sheet.truth.values[:rows] * (1 + number)
                times = np.round(np.arange(rows) / rate_hz, 3).tolist()
                block = np.round(block, 3)
                axes = dict(zip(draw.words.axes, block.T.tolist(), strict=True))
                part = Sheet({draw.words.time: times, **axes}, sheet.truth)
                (folder / f"{name}{mark}p{person}{mark}{index}.csv").write_text(text_of(part), encoding="utf-8")
                values.append(block)
                y += [name] * rows
    truth = Truth(
        readings=draw.words.axes, values=np.concatenate(values), target="label", y=np.array(y), decision="window",
        group="group", groups=people, recordings=len(values), time=draw.words.time, rate_hz=(rate_hz,),
    )  # fmt: skip
    return OddFile(folder, truth)


@shape
def recordings_by_column(draw: Draw) -> OddFile:
    """Write several recordings one after the other, numbered in a column, each with a clock that begins again."""
    sheet = motion(draw, turns=6)
    assert sheet.truth.rate_hz
    name, parts = draw.words.recording, in_recordings(sheet, 6)
    numbers = [label for part, label in enumerate("ABCDEF") for _ in part_rows(parts[part])]
    seconds = [row / sheet.truth.rate_hz[0] for part in parts for row in part_rows(part)]
    sheet = sheet.with_first(name, numbers, session=name, recordings=6)
    time = draw.words.time
    return written(draw, sheet.with_first(time, np.round(seconds, 3).tolist(), time=time))


def part_rows(sheet: Sheet) -> range:
    """Return the numbers of the rows that a part of a sheet has."""
    return range(len(next(iter(sheet.cells.values()))))


@shape
def two_rates(draw: Draw) -> OddFile:
    """Write recordings of two sampling rates in one file."""
    slow, fast = draw.take((50.0, 100.0), (25.0, 50.0), (20.0, 40.0))
    name, time = draw.words.recording, draw.words.time
    columns: dict[str, list[object]] = {}
    lasted = 0.0
    for number, rate_hz in enumerate((slow, fast, slow, fast, fast, slow)):
        sheet = motion(draw, rate_hz, turns=1)
        times = np.round(np.arange(sheet.rows) / rate_hz, 3).tolist()
        sheet = sheet.with_first(time, times).with_first(name, [f"r{number}"] * sheet.rows)
        for key, cells in sheet.cells.items():
            columns.setdefault(key, []).extend(cells)
        lasted += sheet.rows / rate_hz
    truth = replace(
        sheet.truth, session=name, time=time, recordings=6, rate_hz=(slow, fast), resampled_s=lasted,
        y=np.array(columns[sheet.truth.target]),
    )  # fmt: skip
    return written(draw, Sheet(columns, truth))


@shape
def one_hot_beside_text(draw: Draw) -> OddFile:
    """Write a text and beside it a column of 0 and 1 for each of its values."""
    sheet = spots(draw, columns=3)
    kinds = draw.take(("A", "B", "C"), ("steel", "brass", "zinc"))
    kinds_of_rows = draw.rng.choice(kinds, sheet.rows)
    name = draw.take("material", "kind")
    flags = {f"{name}_{kind}": (kinds_of_rows == kind).astype(int).tolist() for kind in kinds}
    label = sheet.truth.target
    cells = {name: kinds_of_rows.tolist(), **flags, **{n: c for n, c in sheet.cells.items() if n != label}}
    values = np.concatenate([np.array(list(flags.values())).T, sheet.truth.values], axis=1)
    truth = replace(
        sheet.truth, readings=(*flags, *sheet.truth.readings), values=values,
        allowed=tuple(f"{name}={kind}" for kind in kinds),
    )  # fmt: skip
    return written(draw, Sheet({**cells, label: sheet.cells[label]}, truth))
