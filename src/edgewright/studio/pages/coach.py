"""A pronunciation coach below the studio's folder: a sentence and a recording in, the waveform with its phones out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from edgewright.schema.coach import Day, Reading, WordVerdict
from edgewright.schema.data import Floats
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.frame import Page, error_text, render, studio_of, text_of
from edgewright.studio.paths import below, files_below
from edgewright.studio.recordings import delete_recording
from edgewright.studio.web import FormData, HTTPException, RedirectResponse, Request, Response, UploadFile

_WIDTH, _WAVE, _PHONES, _WORDS = 960.0, 110.0, 22.0, 20.0
_COLUMNS = 480


def waveform_svg(sound: Floats, rate: int, words: Sequence[WordVerdict]) -> Markup:
    """Return a picture of a reading.

    Args:
        sound: shape (samples,).
        rate: samples a second.
        words: with their phones, in seconds of the sound.
    """
    seconds = max(len(sound) / rate, 1e-3)
    height = _WAVE + _PHONES + _WORDS
    parts = "".join((*_wave(sound), *_words(words, _WIDTH / seconds)))
    label = f"Waveform of {seconds:.1f} seconds with {len(words)} words"
    # Words and phones are escaped where they are drawn.
    return Markup('<svg class="waveform" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        f"{_WIDTH:g}",
        f"{height:g}",
        label,
        Markup(parts),  # noqa: S704
    )


def _wave(sound: Floats) -> Iterator[str]:
    """Yield a line a column, from the lowest to the highest sample of it."""
    if not len(sound):
        return
    cuts = np.linspace(0, len(sound), min(_COLUMNS, len(sound)) + 1).astype(np.int64)
    middle, loud = _WAVE / 2, max(float(np.abs(sound).max()), 1e-6)
    scale, step = (middle - 3) / loud, _WIDTH / (len(cuts) - 1)
    low, high = np.minimum.reduceat(sound, cuts[:-1]), np.maximum.reduceat(sound, cuts[:-1])
    path = "".join(
        f"M{(column + 0.5) * step:.1f} {middle - scale * float(top):.1f}V{middle - scale * float(bottom) + 0.5:.1f}"
        for column, (bottom, top) in enumerate(zip(low, high, strict=True))
    )
    yield f'<path d="{path}" stroke="var(--quiet)" stroke-width="1.4" fill="none"/>'


def _words(words: Sequence[WordVerdict], scale: float) -> Iterator[str]:
    for word in words:
        for phone in word.phones:
            x, width = phone.begin_s * scale, (phone.end_s - phone.begin_s) * scale
            colour = "bad" if phone.instead else "good"
            title = (
                f"{phone.phone}, sounds like {phone.instead}" if phone.instead else f"{phone.phone}, as it should be"
            )
            yield (
                f'<rect x="{x:.1f}" y="0" width="{max(width - 1, 1):.1f}" height="{_WAVE + _PHONES:g}" '
                f'fill="var(--{colour})" fill-opacity=".18"><title>{escape(title)}</title></rect>'
                f'<text x="{x + width / 2:.1f}" y="{_WAVE + 15:g}" text-anchor="middle" font-size="11" '
                f'fill="var(--{colour})">{escape(phone.phone)}</text>'
            )
        middle = (word.begin_s + word.end_s) / 2 * scale
        yield (
            f'<text x="{middle:.1f}" y="{_WAVE + _PHONES + 14:g}" text-anchor="middle" font-size="13" '
            f'fill="var(--ink)">{escape(word.word.lower())}</text>'
        )


_ENDING = ".coach"
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,39}", re.ASCII)
# Seconds of a sentence, and samples that are heard at once.
_LONGEST_S, _PIECE = 60, 800
_PARTS = "edgewright.language.pronunciation."


def _part(name: str) -> Any:  # noqa: ANN401 - loaded when a coach is asked: a studio without one starts faster
    return import_module(_PARTS + name)


def _list(request: Request, problem: str = "", *, status: int = 200) -> Response:
    coaches = [location for location, _ in files_below(studio_of(request).folder, f"*{_ENDING}")]
    return render(request, "coach_list.html", status=status, title="Coach", coaches=coaches, problem=problem)


def _train(request: Request, form: FormData) -> Response:
    """Train a coach in a process of its own."""
    studio, name = studio_of(request), text_of(form, "name").strip()
    try:
        folder = below(studio.folder, text_of(form, "recordings").strip().strip("/"))
        if not _NAME.fullmatch(name) or (studio.folder / f"{name}{_ENDING}").exists():
            raise InputError("a new name of letters, digits, - and _", repr(name[:40]), "", "Choose another")
        command = ("coach", "train", "--out", str(studio.folder / f"{name}{_ENDING}"))
        number = studio.jobs.start(["--", str(folder)], name, "/coach", command)
    except HTTPException as error:
        return _list(request, str(error.detail), status=400)
    except EdgewrightError as error:
        return _list(request, error_text(error), status=400)
    return RedirectResponse(f"/started/{number}", 303)


def _file(request: Request) -> tuple[str, Path]:
    location = str(request.path_params["file"])
    path = below(studio_of(request).folder, location)
    if path.suffix != _ENDING or not path.is_file():
        raise HTTPException(404, "There is no such coach.")
    return location, path


def _log(path: Path) -> Path:
    return path.with_name(f"{path.stem}-log")


def _show(request: Request) -> Response:
    return _page(request)


def _listen(request: Request, form: FormData) -> Response:
    _, path = _file(request)
    text, file = text_of(form, "text").strip(), form.get("file")
    try:
        if not isinstance(file, UploadFile) or not file.filename:
            raise InputError("a WAV file", "none", "", "Choose one")
        rate = _part("speech").RATE
        sound = _part("takes").sound_at_rate(file.file.read(), file.filename)
        if len(sound) > _LONGEST_S * rate:
            raise InputError(f"at most {_LONGEST_S} s of sound", f"{len(sound) / rate:.0f} s", file.filename)
        words, phones = _part("takes").sentence(text)
        reader = _part("reading").Reader(_part("coach").read_coach(path), words, phones)
        verdicts = [word for at in range(0, len(sound), _PIECE) for word in reader.push(sound[at : at + _PIECE])]
        verdicts += reader.finish()
        reader.check(file.filename)
        reading = Reading(text=" ".join(words), words=tuple(verdicts))
        if text_of(form, "keep"):
            reading = _part("log").keep(_log(path), reading, np.asarray(sound), datetime.now(UTC).astimezone())
    except EdgewrightError as error:
        return _page(request, text=text, problem=error_text(error), status=400)
    delete_recording(studio_of(request).folder, text_of(form, "recording"))
    return _page(request, text=text, reading=reading, picture=waveform_svg(sound, rate, reading.words))


def _page(
    request: Request, *, text: str = "", problem: str = "", reading: Reading | None = None,
    picture: Markup | None = None, status: int = 200,
) -> Response:  # fmt: skip
    location, path = _file(request)
    days: Sequence[Day] = ()
    if (_log(path) / _part("log").FILE).is_file():
        try:
            days = _part("log").days(_part("log").readings(_log(path)))
        except EdgewrightError as error:
            problem = problem or error_text(error)
    return render(
        request, "coach.html", status=status, title=f"Coach: {path.stem}", location=location, name=path.stem, text=text,
        problem=problem, reading=reading, picture=picture, days=days, log=_log(path).name,
    )  # fmt: skip


PAGE = Page(
    {"/coach": (_list, _train), "/coach/{file:path}": (_show, _listen)},
    tab="Coach",
    rank=29,
    address="/coach",
    role="train",
)
