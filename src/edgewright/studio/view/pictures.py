"""Pictures of a data set: a page of them with their labels, and one as a PNG file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from edgewright.core.pictures import png
from edgewright.data.samples import unit_of
from edgewright.schema.data import Floats
from edgewright.studio.view.data_cache import Opened
from edgewright.studio.view.data_sources import DataRequest
from edgewright.studio.view.segments import placed

A_PAGE, _SOME = 60, 24


def has_pictures(opened: Opened) -> bool:
    """Return whether the rows of these data are pictures."""
    return unit_of(opened.dataset.recordings[0].values) == "picture"


def gallery(opened: Opened, request: DataRequest) -> dict[str, Any]:
    """Return a page of pictures, those of one recording where it is asked for."""
    samples, where, why = placed(opened)
    if samples is None or where is None:
        return {"pictures": [], "why": why, "page": 1, "pages": 1, "recording": 0}
    recording = request.number("recording", len(opened.dataset.recordings), 0)
    numbers = np.flatnonzero((where.recording == recording - 1) | (recording == 0)) + 1
    pages = max(1, -(-len(numbers) // A_PAGE))
    page = request.number("page", pages)
    shown = numbers[(page - 1) * A_PAGE : page * A_PAGE].tolist()
    return {
        "pictures": [(n, str(samples.y[n - 1]), request.to("picture", sample=n)) for n in shown],
        "why": "", "page": page, "pages": pages, "recording": recording,
    }  # fmt: skip


def some_pictures(opened: Opened, request: DataRequest) -> list[tuple[int, str, str]]:
    """Return number, label and address of some pictures, drawn evenly, so that every label has its share."""
    samples, _ = opened.samples()
    if samples is None:
        return []
    count = len(samples.y)
    numbers = np.unique(np.linspace(1, count, min(count, _SOME)).astype(np.int64)).tolist()
    return [(n, str(samples.y[n - 1]), request.to("picture", sample=n)) for n in numbers]


def marked_png(picture: Floats, marks: Sequence[tuple[float, float]] = ()) -> bytes:
    """Return a picture as a PNG file.

    Args:
        picture: shape (1 or 3, height, width), 0 to 255.
        marks: x and y of places, in pixels, that get a ring.
    """

    def ringed(image: Image.Image) -> Image.Image:
        image = image.convert("RGB") if marks else image
        radius, pen = max(image.size) / 16, ImageDraw.Draw(image)
        for x, y in marks:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline="red", width=2)
        return image

    return png(picture, ringed)


def inline_png(picture: Floats, marks: Sequence[tuple[float, float]] = ()) -> str:
    """Return a picture as an address that holds all of it; arguments as of `marked_png`."""
    return f"data:image/png;base64,{base64.b64encode(marked_png(picture, marks)).decode()}"
