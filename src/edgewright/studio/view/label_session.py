"""The label editor: a folder's labels file, one of its recordings, and what a form changes about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.data.sources import folder as folders
from edgewright.data.sources.folder import FolderConfig, labels_file, recording_files
from edgewright.schema.data import DataSet
from edgewright.schema.errors import InputError
from edgewright.studio.view.data_cache import Opened
from edgewright.studio.view.data_sources import Origin
from edgewright.studio.view.drawing import Picture, draw
from edgewright.studio.view.file_history import ChangedError, folder_of, save
from edgewright.studio.view.label_edit import (
    Event,
    Ground,
    LabelFile,
    bands,
    events,
    ground,
    problems,
    read,
    refuse_shared,
    split,
    to_lines,
)

A_PAGE = 100
"""Events in a form; a recording with more has several pages."""
_KNOTS = 101


@dataclass(frozen=True)
class LabelFolder:
    """A folder whose labels are edited.

    Attributes:
        origin: of the data.
        config: how the folder is read.
        path: path of the labels file, which may not exist yet.
        past: folder of its earlier versions.
        names: of all recordings.
        file: the labels file as it is now.
    """

    origin: Origin
    config: FolderConfig
    path: Path
    past: Path
    names: tuple[str, ...]
    file: LabelFile

    @property
    def labels(self) -> list[str]:
        """All labels of the folder, in the order of their colours."""
        return sorted({self.file.cell(row, "label") for row in self.file.rows} - {""})


def open_label_folder(origin: Origin, config: FolderConfig, root: Path) -> LabelFolder:
    """Open the labels of a folder for editing.

    Raises:
        InputError: its labels file cannot be edited, with the reason.
    """
    path = labels_file(config).absolute()
    base = Path(config.path)
    names = tuple(file.relative_to(base).as_posix() for file in recording_files(config))
    if not names:
        raise InputError("at least one CSV, Parquet or WAV file", "none", config.path)
    file = read(config)
    refuse_shared(file, names)
    return LabelFolder(origin, config, path, folder_of(root, path, "labels"), names, file)


def ground_of(at: LabelFolder, recording: str) -> Ground:
    """Return what events of a recording are judged by; the latest recordings are kept in memory.

    Raises:
        InputError: as the loader says it.
    """
    state = (Path(at.config.path) / recording).stat()
    opened = _open(msgspec.json.encode(at.config), recording, (state.st_mtime_ns, state.st_size))
    return ground(at.config, opened, at.file)


@lru_cache(maxsize=4)
def _open(config: bytes, recording: str, mark: tuple[int, int]) -> folders.Opened:
    return folders.open_one(msgspec.json.decode(config, type=FolderConfig), recording)


@dataclass(frozen=True)
class Form:
    """A form of events as it was sent or is to be shown.

    Attributes:
        recording: that is labelled.
        events: of this page.
        first: place of the page's first event among the recording's; `count`: how many of the file it stands for.
        base, part: marks of the file and of this recording's lines that the form was made from.
    """

    recording: str
    events: tuple[Event, ...]
    first: int
    count: int
    base: str
    part: str


def fresh(at: LabelFolder, recording: str, first: int) -> Form:
    """Return the form of what the labels file says now."""
    listed = events(at.file, recording)
    first = first - first % A_PAGE if 0 <= first < max(1, len(listed)) else 0
    page = tuple(listed[first : first + A_PAGE])
    return Form(recording, page, first, len(page), at.file.mark, at.file.part_mark(recording))


def whole(at: LabelFolder, form: Form) -> list[Event]:
    """All events of the recording with those of the form in their place."""
    listed = events(at.file, form.recording)
    return [*listed[: form.first], *form.events, *listed[form.first + form.count :]]


def changed(form: Form, do: str, here: Ground, at: str) -> Form:
    """Return the form after one of its buttons, not saved.

    Args:
        form: as it was sent.
        do: 'delete:PLACE', 'split:PLACE', or anything else for none.
        here: what splitting counts in.
        at: where to split; the middle when it lies outside.

    Raises:
        InputError: an event that cannot be split.
    """
    action, _, location = do.partition(":")
    if action not in ("delete", "split") or not location.isdecimal() or int(location) >= len(form.events):
        return form
    listed, i = list(form.events), int(location)
    listed[i : i + 1] = split(listed[i], at, here) if action == "split" else []
    return replace(form, events=tuple(listed))


def store(at: LabelFolder, form: Form, here: Ground) -> tuple[list[Any], bool]:
    """Save a form.

    Returns:
        What is wrong (then nothing is saved), and whether other lines of the file had changed since the form was made.

    Raises:
        ChangedError: this recording's events changed since; nothing is saved.
        OutputError: it cannot be written.
    """
    if at.file.part_mark(form.recording) != form.part:
        raise ChangedError("the events this form was made from", "others", at.path.name, "Compare the changes")
    everything = whole(at, form)
    wrong = problems(everything, here)
    if wrong:
        return wrong, False
    file = to_lines(at.file, form.recording, everything, here)
    save(at.path, file.content(), at.file.mark, at.past)
    return [], form.base != at.file.mark


def picture(
    at: LabelFolder, here: Ground, form: Form, first: int, end: int, channels: Sequence[int]
) -> tuple[Picture, Opened]:
    """Return the recording with the events of the form as bands."""
    bare = msgspec.structs.replace(here.opened.recording, target=None)
    dataset = DataSet(name=form.recording, columns=here.opened.columns, recordings=(bare,), rate=here.opened.rate)
    opened = Opened(at.origin, dataset)
    shown = bands(whole(at, form), here)
    opened.classes = tuple(sorted({*at.labels, *(band.label for band in shown if band.label)}))
    return draw(opened, 0, first, end, channels=channels, bands=shown), opened


def knots(here: Ground, first: int, end: int) -> str:
    """Return places along the view for the page's script, which turns a drag into start and end: JSON."""
    rows = np.linspace(first, end, _KNOTS)
    last = len(here.places) - 1
    step = float(here.places[-1] - here.places[-2]) if last else 1.0
    places = np.interp(rows, np.arange(last + 1), here.places) + np.maximum(rows - last, 0) * step
    digits = 0 if here.counted else 3 if step >= 0.001 else 6
    return msgspec.json.encode({"places": [round(p, 6) for p in places.tolist()], "digits": digits}).decode()
