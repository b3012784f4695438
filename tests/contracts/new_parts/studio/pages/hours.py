"""The hour on this machine."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from edgewright.studio.frame import Page


def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(time.strftime("%H"))


PAGE = Page({"/hours": (_answer,)}, tab="Hour", rank=90, address="/hours")
