"""Data: recordings with windows and labels, how values are spread, a map of what is alike, and pictures and sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from edgewright.core.errors import EdgewrightError
from edgewright.core.input.pictures import png
from edgewright.core.input.riff import wav_bytes
from edgewright.data.contract import SINGLE_FILES
from edgewright.data.sources.folder import reader_of
from edgewright.studio.frame import Page, error_text, render, studio_of
from edgewright.studio.local_server import HTTPException, RedirectResponse, Request, Response
from edgewright.studio.paths import RECORD, below
from edgewright.studio.view.data_cache import Shelf, placed
from edgewright.studio.view.data_sources import KEYS, DataRequest, Origin, at_path, editable, of_run
from edgewright.studio.view.drawing import COLOURS, SHAPES, has_pictures
from edgewright.studio.view.views import is_sound, summary, views_of


def _sound(request: Request) -> Response:
    """Return the samples that the window has in its recording; those beyond its end are no sound.

    Raises:
        HTTPException: there is no such window, or the data are no sound.
    """
    origin = origin_of(request)
    opened = shelf(request).open(origin)
    samples, where, _ = placed(opened)
    if samples is None or where is None or not is_sound(opened):
        raise HTTPException(404, "These data have no windows of sound.")
    number = DataRequest("sound", origin, request.query_params).number("sample", len(samples.X), 0)
    recording = int(where.recording[number - 1]) if number else -1
    if recording < 0:
        raise HTTPException(404, "There is no such window.")
    row = int(where.row[number - 1])
    values = opened.dataset.recordings[recording].values[max(0, row) : row + where.length]
    content = wav_bytes(np.nan_to_num(values), round(opened.dataset.rate or 0.0))
    return Response(content, media_type="audio/wav")


def _picture(request: Request) -> Response:
    """Return the picture.

    Raises:
        HTTPException: there is no such picture, or the data are none.
    """
    origin = origin_of(request)
    opened = shelf(request).open(origin)
    samples, _ = opened.samples()
    if samples is None or not has_pictures(opened):
        raise HTTPException(404, "These data have no pictures.")
    number = DataRequest("picture", origin, request.query_params).number("sample", len(samples.X), 0)
    if not number:
        raise HTTPException(404, "There is no such picture.")
    return Response(png(np.asarray(samples.X[number - 1])), media_type="image/png")


MOST_ENTRIES = 500
_RUNS = 40


def shelf(request: Request) -> Shelf:
    """Return the studio's opened data."""
    return cast(Shelf, studio_of(request).shared.setdefault("data", Shelf()))


def origin_of(request: Request) -> Origin:
    """Return the data that an address names.

    Raises:
        HTTPException: they are not there.
        InputError: they cannot be read as asked.
    """
    root, location = studio_of(request).folder, str(request.path_params["place"]).strip("/")
    if request.path_params["kind"] == "run":
        return of_run(root, location)
    if request.path_params["kind"] != "at":
        raise HTTPException(404, "Page not found.")
    return at_path(root, location, request.query_params)


def look(classes: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Every class with the numbers of its colour and its shape."""
    return [(name, i % COLOURS, i % SHAPES) for i, name in enumerate(classes)]


def _index(request: Request) -> Response:
    """Return what can be opened: data of runs, and files and folders below the studio's folder."""
    studio = studio_of(request)
    location = request.query_params.get("in", "").strip("/")
    folder = below(studio.folder, location) if location else studio.folder
    if not folder.is_dir():
        return RedirectResponse(f"/data/at/{studio.templates.filters['path'](location)}", 303)
    folders, files, more = entries(folder)
    runs = sorted(studio.runs.finished(), key=lambda run: run.started, reverse=True)
    return render(
        request, "data_index.html", title="Data", location=location, folders=folders, files=files, more=more,
        up=location.rpartition("/")[0] if location else None, runs=runs[:_RUNS], total=len(runs),
    )  # fmt: skip


def entries(folder: Path) -> tuple[list[str], list[str], bool]:
    """Return folders and readable files in a folder, no links, no runs; and whether there are more than are listed."""
    folders, files = [], []
    for path in sorted(folder.iterdir(), key=lambda p: p.name.lower()):
        try:
            path.name.encode()
        except UnicodeEncodeError:
            continue
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir() and not (path / RECORD).exists():
            folders.append(path.name)
        elif path.is_file() and reader_of(path.name) and path.suffix.lower() not in SINGLE_FILES:
            files.append(path.name)
    return folders[:MOST_ENTRIES], files[:MOST_ENTRIES], max(len(folders), len(files)) > MOST_ENTRIES


def _answer(request: Request) -> Response:
    context: dict[str, Any] = {}
    try:
        origin = origin_of(request)
        data_request = DataRequest("data", origin, request.query_params)
        opened = shelf(request).open(origin)
        views = views_of(opened)
        chosen = data_request.shown.get("view", "")
        chosen = chosen if chosen in views else "recordings"
        context = views[chosen].context(opened, data_request)
    except EdgewrightError as error:
        return _mistaken(request, error)
    config, why = editable(origin, studio_of(request).folder)
    return render(
        request, views[chosen].template, title=f"Data: {origin.name}", view_request=data_request, opened=opened,
        views=views, here_view=chosen, looks=look(opened.classes), summary=summary(opened), why_not=why,
        may_edit=config is not None,
        origin_keys=KEYS, options=dict(origin.options), **context,
    )  # fmt: skip


def _mistaken(request: Request, error: EdgewrightError) -> Response:
    """Return data that cannot be read as asked: the sentence, and how reading is changed."""
    location, kind = str(request.path_params["place"]).strip("/"), str(request.path_params["kind"])
    record = {key: request.query_params.get(key, "") for key in (*KEYS, "window", "step")}
    return render(
        request, "data_mistaken.html", status=400, title=f"Data: {location}", message=error_text(error),
        location=location, kind=kind, options=record, origin_keys=KEYS,
    )  # fmt: skip


PAGE = Page(
    {
        "/data": (_index,),
        "/data/{kind:str}/{place:path}": (_answer,),
        "/picture/{kind:str}/{place:path}": (_picture,),
        "/sound/{kind:str}/{place:path}": (_sound,),
    },
    tab="Data",
    rank=25,
    address="/data",
)
