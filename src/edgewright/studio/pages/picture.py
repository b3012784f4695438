"""A picture of a data set as a PNG file, which the pages of these data show."""

from __future__ import annotations

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.core.pictures import png
from edgewright.studio.frame import page_of
from edgewright.studio.pages import Page
from edgewright.studio.pages.data import origin_of, shelf
from edgewright.studio.view.data_sources import DataRequest
from edgewright.studio.view.pictures import has_pictures


def _answer(request: Request) -> Response:
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


PAGE = Page(routes=(Route("/picture/{kind:str}/{place:path}", page_of(_answer), methods=["GET"]),))
