"""Editing the events of one recording: what a form says, what the loader says of it, and the lines it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.cell_words import MISSING_LABELS
from edgewright.data.labels import Mark, counts_samples, label_rows, places_of, span_of
from edgewright.data.sources.folder import FolderConfig, Opened
from edgewright.schema.errors import InputError
from edgewright.studio.view.label_file import Cells, LabelFile
from edgewright.studio.view.segments import Stretch

LONGEST = 500
"""Characters of a label."""


@dataclass(frozen=True)
class Event:
    """A label of a stretch; `start` and `end` as written, both empty for the whole recording; `more` all its cells."""

    start: str
    end: str
    label: str
    more: Cells = ()


@dataclass(frozen=True)
class Problem:
    """What is wrong with an event: its place in the list, the field ('start', 'end', 'label'), the sentence."""

    event: int
    field: str
    told: str


@dataclass(frozen=True)
class Ground:
    """What events are judged by: a recording without a labels file's labels, and what start and end count."""

    config: FolderConfig
    opened: Opened
    counted: bool
    places: NDArray[np.float64]

    @property
    def unit(self) -> str:
        """What start and end count."""
        return "samples" if self.counted else "seconds"


def ground(config: FolderConfig, opened: Opened, file: LabelFile) -> Ground:
    """Return what events of a recording are judged by.

    Raises:
        InputError: labels in seconds where neither times nor a rate are known.
    """
    samples = "sample" in file.parts["start"].lower()
    counted = counts_samples(opened.recording, unit=config.labels_in, samples=samples, rate=opened.rate)
    return Ground(config, opened, counted, places_of(opened.recording, counted=counted, rate=opened.rate))


def events(file: LabelFile, recording: str) -> list[Event]:
    """Return the events of a recording as the file has them."""
    return [
        Event(file.cell(row, "start"), file.cell(row, "end"), file.cell(row, "label"), row)
        for row in file.of(recording)
    ]


def problems(found: Sequence[Event], here: Ground) -> list[Problem]:
    """Return what is wrong: of every event by itself, then what the loader says of all together."""
    told = [p for i, event in enumerate(found) for p in _alone(i, event, here)]
    if told:
        return told
    marks = [_mark(i, event) for i, event in enumerate(found)]
    try:
        label_rows(
            here.opened.recording, marks, unit="samples" if here.counted else "seconds", samples=here.counted,
            rate=here.opened.rate, origin=here.opened.origin,
        )  # fmt: skip
    except InputError as error:
        if not error.where.isdecimal():
            raise
        return [Problem(int(error.where), "start", _sentence(error))]
    return []


def _mark(index: int, event: Event) -> Mark:
    return Mark(label=event.label, start=event.start, end=event.end, place=str(index))


def _sentence(error: InputError) -> str:
    return f"expected {error.expected}, got {error.got}"


def _alone(index: int, event: Event, here: Ground) -> list[Problem]:
    """Return what is wrong with one event, whatever the others are."""
    found = []
    wrong = _label_problem(event.label)
    if wrong:
        found.append(Problem(index, "label", wrong))
    if not event.start and not event.end:
        return found
    for field, text in (("start", event.start), ("end", event.end)):
        if not text:
            message = "expected a number or a date, got nothing; start and end are both empty for the whole recording"
            return [*found, Problem(index, field, message)]
    try:
        start, end = span_of(_mark(index, event), here.opened.origin, here.counted)
    except InputError as error:
        field = "end" if error.got == repr(event.end) or "ends after" in error.expected else "start"
        return [*found, Problem(index, field, _sentence(error))]
    if not _rows(here, start, end)[2]:
        last = f"{here.places[0]:g} to {here.places[-1]:g} {here.unit}"
        message = f"expected an event within the recording ({last}), got {event.start} to {event.end}"
        found.append(Problem(index, "start", message))
    return found


def _label_problem(label: str) -> str:
    if not label:
        return "expected a label, got nothing; delete the event to label nothing"
    if label.lower() in MISSING_LABELS:
        return f"expected a label, got {label!r}, which counts as none"
    if len(label) > LONGEST:
        return f"expected at most {LONGEST} characters, got {len(label):,}"
    if any((ord(c) < 32 and c not in "\n\t") or 0xD800 <= ord(c) < 0xE000 for c in label):
        return "expected text, got a control character"
    return ""


def _rows(here: Ground, start: float, end: float) -> tuple[int, int, bool]:
    """First row and end of what lies between start and end, and whether there is any."""
    inside = np.flatnonzero((here.places >= start) & (here.places < end))
    return (int(inside[0]), int(inside[-1]) + 1, True) if len(inside) else (0, 0, False)


def bands(found: Sequence[Event], here: Ground) -> list[Stretch]:
    """Return the events that can be drawn, in order."""
    drawn = []
    for index, event in enumerate(found):
        if not event.start and not event.end:
            drawn.append(Stretch(0, len(here.places), event.label))
            continue
        try:
            first, end, there = _rows(here, *span_of(_mark(index, event), here.opened.origin, here.counted))
        except InputError:
            continue
        if there:
            drawn.append(Stretch(first, end, event.label))
    return sorted(drawn, key=lambda s: s.first)


def split(event: Event, at: str, here: Ground) -> tuple[Event, Event]:
    """Return an event as two: at a place if one within it is said, else in the middle.

    Raises:
        InputError: it is not right yet, or too short.
    """
    start, end = 0.0, float(here.places[-1]) + _step(here)
    if event.start or event.end:
        start, end = span_of(_mark(0, event), here.opened.origin, here.counted)
    try:
        middle = float(at)
    except ValueError:
        middle = (start + end) / 2
    if not start < middle < end:
        middle = (start + end) / 2
    text = number_text(middle, here)
    if not start < float(text) < end:
        raise InputError("an event that can be split", f"{event.start} to {event.end}", "split")
    first = replace(event, start=event.start or number_text(start, here), end=text)
    return first, replace(event, start=text, end=event.end or number_text(end, here))


def _step(here: Ground) -> float:
    return 1.0 if here.counted or len(here.places) < 2 else float(np.median(np.diff(here.places)))


def number_text(value: float, here: Ground) -> str:
    """Return a place as it is written into a labels file: whole samples, seconds to the millisecond or finer."""
    if here.counted:
        return str(round(value))
    step = _step(here)
    digits = 3 if step >= 0.001 else min(9, 3 - int(np.floor(np.log10(step))) - 3)
    return f"{round(value, digits):.{digits}f}".rstrip("0").rstrip(".") or "0"


def to_lines(file: LabelFile, recording: str, found: Sequence[Event], here: Ground) -> LabelFile:
    """Return the file with these events for a recording, in order of time.

    A line keeps what stood in its other columns; a new one gets the recording's person and session.
    """
    if any(event.start for event in found):
        file = file.with_columns(("start", "end"))
    if not file.parts["file"] and not file.rows:
        file = file.with_columns(("file",))
    old = file.of(recording)
    inherited = {part: next((file.cell(row, part) for row in old if file.cell(row, part)), "") for part in _KEPT}
    order = sorted(range(len(found)), key=lambda i: _begin(found[i], here))
    lines = [_line(file, recording, found[i], inherited) for i in order]
    return file.with_rows(recording, lines)


_KEPT = ("group", "session")


def _begin(event: Event, here: Ground) -> float:
    if not event.start:
        return -np.inf
    return span_of(_mark(0, event), here.opened.origin, here.counted)[0]


def _line(file: LabelFile, recording: str, event: Event, inherited: dict[str, str]) -> Cells:
    cells = dict(zip(file.columns, event.more, strict=False))
    if not event.more:
        cells = {
            file.parts[part]: value for part, value in {"file": recording, **inherited}.items() if file.parts[part]
        }
    for part, value in (("start", event.start), ("end", event.end), ("label", event.label)):
        if file.parts[part]:
            cells[file.parts[part]] = value
    return tuple(cells.get(column, "") for column in file.columns)


def pack(cells: Cells) -> str:
    """Return cells as a hidden field holds them."""
    return msgspec.json.encode(cells).decode() if cells else ""


def unpack(text: str, width: int) -> Cells:
    """Return cells of a hidden field; none where it is damaged or of a file with other columns."""
    try:
        cells = msgspec.json.decode(text.encode(), type=tuple[str, ...]) if text else ()
    except (msgspec.DecodeError, UnicodeEncodeError):
        return ()
    return cells if len(cells) <= width else ()


def relative(root: Path, path: Path) -> str:
    """Return a path as the page shows it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
