"""A run's package tried on live rows: of the browser's motion sensors, of a CSV file, or of one that grows."""

from __future__ import annotations

import io
import os

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgewright.core.pictures import takes_pictures
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.frame import form_of, page_of, render, run_of, studio_of, text_of, told
from edgewright.studio.pages import Page
from edgewright.studio.pages.predict import predictor, predictor_or_reason
from edgewright.studio.paths import below

# Bytes of a file that grows which are sent at once.
_PIECE = 262_144
# What a browser's DeviceMotionEvent gives: value of the choice -> words.
SENSORS = {
    f"{part}.{axis}": f"{word} {axis}, {unit}"
    for part, axes, word, unit in (
        ("accelerationIncludingGravity", "xyz", "acceleration with gravity", "m/s²"),
        ("acceleration", "xyz", "acceleration without gravity", "m/s²"),
        ("rotationRate", ("alpha", "beta", "gamma"), "rotation rate", "°/s"),
    )
    for axis in axes
}


# The page sends a stream in pieces, each of which would be filled again.
_FILLED = "The live test does not support window.fill_start. Use: edgewright predict -"


def _page(request: Request) -> Response:
    location, folder, trace = run_of(request)
    opened, missing = predictor_or_reason(folder)
    if opened is not None and _fills_start(opened):
        opened, missing = None, _FILLED
    return render(
        request, "live_test.html", title=f"Live test: {trace.name}", place=location, name=trace.name, opened=opened,
        missing=missing,
        pictures=opened is not None and takes_pictures(opened.manifest),
        sensors=SENSORS, port=studio_of(request).port,
    )  # fmt: skip


def _fills_start(opened: Predictor) -> bool:
    window = opened.manifest.window
    return window is not None and window.fill_start


def _answer(request: Request, form: FormData) -> Response:
    """Answer the windows of some rows, as `edgewright predict` does; the page cuts the stream so that none is lost."""
    _, folder, _ = run_of(request)
    try:
        opened = predictor(folder)
        if _fills_start(opened):
            raise InputError("windows without copies", "window.fill_start", folder.name, "Use: edgewright predict -")
        found = list(answer_rows(opened, io.StringIO(text_of(form, "rows"), newline=""), "the rows"))
    except EdgewrightError as error:
        return JSONResponse({"problem": told(error)}, 400)
    return JSONResponse({"answers": found})


def _rows(request: Request) -> Response:
    """Return the whole lines of a CSV file from a byte on, and where the next ones begin; the page asks again."""
    location, begin = str(request.path_params["file"]), request.query_params.get("from", "0")
    path = below(studio_of(request).folder, location)
    if path.suffix.lower() != ".csv" or not path.is_file() or not begin.isdecimal() or len(begin) > 15:
        return JSONResponse({"problem": f"Expected a CSV file below the studio's folder, got {location}."}, 400)
    with path.open("rb") as file:
        if int(begin) > file.seek(0, os.SEEK_END):
            return JSONResponse({"problem": f"{location} became shorter while it was followed."}, 400)
        file.seek(int(begin))
        piece = file.read(_PIECE)
    whole = piece[: piece.rfind(b"\n") + 1]
    return JSONResponse({"text": whole.decode("utf-8-sig", "replace"), "next": int(begin) + len(whole)})


PAGE = Page(
    routes=(
        Route("/live-rows/{file:path}", page_of(_rows), methods=["GET"]),
        Route("/live-test/{run:path}", page_of(_page), methods=["GET"]),
        Route("/live-test/{run:path}", form_of(_answer), methods=["POST"]),
    ),
    rank=94,
)
