"""Recordings under way: a page sends what it hears in parts, and any page offers to go on, to keep or to delete it."""

from __future__ import annotations

import io

from starlette.concurrency import run_in_threadpool

from edgewright.core.errors import EdgewrightError, RecordingError
from edgewright.studio.frame import Page, error_text, studio_of, text_of
from edgewright.studio.local_server import FormData, PlainTextResponse, RedirectResponse, Request, Response
from edgewright.studio.paths import keep
from edgewright.studio.recordings import add_part, recording_path, wav_of


def _sound(request: Request) -> Response:
    path = recording_path(studio_of(request).folder, str(request.path_params["name"]))
    return Response(wav_of(path), media_type="audio/wav")


async def _part(request: Request) -> Response:
    given, root, samples = request.query_params, studio_of(request).folder, await request.body()
    at = given.get("at", "")
    position = int(at) if at.isdecimal() and len(at) < 9 else 0
    name, back = str(request.path_params["name"]), given.get("back", "")
    try:
        await run_in_threadpool(add_part, root, name, back, position, samples)
    except EdgewrightError as error:
        return PlainTextResponse(error_text(error), 400)
    return Response(status_code=204)


def _end(request: Request, form: FormData) -> Response:
    """Keep a recording as a file of the studio's data, or delete it."""
    root, do = studio_of(request).folder, text_of(form, "do")
    path = recording_path(root, str(request.path_params["name"]))
    if do not in ("keep", "delete"):
        raise RecordingError("keep or delete", repr(do[:20]), "do")
    address = "/data"
    if do == "keep":
        address = f"/data/at/{keep(root, 'recording.wav', io.BytesIO(wav_of(path)))}"
    path.unlink(missing_ok=True)
    return RedirectResponse(address, 303)


PAGE = Page({"/recording/{name:str}": (_sound, _part), "/recording/{name:str}/end": (None, _end)}, role="label")
