"""A run's package tried on live rows: of the browser's motion sensors, of a CSV file, or of one that grows."""

from __future__ import annotations

import io
import os
import re
from typing import Any

from edgewright.core.errors import EdgewrightError, StudioRequestError
from edgewright.core.input.pictures import takes_pictures
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.studio.frame import Page, error_text, render, run_of, studio_of, text_of
from edgewright.studio.local_server import FormData, JSONResponse, Request, Response
from edgewright.studio.pages.predict import row_fields
from edgewright.studio.paths import below
from edgewright.studio.view.views import predictor, predictor_or_reason

# Bytes of a file that grows which are sent at once.
_PIECE = 262_144
# Names of columns that motion sensors may give, and the rate from which one channel is sound.
_MOTION, _SOUND_HZ = re.compile(r"acc|gyr|rot|^a?[xyz]$", re.IGNORECASE), 4000
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
_FILLED = "The live test does not support window.fill_start. Predict a file instead."


def _page(request: Request) -> Response:
    location, folder, trace = run_of(request)
    opened, missing = predictor_or_reason(folder)
    if opened is not None and _fills_start(opened):
        opened, missing = None, _FILLED
    return render(
        request, "live_test.html", title=f"Live test: {trace.name}", location=location, name=trace.name, opened=opened,
        missing=missing,
        pictures=opened is not None and takes_pictures(opened.manifest), sensors=SENSORS, port=studio_of(request).port,
        **_inputs(opened),
    )  # fmt: skip


def _inputs(opened: Predictor | None) -> dict[str, Any]:
    """Return which inputs fit a model: motion sensors, the microphone, or the fields of a row with usual values."""
    if opened is None:
        return {"motion": False, "sound": False, "columns": [], "values": [], "typical": {}}
    manifest = opened.manifest
    columns, typical = row_fields(manifest.columns), {column.name: column for column in manifest.reference}
    rate = (manifest.window.rate or 0.0) if manifest.window else 0.0
    values = [f"{typical[c.name].mean:.4g}" if c.name in typical and not texts else "" for c, texts in columns]
    return {
        "motion": any(_MOTION.search(column.name) for column in manifest.columns),
        "sound": len(manifest.columns) == 1 and rate >= _SOUND_HZ, "columns": columns, "values": values,
        "typical": typical,
    }  # fmt: skip


def _fills_start(opened: Predictor) -> bool:
    window = opened.manifest.window
    return window is not None and window.fill_start


def _answer(request: Request, form: FormData) -> Response:
    """Answer the windows of some rows, as `edgewright predict` does; the page cuts the stream so that none is lost."""
    _, folder, _ = run_of(request)
    try:
        opened = predictor(folder)
        if _fills_start(opened):
            raise StudioRequestError("windows without copies", "window.fill_start", folder.name, "Predict a file")
        answers = list(answer_rows(opened, io.StringIO(text_of(form, "rows"), newline=""), "the rows"))
    except EdgewrightError as error:
        return JSONResponse({"problem": error_text(error)}, 400)
    return JSONResponse({"answers": answers})


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


PAGE = Page({"/live-rows/{file:path}": (_rows,), "/live-test/{run:path}": (_page, _answer)}, rank=94, role="view")
