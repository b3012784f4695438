"""A recording as a drawing: a line for every channel, labels as bands, windows, gaps and the axis of time.

Places along the axis are per cent of the width, heights and lines units of a drawing that is stretched: a browser
draws text at its own size however wide the page is.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgewright.core.input.pictures import png
from edgewright.core.records.data import Floats
from edgewright.data.samples import unit_of
from edgewright.studio.view.data_cache import Opened, Stretch, Windows, gaps, placed, seconds_at, stretches
from edgewright.studio.view.data_sources import DataRequest
from edgewright.trace.blocks.charts import inside_marks


def draw_window(data: bytes, columns: Sequence[str], units: Sequence[str], rate: float, name: str) -> Picture:
    """Return the drawing of all channels of a window.

    Args:
        data: float32, channels first.
        columns: names of the channels.
        units: of the channels.
        rate: samples a second; 0 where it is unknown.
        name: name of the window, for who does not see it.
    """
    values = np.frombuffer(data, np.float32).reshape(len(columns), -1)
    rows = values.shape[1]
    panels = tuple(panel_of(row, name, unit) for row, name, unit in zip(values, columns, units, strict=True))
    end = rows / rate if rate else float(rows)
    ticks = tuple((round(100 * m / end, 3), clock(m) if rate else f"{m:,.0f}") for m in inside_marks(0.0, end, 6))
    return Picture(
        first=0, end=rows, rows=rows, panels=panels, bands=(), more_bands=0, boxes=(), lanes=0, more_windows=0, gaps=(),
        ticks=ticks, axis="time" if rate else "row", thinned=rows > 2 * COLUMNS, sentence=name,
    )  # fmt: skip


Places = NDArray[np.float64]


def thin(values: Floats, columns: int) -> tuple[Places, Floats]:
    """At most two values a column.

    Args:
        values: shape (n,), NaN where one is missing.
        columns: of pixels.

    Returns:
        Place of each kept value among the given, and the values: all of them where there are at most `2 * columns`,
        else least and largest of each column, in turn, so that lines between columns stay short. A column is NaN
        where all its values are missing.
    """
    n = len(values)
    if n <= 2 * columns:
        return np.arange(n, dtype=np.float64), values
    edges = np.linspace(0, n, columns + 1).astype(np.int64)
    low, high = np.fmin.reduceat(values, edges[:-1]), np.fmax.reduceat(values, edges[:-1])
    pairs = np.stack([low, high], axis=1)
    pairs[1::2] = pairs[1::2, ::-1]
    width = np.diff(edges)
    places = edges[:-1, None] + width[:, None] * np.array([0.25, 0.75])
    return places.reshape(-1), pairs.reshape(-1)


def path(x: Places, y: Places | Floats) -> str:
    """Point as the `d` of an SVG path; a NaN breaks the line, and a point alone is a dot.

    Args:
        x: shape (n,), in units of the drawing.
        y: shape (n,), in units of the drawing.
    """
    parts: list[str] = []
    drawing = False
    known = np.isfinite(y)
    for location, value, there in zip(np.round(x, 1).tolist(), np.round(y, 1).tolist(), known.tolist(), strict=True):
        if not there:
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{location:g} {value:g}" + ("" if drawing else "h.1"))
        drawing = True
    return "".join(parts)


COLUMNS = 1000
"""Columns of pixels that a line is thinned to."""
HEIGHT = 100
A_PAGE = 6
"""Channels that are drawn at once."""
MOST_BANDS, MOST_WINDOWS, MOST_GAPS = 300, 120, 60
COLOURS, SHAPES = 8, 7
_LANES = 4
_EDGE = 4.0


@dataclass(frozen=True)
class Band:
    """A stretch of one label; `x` and `width` in per cent."""

    x: float
    width: float
    label: str
    colour: int
    first: int
    end: int


@dataclass(frozen=True)
class Panel:
    """A channel: `d` is the line; `marks` heights (0 at the top, per cent) with their text."""

    name: str
    unit: str
    d: str
    marks: tuple[tuple[float, str], ...]
    low: float
    high: float
    missing: int


@dataclass(frozen=True)
class Box:
    """A window: its number from 1, `x` and `width` in per cent, its lane among those that overlap."""

    number: int
    x: float
    width: float
    lane: int
    label: str
    colour: int


@dataclass(frozen=True)
class Picture:
    """What is seen of a recording: rows `first` up to, but not with, `end` of `rows`."""

    first: int
    end: int
    rows: int
    panels: tuple[Panel, ...]
    bands: tuple[Band, ...]
    more_bands: int
    boxes: tuple[Box, ...]
    lanes: int
    more_windows: int
    gaps: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    axis: str
    thinned: bool
    sentence: str

    @property
    def a_column(self) -> int:
        """Rows that stand behind one column of pixels."""
        return max(1, math.ceil((self.end - self.first) / COLUMNS))


def view(first: str, end: str, rows: int) -> tuple[int, int]:
    """Return the rows that an address asks for, within the recording and at least eight; all where it asks wrongly."""
    wanted = [int(t) if t.isascii() and t.isdecimal() and len(t) < 13 else None for t in (first, end)]
    begin = wanted[0] or 0
    last = rows if wanted[1] is None else wanted[1]
    if begin >= min(last, rows):
        begin, last = 0, rows
    last = min(rows, max(last, begin + 8))
    return max(0, min(begin, last - 8)), last


def draw(
    opened: Opened, index: int, first: int, end: int, *, channels: Sequence[int], windows: Windows | None = None,
    bands: Sequence[Stretch] | None = None,
) -> Picture:  # fmt: skip
    """Return the drawing of rows `first` to `end` of a recording.

    Args:
        opened: the data.
        index: of the recording.
        first: first row.
        end: row after the last.
        channels: numbers of the columns that are drawn.
        windows: where samples lie; None draws none.
        bands: labels to be drawn; those of the recording when None.
    """
    recording, dataset = opened.dataset.recordings[index], opened.dataset
    rows = len(recording.values)
    if bands is None:
        labels = opened.labels(recording)
        bands = [] if labels is None else opened.once(("stretches", index + 1), lambda: stretches(labels))
    shown_bands, more = _bands(bands, opened.classes, first, end)
    boxes, lanes, more_windows = _boxes(opened, windows, index, first, end)
    ticks, axis = _ticks(opened, index, first, end)
    jumps = [g for g in gaps(recording).tolist() if first <= g < end - 1][:MOST_GAPS]
    shown = [(recording.values[first:end, c], dataset.columns[c]) for c in channels]
    panels = [panel_of(values, column.name, column.unit) for values, column in shown]
    if recording.target is not None and opened.task == "regression":
        amounts = np.asarray(recording.target[first:end], np.float32)
        panels.append(panel_of(amounts, dataset.target_name or "target", ""))
    return Picture(
        first=first, end=end, rows=rows, panels=tuple(panels), bands=tuple(shown_bands), more_bands=more, boxes=boxes,
        lanes=lanes, more_windows=more_windows, ticks=ticks, axis=axis,
        gaps=tuple((_share(g + 1, first, end), _gap(opened, index, g)) for g in jumps),
        thinned=end - first > 2 * COLUMNS,
        sentence=_sentence(recording.name, first, end, rows, shown_bands),
    )  # fmt: skip


def colour_of(classes: Sequence[str], label: str) -> int:
    """Return number of a class's colour and shape, from 0; labels that are not known yet come after the known ones."""
    return classes.index(label) if label in classes else len(classes)


def _share(row: float, first: int, end: int) -> float:
    return round(100 * (row - first) / max(1, end - first), 3)


def _bands(stretches_all: Sequence[Stretch], classes: Sequence[str], first: int, end: int) -> tuple[list[Band], int]:
    """Bands in view, the widest where there are more than can be told apart."""
    seen = [s for s in stretches_all if s.first < end and s.end > first]
    kept = seen
    if len(seen) > MOST_BANDS:
        widest = sorted(seen, key=lambda s: s.first - s.end)[:MOST_BANDS]
        kept = sorted(widest, key=lambda s: s.first)
    bands = []
    for stretch in kept:
        x, to = _share(max(first, stretch.first), first, end), _share(min(end, stretch.end), first, end)
        colour = colour_of(classes, stretch.label)
        bands.append(Band(x, round(to - x, 3), stretch.label, colour, stretch.first, stretch.end))
    return bands, len(seen) - len(kept)


def _boxes(
    opened: Opened, windows: Windows | None, index: int, first: int, end: int
) -> tuple[tuple[Box, ...], int, int]:
    """Return windows in view, in lanes so that those that overlap are told apart; none where there are too many."""
    if windows is None or windows.length < 2:
        return (), 0, 0
    inside = windows.within(index, first, end)
    if len(inside) > MOST_WINDOWS:
        return (), 0, len(inside)
    samples, _ = opened.samples()
    boxes, ends = [], [-1] * _LANES
    for location in inside[np.argsort(windows.row[inside], kind="stable")].tolist():
        begin = int(windows.row[location])
        lane = next((i for i, last in enumerate(ends) if last <= begin), min(range(_LANES), key=lambda i: ends[i]))
        ends[lane] = begin + windows.length
        x, to = _share(max(first, begin), first, end), _share(min(end, begin + windows.length), first, end)
        label = str(samples.y[location]) if samples is not None and opened.classes else ""
        colour = colour_of(opened.classes, label) if label else 0
        boxes.append(Box(location + 1, x, round(to - x, 3), lane, label, colour))
    return tuple(boxes), 1 + max((box.lane for box in boxes), default=-1), 0


def panel_of(values: Floats, name: str, unit: str) -> Panel:
    """Return the line of a channel between its least and largest value in view."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    span = (high - low) or max(abs(high), 1.0) * 0.1
    bottom = low - (span / 2 if high == low else 0)

    def y(value: NDArray[Any]) -> NDArray[np.float64]:
        return HEIGHT - _EDGE - (value.astype(np.float64) - bottom) / span * (HEIGHT - 2 * _EDGE)

    x, kept = thin(values, COLUMNS)
    # A value stands in the middle of its row.
    places = (x + (0.5 if len(kept) == len(values) else 0.0)) * 1000 / max(1, len(values))
    marks = inside_marks(bottom, bottom + span, 3)
    heights = [(round(float(y(np.array([m]))[0]), 2), f"{m:,.6g}") for m in marks]
    return Panel(name, unit, path(places, y(kept)), tuple(heights), low, high, len(values) - len(known))


def _ticks(opened: Opened, index: int, first: int, end: int) -> tuple[tuple[tuple[float, str], ...], str]:
    """Return marks of the axis: seconds where they are known (of the row that stands there), else rows."""
    recording, dataset = opened.dataset.recordings[index], opened.dataset
    if recording.time is None and dataset.rate:
        marks = inside_marks(first / dataset.rate, end / dataset.rate, 6)
        return tuple((_share(m * dataset.rate, first, end), clock(m)) for m in marks), "time"
    marks = inside_marks(first, end, 6)
    if recording.time is None:
        return tuple((_share(m, first, end), f"{m:,.0f}") for m in marks if m == round(m)), "row"
    last = len(recording.time) - 1
    reported = [(m, seconds_at(dataset, recording, min(m, last))) for m in marks]
    return tuple((_share(m, first, end), clock(t)) for m, t in reported if t is not None), "time"


def clock(seconds: float) -> str:
    """'0.5 s', '2:05', '1:02:05', '3 d 04:00': short enough for an axis."""
    if abs(seconds) < 60:
        return f"{seconds:.4g} s"
    whole = round(seconds)
    days, hours, minutes, rest = whole // 86_400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days} d {hours:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _gap(opened: Opened, index: int, row: int) -> str:
    time = opened.dataset.recordings[index].time
    return "" if time is None else clock(float(time[row + 1] - time[row]))


def _sentence(name: str, first: int, end: int, rows: int, bands: Sequence[Band]) -> str:
    """Return the picture in words."""
    whole = f"all {rows:,} rows" if end - first == rows else f"rows {first + 1:,} to {end:,} of {rows:,}"
    lines = list(dict.fromkeys(band.label for band in bands))
    labels = f"; labels {', '.join(lines[:8])}" + (" and others" if len(lines) > 8 else "") if lines else ""
    return f"{name}, {whole}{labels}"


GALLERY_PAGE, _SOME = 60, 24


def has_pictures(opened: Opened) -> bool:
    """Return whether the rows of these data are pictures."""
    return unit_of(opened.dataset.recordings[0].values) == "picture"


def gallery(opened: Opened, request: DataRequest) -> dict[str, Any]:
    """Return a page of pictures, those of one recording where it is asked for."""
    samples, where, why = placed(opened)
    if samples is None or where is None:
        return {"pictures": [], "why": why, "page": 1, "pages": 1, "recording": 0}
    recording = request.number("recording", len(opened.dataset.recordings), 0)
    numbers = np.flatnonzero((where.recording == recording - 1) | (recording == 0)) + 1
    pages = max(1, -(-len(numbers) // GALLERY_PAGE))
    page = request.number("page", pages)
    shown = numbers[(page - 1) * GALLERY_PAGE : page * GALLERY_PAGE].tolist()
    return {
        "pictures": [(n, str(samples.y[n - 1]), request.to("picture", sample=n)) for n in shown],
        "why": "", "page": page, "pages": pages, "recording": recording,
    }  # fmt: skip


def some_pictures(opened: Opened, request: DataRequest) -> list[tuple[int, str, str]]:
    """Return number, label and address of some pictures, drawn evenly, so that every label has its share."""
    samples, _ = opened.samples()
    if samples is None:
        return []
    count = len(samples.y)
    numbers = np.unique(np.linspace(1, count, min(count, _SOME)).astype(np.int64)).tolist()
    return [(n, str(samples.y[n - 1]), request.to("picture", sample=n)) for n in numbers]


def marked_png(picture: Floats, marks: Sequence[tuple[float, float]] = ()) -> bytes:
    """Return a picture as a PNG file.

    Args:
        picture: shape (1 or 3, height, width), 0 to 255.
        marks: x and y of places, in pixels, that get a ring.
    """

    def ringed(image: Image.Image) -> Image.Image:
        image = image.convert("RGB") if marks else image
        radius, pen = max(image.size) / 16, ImageDraw.Draw(image)
        for x, y in marks:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline="red", width=2)
        return image

    return png(picture, ringed)


def inline_png(picture: Floats, marks: Sequence[tuple[float, float]] = ()) -> str:
    """Return a picture as an address that holds all of it; arguments as of `marked_png`."""
    return f"data:image/png;base64,{base64.b64encode(marked_png(picture, marks)).decode()}"
