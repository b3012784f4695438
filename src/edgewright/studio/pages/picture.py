"""A picture of a data set as a PNG file, and a window of sound as a WAV file, which other pages show and play."""

from __future__ import annotations

import numpy as np

from edgewright.core.input.pictures import png
from edgewright.core.input.riff import wav_bytes
from edgewright.studio.frame import Page
from edgewright.studio.pages.data import origin_of, shelf
from edgewright.studio.view.data_cache import placed
from edgewright.studio.view.data_sources import DataRequest
from edgewright.studio.view.drawing import has_pictures
from edgewright.studio.view.views import is_sound
from edgewright.studio.web import HTTPException, Request, Response


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


PAGE = Page({"/picture/{kind:str}/{place:path}": (_picture,), "/sound/{kind:str}/{place:path}": (_sound,)})
