"""The views of the data page: each takes opened data and what is asked, and gives what its template needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import EdgewrightError
from edgewright.core.formatting import plural, seconds_text
from edgewright.core.input.riff import channel_names
from edgewright.core.predictor import Predictor, load, package_path
from edgewright.core.records.data import Floats, Samples
from edgewright.data.samples import unit_of
from edgewright.data.targets import class_codes
from edgewright.studio.frame import error_text
from edgewright.studio.view.data_cache import Opened, Windows, lines, placed
from edgewright.studio.view.data_sources import DataRequest
from edgewright.studio.view.drawing import A_PAGE, Picture, draw, gallery, has_pictures, view
from edgewright.studio.view.feature_map import A_PAGE as SPREADS
from edgewright.studio.view.feature_map import Map, chosen, draw_map, spreads, statistics

_SAMPLES, _LISTED = 2000, 30
_ERRORS = "edgewright.language.labelling.audit"


@dataclass(frozen=True)
class Doubt:
    """A label that is likely wrong: the sample's number from 1, its label, and the likelier class."""

    number: int
    label: str
    likelier: str


@dataclass(frozen=True)
class Doubts:
    """What was found, the likeliest first.

    Attributes:
        listed: at most `_LISTED` of `count`.
        looked_at: samples.
        why: why none could be looked for; empty where they were.
        cannot: what this way does not find.
    """

    listed: tuple[Doubt, ...] = ()
    count: int = 0
    looked_at: int = 0
    why: str = ""
    cannot: str = ""


def doubts(opened: Opened, samples: Samples) -> Doubts:
    """Return labels that heads which saw nobody of the same group would not give."""
    if not opened.classes:
        return Doubts(why="these data have no classes")
    picked = chosen(np.asarray(samples.y), _SAMPLES)
    codes = class_codes(samples.y[picked], opened.classes)
    known = codes >= 0
    picked, codes = picked[known], codes[known]
    features = _standardised(statistics(np.ascontiguousarray(samples.X[picked], np.float32))[0])
    groups = None if samples.groups is None else np.unique(samples.groups[picked], return_inverse=True)[1]
    try:
        errors = import_module(_ERRORS)
        errors_found = errors.likely_errors(
            features, codes, groups if groups is not None and groups.max() > 0 else None
        )
    except ModuleNotFoundError as error:
        return Doubts(why=f"{error.name} is not installed: pip install 'edgewright[language]'")
    except EdgewrightError as error:
        return Doubts(why=str(error))
    listed = tuple(
        Doubt(int(picked[doubt.index]) + 1, opened.classes[doubt.given], opened.classes[doubt.likelier])
        for doubt in errors_found[:_LISTED]
    )
    return Doubts(listed, len(errors_found), len(picked), cannot=errors.CANNOT)


def _standardised(features: Floats) -> Floats:
    """Return features of mean 0 and deviation 1; a missing one is the mean, one that never changes is 0."""
    with np.errstate(all="ignore"):
        count = np.maximum(np.isfinite(features).sum(axis=0), 1)
        mean = np.where(np.isfinite(features), features, 0).sum(axis=0) / count
        centred = np.where(np.isfinite(features), features - mean, 0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.asarray(centred / np.where(spread > 0, spread, 1), np.float32)


Context = dict[str, Any]
A_LIST = 100
# Rows beside a window that are drawn with it, as a share of the window.
_AROUND = 0.5
# Fewer samples a second are no rate of sound for browsers.
_SLOWEST_HZ = 3000.0


def recordings(opened: Opened, request: DataRequest) -> Context:
    """Return the list of recordings."""
    listed = opened.once("lines", lambda: lines(opened))
    pages = max(1, -(-len(listed) // A_LIST))
    page = request.number("page", pages)
    return {"lines": listed[(page - 1) * A_LIST : page * A_LIST], "pages": pages, "page": page}


def moves(request: DataRequest, picture: Picture, **kept: object) -> dict[str, str]:
    """Addresses of what lies left and right, closer and wider; empty where there is nothing."""
    rows, first, end = picture.rows, picture.first, picture.end
    span = end - first

    def at(begin: float, size: float) -> str:
        size = min(rows, max(8, round(size)))
        begin = min(max(0, round(begin)), rows - size)
        if (begin, begin + size) == (first, end):
            return ""
        return request.to("", "", **kept, **{"from": begin, "to": begin + size})

    return {
        "whole": request.to("", "", **kept) if span < rows else "",
        "closer": at(first + span / 4, span / 2) if span > 8 else "",
        "wider": at(first - span / 2, span * 2) if span < rows else "",
        "left": at(first - span / 2, span) if first else "",
        "right": at(first + span / 2, span) if end < rows else "",
    }


def channels_of(opened: Opened, request: DataRequest) -> tuple[list[int], int, int]:
    """Return columns that are drawn, the page of columns, and how many pages."""
    count = len(opened.dataset.columns)
    pages = -(-count // A_PAGE)
    page = request.number("channels", pages)
    return list(range((page - 1) * A_PAGE, min(page * A_PAGE, count))), page, pages


def signal(opened: Opened, request: DataRequest) -> Context:
    """One recording."""
    count = len(opened.dataset.recordings)
    number = request.number("recording", count)
    recording = opened.dataset.recordings[number - 1]
    columns, page, pages = channels_of(opened, request)
    # Rows as samples have no borders to be drawn, and a million of them take a second to be put together.
    _, where, why = placed(opened) if opened.window() is not None else (None, None, "")
    first, end = view(request.shown.get("from", ""), request.shown.get("to", ""), len(recording.values))
    picture = draw(opened, number - 1, first, end, channels=columns, windows=where)
    kept = {"view": "signal", "recording": number, "channels": page if page > 1 else ""}
    return {
        "number": number, "recording": recording, "count": count, "picture": picture, "columns_page": page,
        "columns_pages": pages, "moves": moves(request, picture, **kept), "kept": kept,
        "no_windows": why, "names": [r.name for r in opened.dataset.recordings],
        "window": opened.window(), "window_address": lambda n: request.to("", "signal", view="map", sample=n),
    }  # fmt: skip


def spread(opened: Opened, request: DataRequest) -> Context:
    """How values are spread."""
    pages = -(-len(opened.dataset.columns) // SPREADS)
    page = request.number("channels", pages)
    shown, step = opened.once(("spread", page), lambda: spreads(opened, (page - 1) * SPREADS))
    return {"spreads": shown, "step": step, "columns_page": page, "columns_pages": pages}


def feature_map(opened: Opened, request: DataRequest) -> Context:
    """Return the map, and the signal of the window that was clicked."""
    samples, where, why = placed(opened)
    if samples is None or where is None:
        return {"map": None, "why": why}
    plane: Map = opened.once("map", lambda: draw_map(opened, samples))
    answers, answers_why = opened.once("answers", lambda: _answers(opened, samples, plane))
    numbers = [point.number for point in plane.points]
    chosen = request.number("sample", len(samples.X), 0)
    context: Context = {
        "map": plane, "answers": answers, "answers_why": answers_why, "chosen": chosen, "window": opened.window(),
        "wrong": sum(1 for p in plane.points if p.number in answers and answers[p.number][0] != p.label),
        "unit": unit_of(samples.X), "every": opened.every,
        "changed": _changed(opened, samples), "one": None,
        "doubts": opened.once("doubts", lambda: doubts(opened, samples)) if request.shown.get("errors") else None,
    }  # fmt: skip
    if chosen:
        index = int(np.searchsorted(numbers, chosen))
        context["before"] = numbers[index - 1] if index else 0
        after = index + (index < len(numbers) and numbers[index] == chosen)
        context["after"] = numbers[after] if after < len(numbers) else 0
        context["one"] = one_window(opened, request, samples, where, chosen, answers)
    return context


def is_sound(opened: Opened) -> bool:
    """Return whether these are recordings of sound, at a rate that browsers play."""
    columns = tuple(column.name for column in opened.dataset.columns)
    return columns == channel_names(len(columns)) and (opened.dataset.rate or 0.0) >= _SLOWEST_HZ


def one_window(
    opened: Opened,
    request: DataRequest,
    samples: Samples,
    where: Windows,
    number: int,
    answers: dict[int, tuple[str, float]],
) -> Context:
    """Return the signal of a sample with what is known of it."""
    index, row = int(where.recording[number - 1]), int(where.row[number - 1])
    if index < 0:
        return {}
    recording, picture = opened.dataset.recordings[index], has_pictures(opened)
    around = round(where.length * _AROUND) if where.length > 1 else 50
    begin, behind = max(0, row), row + where.length
    first, end = max(0, row - around), min(len(recording.values), behind + around)
    columns, _, _ = channels_of(opened, request)
    span = max(1, end - first)
    answer = answers.get(number) or next(iter(_answer(opened, samples, [number]).values()), None)
    known = opened.origin.run is not None and opened.every == 1
    return {
        "number": number, "recording": recording.name, "place": index + 1, "first": begin, "end": behind,
        "from": first, "to": end, "label": str(samples.y[number - 1]), "answer": answer,
        "picture": None if picture else draw(opened, index, first, end, channels=columns),
        "image": request.to("picture", sample=number) if picture else "",
        "group": "" if samples.groups is None else str(samples.groups[number - 1]),
        "mark": (round(100 * (begin - first) / span, 3), round(100 * (behind - begin) / span, 3)),
        "seconds": round((behind - begin) / opened.dataset.rate, 6) if opened.dataset.rate else 0,
        "sound": request.to("sound", sample=number) if where.length > 1 and is_sound(opened) else "",
        "explain": number if known and not _changed(opened, samples) else 0,
        "values": list(zip(samples.columns, samples.X[number - 1], strict=True)) if samples.X.ndim == 2 else [],
    }  # fmt: skip


def _changed(opened: Opened, samples: Samples) -> bool:
    """Return whether these are other samples than those of the run."""
    text = opened.origin.sha256
    return (
        bool(text)
        and opened.every == 1
        and opened.once("sha256", lambda: import_module("edgewright.pipeline.material").sha256(samples)) != text
    )


def _answers(opened: Opened, samples: Samples, plane: Map) -> tuple[dict[int, tuple[str, float]], str]:
    """Return what the run's package answers to the samples on the map, or why it does not."""
    if opened.origin.run is None or not opened.classes:
        return {}, ""
    try:
        return _answer(opened, samples, [point.number for point in plane.points]), ""
    except EdgewrightError as error:
        return {}, str(error)


def _answer(opened: Opened, samples: Samples, numbers: list[int]) -> dict[int, tuple[str, float]]:
    if opened.origin.run is None or not opened.classes:
        return {}
    try:
        prediction = predictor(opened.origin.run).predict(
            np.ascontiguousarray(samples.X[[n - 1 for n in numbers]], np.float32)
        )
    except EdgewrightError:
        if len(numbers) == 1:
            return {}
        raise
    return {
        n: (label or "no answer", confidence)
        for n, label, confidence in zip(
            numbers, prediction.labels.tolist(), prediction.confidence.tolist(), strict=True
        )
    }


@dataclass(frozen=True)
class View:
    """A view: its word in the navigation, its template, what the template needs, and the data that it can show."""

    word: str
    template: str
    context: Callable[[Opened, DataRequest], Context]
    suits: Callable[[Opened], bool] = lambda opened: True


def _of_sensors(opened: Opened) -> bool:
    return not has_pictures(opened)


VIEWS = {
    "recordings": View("Recordings", "data_recordings.html", recordings),
    "signal": View("Signal", "data_signal.html", signal, _of_sensors),
    "spread": View("Distributions", "data_spread.html", spread, _of_sensors),
    "pictures": View("Pictures", "data_pictures.html", gallery, has_pictures),
    "map": View("Map", "data_map.html", feature_map),
}


def views_of(opened: Opened) -> dict[str, View]:
    """Return the views of these data by their names in addresses."""
    return {name: view for name, view in VIEWS.items() if view.suits(opened)}


def summary(opened: Opened) -> str:
    """Return the data set in one line."""
    dataset = opened.dataset
    rows = sum(len(r.values) for r in dataset.recordings)
    lines = [plural(len(dataset.recordings), "recording"), plural(rows, "row"), plural(len(dataset.columns), "channel")]
    if dataset.rate:
        rate = dataset.rate
        lines.append(f"{rate:g} samples a second" if rate > 1 else f"a sample every {seconds_text(1 / rate)}")
    if opened.classes:
        lines.append(plural(len(opened.classes), "class", "classes"))
    return ", ".join(lines)


def predictor(folder: Path) -> Predictor:
    """Return what answers for a run, kept open for the latest few.

    Raises:
        InputError: the run has no package.
        CheckFailedError: the package gives other answers here.
    """
    path = package_path(folder)
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(6)
def _opened(path: Path, changed: int) -> Predictor:
    return load(path)


def predictor_or_reason(folder: Path) -> tuple[Predictor | None, str]:
    """Return what answers for a run, or None and the sentence that says why nothing does."""
    try:
        return predictor(folder), ""
    except EdgewrightError as error:
        return None, error_text(error)
