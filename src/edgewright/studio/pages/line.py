"""Recordings of a serial line or of a CSV file that grows: begun, watched, and kept as a file of the studio's data."""

from __future__ import annotations

import threading
from typing import cast
from urllib.parse import urlencode

from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.frame import Page, error_text, render, studio_of, text_of
from edgewright.studio.paths import keep
from edgewright.studio.view.line_recordings import LineRecordings, ports
from edgewright.studio.web import FormData, HTTPException, RedirectResponse, Request, Response


def line_recordings(request: Request) -> LineRecordings:
    """Return the studio's recordings of lines."""
    studio = studio_of(request)
    return cast(LineRecordings, studio.shared.setdefault("lines", LineRecordings(studio.folder)))


def _form(request: Request, problem: str = "", *, status: int = 200, given: FormData | None = None) -> Response:
    values = {key: text_of(given, key) if given else "" for key in ("source", "baud", "rate")}
    return render(
        request, "line.html", status=status, title="Record", problem=problem, ports=ports(), values=values,
        lines=line_recordings(request).listed(),
    )  # fmt: skip


def _begin(request: Request, form: FormData) -> Response:
    source, baud, rate = (text_of(form, key).strip() for key in ("source", "baud", "rate"))
    try:
        name = line_recordings(request).begin(source, baud, rate)
    except HTTPException:
        gone = InputError("a serial line, or a CSV file below the studio's folder", repr(source[:80]))
        return _form(request, error_text(gone), status=400, given=form)
    except EdgewrightError as error:
        return _form(request, error_text(error), status=400, given=form)
    return RedirectResponse(f"/line/{name}", 303)


def _show(request: Request) -> Response:
    name = str(request.path_params["name"])
    lines = line_recordings(request).listed()
    if name not in lines:
        raise HTTPException(404, "Recording not found.")
    return render(request, "line_going.html", title="Recording", name=name, recording=lines[name])


def _end(request: Request, form: FormData) -> Response:
    """Keep a recording as a file of the studio's data and go on to a label set of it, or delete it."""
    name, lines = str(request.path_params["name"]), line_recordings(request)
    with lines.ending.setdefault(name, threading.Lock()):
        return _ended(request, lines, name, text_of(form, "do"))


def _ended(request: Request, lines: LineRecordings, name: str, do: str) -> Response:
    if name not in lines.listed() or do not in ("keep", "delete"):
        raise HTTPException(404, "Recording not found.")
    recording = lines.listed()[name]
    if do == "keep" and recording is not None and recording.going and not recording.rows:
        raise InputError("rows", "none yet", "the recording", "Wait for its first rows")
    path = lines.end(name)
    address = "/line"
    if do == "keep":
        if not path.is_file():
            raise InputError("rows", "none", "the recording", "Look at its source, and record it again")
        with path.open("rb") as file:
            address = f"/label?{urlencode({'data': keep(studio_of(request).folder, 'recording.csv', file)})}"
    path.unlink(missing_ok=True)
    return RedirectResponse(address, 303)


PAGE = Page({"/line": (_form, _begin), "/line/{name:str}": (_show, _end)})
