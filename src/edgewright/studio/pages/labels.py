"""The label editor: events of a recording in a form, checked as the loader checks them, saved whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import EdgewrightError, FileChangedError, InputError, LabelsError
from edgewright.core.records.data import DataSet
from edgewright.data.sources import folder as folders
from edgewright.data.sources.folder import FolderConfig, labels_file, recording_files
from edgewright.studio.frame import Page, error_text, render, studio_of, text_of
from edgewright.studio.local_server import FormData, HTTPException, RedirectResponse, Request, Response
from edgewright.studio.pages.data import look, origin_of
from edgewright.studio.view import file_history
from edgewright.studio.view.data_cache import Opened
from edgewright.studio.view.data_sources import DataRequest, Origin, editable
from edgewright.studio.view.drawing import A_PAGE as CHANNELS
from edgewright.studio.view.drawing import Picture, draw, view
from edgewright.studio.view.file_history import folder_of, save
from edgewright.studio.view.label_edit import (
    Event,
    Ground,
    LabelFile,
    Problem,
    bands,
    events,
    ground,
    pack,
    problems,
    read,
    refuse_shared,
    split,
    to_lines,
    unpack,
)
from edgewright.studio.view.views import moves

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
        raise LabelsError("at least one CSV, Parquet or WAV file", "none", config.path)
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
        FileChangedError: this recording's events changed since; nothing is saved.
        OutputError: it cannot be written.
    """
    if at.file.part_mark(form.recording) != form.part:
        raise FileChangedError("the events this form was made from", "others", at.path.name, "Compare the changes")
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


_NOTICES = {
    "1": "Saved. A run on this folder learns from these labels.",
    "2": "Saved. Events of other recordings were changed elsewhere in the meantime; those changes are kept.",
    "3": "The earlier version is restored. The version it replaced is kept in the list.",
}


def _desk(request: Request) -> tuple[LabelFolder | None, str, DataRequest]:
    origin = origin_of(request)
    data_request = DataRequest("labels", origin, request.query_params)
    root = studio_of(request).folder
    config, why = editable(origin, root)
    return (open_label_folder(origin, config, root) if config is not None else None), why, data_request


def _recording(at: LabelFolder, name: str) -> str:
    if name not in at.names:
        raise HTTPException(404, "Recording not found in this folder.")
    return name


def _answer(request: Request) -> Response:
    try:
        at, why, data_request = _desk(request)
        name = request.query_params.get("recording", "")
        if at is None or not name:
            return _list(request, at, why, data_request)
        form = fresh(at, _recording(at, name), data_request.number("first", 10**6, 0))
        return _page(request, at, data_request, form, notice=_NOTICES.get(request.query_params.get("saved", ""), ""))
    except InputError as error:
        location = request.path_params["place"]
        return render(
            request, "labels_mistaken.html", status=400, title="Labels", message=error_text(error), location=location
        )


def _list(request: Request, at: LabelFolder | None, why: str, data_request: DataRequest) -> Response:
    """Return the recordings of a folder with their numbers of events, or why there is nothing to edit."""
    lines = [] if at is None else [(name, len(at.file.of(name))) for name in at.names]
    past = [] if at is None else file_history.versions(at.past)
    return render(
        request, "labels_list.html", title=f"Labels: {data_request.origin.name}", view_request=data_request,
        label_folder=at, why=why, lines=lines, past=past,
        notice=_NOTICES.get(request.query_params.get("saved", ""), ""),
    )  # fmt: skip


def _sent(request: Request, sent: FormData) -> Response:
    at, why, data_request = _desk(request)
    if at is None:
        raise LabelsError("labels that can be edited", "others", data_request.origin.name, why)
    do = text_of(sent, "do")
    if do.startswith("restore:"):
        return _restore(at, data_request, do.removeprefix("restore:"), text_of(sent, "base"))
    form = _form(sent, at)
    try:
        here = ground_of(at, form.recording)
        if do != "save":
            form = changed(form, do, here, text_of(sent, "new_start"))
            return _page(request, at, data_request, form, notice="Not saved yet.", unsaved=True)
        wrong, merged = store(at, form, here)
    except FileChangedError:
        return _conflict(request, form)
    except EdgewrightError as error:
        return _page(request, at, data_request, form, problem=error_text(error), unsaved=True, status=400)
    if wrong:
        count = f"{len(wrong)} events are invalid; nothing is saved." if len(wrong) > 1 else ""
        text = count or "One event is invalid; nothing is saved."
        return _page(request, at, data_request, form, problem=text, wrong=wrong, unsaved=True, status=400)
    kept = {key: data_request.shown[key] for key in ("from", "to", "channels") if key in data_request.shown}
    address = data_request.to(
        "", "", recording=form.recording, first=form.first or "", saved=2 if merged else 1, **kept
    )
    return RedirectResponse(address, 303)


def _conflict(request: Request, form: Form) -> Response:
    """Nothing is overwritten: both versions are shown, and the form holds this one's, to be saved over the other."""
    at, _, data_request = _desk(request)
    if at is None:
        raise LabelsError("labels that can be edited", "others", data_request.origin.name)
    theirs = events(at.file, form.recording)
    now = fresh(at, form.recording, form.first)
    paged = max(len(theirs), len(form.events)) > A_PAGE or form.first > 0
    # On one page of several the places of events may have moved: this one's are shown beside to be put in again.
    shown = now if paged else replace(form, base=now.base, part=now.part, first=0, count=len(theirs))
    other, mine = _told_apart(theirs, form.events)
    return _page(
        request, at, data_request, shown, conflict={"theirs": other, "mine": mine, "paged": paged}, unsaved=not paged,
        status=409,
    )  # fmt: skip


def _told_apart(
    theirs: list[Event], mine: tuple[Event, ...]
) -> tuple[list[tuple[Event, bool]], list[tuple[Event, bool]]]:
    """Return events of both, each with whether the other has it too."""
    keys = [{(e.start, e.end, e.label) for e in listed} for listed in (theirs, mine)]
    return (
        [(e, (e.start, e.end, e.label) in keys[1]) for e in theirs],
        [(e, (e.start, e.end, e.label) in keys[0]) for e in mine],
    )


def _restore(at: LabelFolder, request: DataRequest, name: str, base: str) -> Response:
    """Bring back an earlier version of the whole labels file."""
    content = file_history.content_of(at.past, name)
    if at.file.mark != base:
        raise LabelsError("the labels this page was made from", "others", at.path.name, "Reload the page")
    save(at.path, content, base, at.past)
    return RedirectResponse(request.to("", "", saved=3), 303)


def _form(sent: FormData, at: LabelFolder) -> Form:
    """Return what was sent; a browser ends lines with two characters."""
    fields = []
    number = 0
    while f"label_{number}" in sent and number < 2 * A_PAGE:
        fields.append(_event(sent, str(number), len(at.file.columns)))
        number += 1
    new = _event(sent, "new", len(at.file.columns))
    if (new.start or new.end or new.label) and not text_of(sent, "do").startswith("split:"):
        fields.append(new)
    first, count = (text_of(sent, key) for key in ("first", "count"))
    recording = _recording(at, text_of(sent, "recording"))
    numbers = [int(text) if text.isdecimal() and len(text) < 9 else 0 for text in (first, count)]
    return Form(recording, tuple(fields), numbers[0], numbers[1], text_of(sent, "base"), text_of(sent, "part"))


def _event(sent: FormData, key: str, width: int) -> Event:
    def value(part: str) -> str:
        return text_of(sent, f"new_{part}" if key == "new" else f"{part}_{key}").replace("\r\n", "\n").strip()

    return Event(value("start"), value("end"), value("label"), unpack(value("more"), width))


def _page(
    request: Request, at: LabelFolder, data_request: DataRequest, form: Form, *, notice: str = "", problem: str = "",
    wrong: list[Problem] | None = None, conflict: dict[str, Any] | None = None, unsaved: bool = False,
    status: int = 200,
) -> Response:  # fmt: skip
    """Return the editor of one recording."""
    here = ground_of(at, form.recording)
    rows, columns = len(here.places), len(here.opened.columns)
    pages = -(-columns // CHANNELS)
    page = data_request.number("channels", pages)
    channels = range((page - 1) * CHANNELS, min(page * CHANNELS, columns))
    first, end = view(data_request.shown.get("from", ""), data_request.shown.get("to", ""), rows)
    shown, opened = picture(at, here, form, first, end, channels)
    position = at.names.index(form.recording)
    total = len(events(at.file, form.recording))
    told_at = {(p.event - form.first, p.field): p.message for p in wrong or []}
    elsewhere = [p for p in wrong or [] if not form.first <= p.event < form.first + len(form.events)]
    return render(
        request, "labels.html", status=status, title=f"Labels: {form.recording}", view_request=data_request, form=form,
        label_folder=at, picture=shown, looks=look(opened.classes),
        moves=moves(data_request, shown, recording=form.recording), ground=here, notice=notice, problem=problem,
        wrong=told_at, elsewhere=elsewhere, conflict=conflict, unsaved=unsaved, knots=knots(here, first, end),
        total=total, a_page=A_PAGE, past=file_history.versions(at.past), pack=pack,
        before=at.names[position - 1] if position else "",
        after=at.names[position + 1] if position + 1 < len(at.names) else "", columns_page=page, columns_pages=pages,
        channels=page, last=float(here.places[-1]), regular=bool(np.all(np.diff(here.places[:1000]) >= 0)),
    )  # fmt: skip


PAGE = Page({"/labels/{kind:str}/{place:path}": (_answer, _sent)}, rank=60, role="label")
