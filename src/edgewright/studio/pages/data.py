"""Data: recordings with their windows and labels, how values are spread, and a map of what is alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from edgewright.data.contract import SINGLE_FILES
from edgewright.data.sources.folder import reader_of
from edgewright.schema.errors import EdgewrightError
from edgewright.studio.frame import Page, error_text, render, studio_of
from edgewright.studio.paths import RECORD, below
from edgewright.studio.view.data_cache import Shelf
from edgewright.studio.view.data_sources import KEYS, DataRequest, Origin, at_path, editable, of_run
from edgewright.studio.view.drawing import COLOURS, SHAPES
from edgewright.studio.view.views import summary, views_of
from edgewright.studio.web import HTTPException, RedirectResponse, Request, Response

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


PAGE = Page({"/data": (_index,), "/data/{kind:str}/{place:path}": (_answer,)}, tab="Data", rank=25, address="/data")
