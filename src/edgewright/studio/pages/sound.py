"""A window of a sound recording as a WAV file, which the page of the window plays."""

from __future__ import annotations

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.core.riff import wav_bytes
from edgewright.studio.frame import page_of
from edgewright.studio.pages import Page
from edgewright.studio.pages.data import origin_of, shelf
from edgewright.studio.view.data_sources import DataRequest
from edgewright.studio.view.segments import placed
from edgewright.studio.view.views import is_sound


def _answer(request: Request) -> Response:
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
    place = int(where.recording[number - 1]) if number else -1
    if place < 0:
        raise HTTPException(404, "There is no such window.")
    row = int(where.row[number - 1])
    values = opened.dataset.recordings[place].values[max(0, row) : row + where.length]
    content = wav_bytes(np.nan_to_num(values), round(opened.dataset.rate or 0.0))
    return Response(content, media_type="audio/wav")


PAGE = Page(routes=(Route("/sound/{kind:str}/{place:path}", page_of(_answer), methods=["GET"]),))
