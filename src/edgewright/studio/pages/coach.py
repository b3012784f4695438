"""A pronunciation coach below the studio's folder: a sentence and a recording in, the waveform with its phones out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.schema.coach import Day, Reading
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.frame import form_of, page_of, render, studio_of, text_of, told
from edgewright.studio.pages import Page
from edgewright.studio.paths import below
from edgewright.studio.view.waveform import waveform_svg

_ENDING, _DEPTH = ".coach", 4
# Seconds of a sentence, and samples that are heard at once.
_LONGEST_S, _PIECE = 60, 800
_PARTS = "edgewright.language.pronunciation."


def _part(name: str) -> Any:  # noqa: ANN401 - loaded when a coach is asked: a studio without one starts faster
    return import_module(_PARTS + name)


def _list(request: Request) -> Response:
    root = studio_of(request).folder
    found = sorted(
        path.relative_to(root).as_posix()
        for depth in range(1, _DEPTH)
        for path in root.glob("*/" * (depth - 1) + f"*{_ENDING}")
        if path.is_file() and not path.name.startswith(".")
    )
    return render(request, "coach_list.html", title="Coach", coaches=found)


def _file(request: Request) -> tuple[str, Path]:
    place = str(request.path_params["file"])
    path = below(studio_of(request).folder, place)
    if path.suffix != _ENDING or not path.is_file():
        raise HTTPException(404, "There is no such coach.")
    return place, path


def _log(path: Path) -> Path:
    return path.with_name(f"{path.stem}-log")


def _show(request: Request) -> Response:
    return _page(request)


def _heard(request: Request, form: FormData) -> Response:
    _, path = _file(request)
    text, file = text_of(form, "text").strip(), form.get("file")
    try:
        if not isinstance(file, UploadFile) or not file.filename:
            raise InputError("a WAV file", "none", "", "Choose one")
        rate = _part("speech").RATE
        sound = _part("takes").sound_at_rate(file.file.read(), file.filename)
        if len(sound) > _LONGEST_S * rate:
            raise InputError(f"at most {_LONGEST_S} s of sound", f"{len(sound) / rate:.0f} s", file.filename)
        words, said = _part("prompts").sentence(text)
        reader = _part("reading").Reader(_part("coach").read_coach(path), words, said)
        verdicts = [word for at in range(0, len(sound), _PIECE) for word in reader.push(sound[at : at + _PIECE])]
        verdicts += reader.finish()
        if len(verdicts) < len(words):
            raise InputError(f"a reading of all {len(words)} words", f"{len(verdicts)} of them", file.filename)
        reading = Reading(text=" ".join(words), words=tuple(verdicts))
        if text_of(form, "keep"):
            reading = _part("log").keep(_log(path), reading, np.asarray(sound), datetime.now(UTC).astimezone())
    except EdgewrightError as error:
        return _page(request, text=text, problem=told(error), status=400)
    return _page(request, text=text, reading=reading, picture=waveform_svg(sound, rate, reading.words))


def _page(
    request: Request, *, text: str = "", problem: str = "", reading: Reading | None = None,
    picture: Markup | None = None, status: int = 200,
) -> Response:  # fmt: skip
    place, path = _file(request)
    days: Sequence[Day] = ()
    if (_log(path) / _part("log").FILE).is_file():
        try:
            days = _part("log").days(_part("log").readings(_log(path)))
        except EdgewrightError as error:
            problem = problem or told(error)
    return render(
        request, "coach.html", status=status, title=f"Coach: {path.stem}", place=place, name=path.stem, text=text,
        problem=problem, reading=reading, picture=picture, days=days, log=_log(path).name,
    )  # fmt: skip


PAGE = Page(
    routes=(
        Route("/coach", page_of(_list), methods=["GET"]),
        Route("/coach/{file:path}", page_of(_show), methods=["GET"]),
        Route("/coach/{file:path}", form_of(_heard), methods=["POST"]),
    ),
    tab="Coach",
    rank=29,
    address="/coach",
)
