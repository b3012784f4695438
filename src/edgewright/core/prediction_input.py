"""Answers to samples as people give them: a list of values, a CSV file, a stream of CSV lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.header import column_name, fields, one_hot
from edgewright.core.csv.rows import Rows, iter_csv, iter_file
from edgewright.core.errors import CsvNumberError, SampleShapeError
from edgewright.core.formatting import MISSING_NUMBERS, is_number
from edgewright.core.input.recordings import RecordingWindower, names_of, parts, times_of
from edgewright.core.input.samples import rows_of
from edgewright.core.prediction.objects import probability
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import Floats
from edgewright.core.records.package import FoundObject, Manifest

Answer = dict[str, Any]
_AS_MISSING = "treat them as missing with --skip-bad-rows"


def answer_values(predictor: Predictor, text: str) -> Iterator[Answer]:
    """Yield the answer to one sample typed as `1,2,,4`; an empty place is a missing value.

    A text column has one place, for one of the texts that the package knows: `M,2,,4`.

    Raises:
        InputError: a place that is no number or no known text, or the wrong number of places.
    """
    manifest = predictor.manifest
    cells = [cell.strip() for cell in text.split(",")]
    names = [column.name for column in manifest.columns]
    places = fields(names)
    rows = math.prod(manifest.shape) // max(1, len(names))
    if len(cells) != rows * len(places):
        shown = ", ".join(f"{name}: {' or '.join(texts)}" if texts else name for name, texts in places.items())
        kind = shown if manifest.window is None else f"{rows} rows of {shown}"
        raise SampleShapeError(f"{rows * len(places)} values ({kind})", f"{len(cells)}", "--values")
    values = np.concatenate([
        _row(cells[start : start + len(places)], start, places, names) for start in range(0, len(cells), len(places))
    ])  # fmt: skip
    if manifest.window is None:
        sample = values[None]
    else:
        # Rows follow one another, as in a CSV file.
        sample = np.ascontiguousarray(values.reshape(manifest.window.samples, len(manifest.columns)).T)[None]
    yield from answered(predictor, sample, [""])


def answer_rows(
    predictor: Predictor, source: Path | TextIO, name: str, report: Callable[[str], None] | None = None
) -> Iterator[Answer]:
    """Answer the rows or windows of CSV as they arrive.

    `place` names the line that a row or window begins at, or with `window.fill_start` the row that a window ends at.

    Args:
        predictor: that answers.
        source: a file or an open stream.
        name: name of the source, for messages.
        report: takes a line about a cell that is no number, or no known text, which then counts as missing; without it
            such a cell is an error.

    Raises:
        InputError: no such columns, too few rows, rows at another rate than in training, or cells that are no numbers,
            all of a file in one error.
    """
    manifest = predictor.manifest
    wanted = [column.name for column in manifest.columns]
    extra, times = (names_of(manifest), times_of(manifest)) if manifest.window is not None else ((), ())
    chosen: dict[str, Any] = {
        "name": name,
        "only_columns": [*wanted, *extra],
        "text_columns": extra,
        "time_columns": times,
    }
    if isinstance(source, Path) and report is None:
        chunks = iter_file(source, **chosen, trained=manifest.columns, leave_out=_AS_MISSING)
    else:
        chunks = iter_csv(source, **chosen, trained=manifest.columns, report=report)
    pieces = _rows(chunks, manifest) if manifest.window is None else _windows(chunks, predictor)
    seen = False
    for samples, places in pieces:
        seen = seen or len(samples) > 0
        for part in parts(samples.shape):
            yield from answered(predictor, samples[part], places[part])
    if not seen and manifest.window is not None:
        raise manifest.window.too_few("none" if manifest.window.fill_start else "fewer", name)


def _rows(chunks: Iterable[Rows], manifest: Manifest) -> Iterator[tuple[NDArray[np.float32], list[str]]]:
    for chunk in chunks:
        yield rows_of(chunk, manifest.columns), [f"line {line}" for line in chunk.lines]


def _windows(chunks: Iterable[Rows], predictor: Predictor) -> Iterator[tuple[NDArray[np.float32], list[str]]]:
    spec = predictor.manifest.window
    if spec is None:
        return
    windower = RecordingWindower(predictor.manifest, spec)
    for chunk in chunks:
        windows = list(windower.push(rows_of(chunk, predictor.manifest.columns), chunk.text, chunk))
        if windows:
            yield np.stack([window for window, _ in windows]), [f"row {row + 1}" for _, row in windows]
    for window, row in windower.finish():
        yield window[None], [f"row {row + 1}"]


def answered(predictor: Predictor, samples: NDArray[np.float32], places: list[str]) -> Iterator[Answer]:
    """Yield an answer a sample, as JSON knows it.

    Args:
        predictor: that answers.
        samples: shape (n, *shape of one).
        places: of each sample, '' for none.
    """
    answers = predictor.predict(samples)
    for index, location in enumerate(places):
        answer: Answer = {"place": location} if location else {}
        absent = bool(answers.missing[index])
        if answers.predictions is None:
            answer["label"] = None if absent else str(answers.labels[index])
            answer["confidence"] = round(float(answers.confidence[index]), 6)
            answer["unsure"] = bool(answers.unsure[index])
            answer["probabilities"] = {
                name: round(float(p), 6)
                for name, p in zip(predictor.manifest.labels, answers.probabilities[index], strict=True)
            }
        elif predictor.anomaly and answers.objects is not None:
            odd = () if absent else answers.objects[index]
            answer["alarm"] = None if absent else bool(odd)
            answer["score"] = None if absent else float(answers.predictions[index])
            answer["odd_places"] = [{"x": point.x, "y": point.y} for point in odd]
        elif answers.objects is not None:
            answer["objects"] = None if absent else [_object(item, predictor) for item in answers.objects[index]]
        else:
            answer["prediction"] = None if absent else float(answers.predictions[index])
            if predictor.interval is not None and answers.interval is not None and not absent:
                low, high = answers.interval[index].tolist()
                answer["interval"] = {"level": predictor.interval.level, "low": low, "high": high}
        if absent:
            answer["missing"] = True
        if answers.out_of_range[index]:
            answer["out_of_range"] = list(answers.out_of_range[index])
        yield answer


def _object(item: FoundObject, predictor: Predictor) -> Answer:
    """Return an object as JSON knows it: its label, its centre in pixels of the sample, its probability."""
    labels = predictor.maps.labels if predictor.maps is not None else ()
    return {"label": labels[item.label], "x": item.x, "y": item.y, "score": round(probability(item.score), 4)}


def _row(cells: list[str], start: int, places: Mapping[str, tuple[str, ...]], names: list[str]) -> Floats:
    """Return one row of numbers in the order of `names`; `start` is the number of the places before it."""
    values: dict[str, float] = {}
    for index, (cell, (name, texts)) in enumerate(zip(cells, places.items(), strict=True), start + 1):
        where = f"--values place {index}, column {name}"
        if texts:
            coded = one_hot(np.array([cell]), texts, lambda row, where=where: where)[0]  # type: ignore[misc]
            values |= {column_name(name, text): number for text, number in zip(texts, coded.tolist(), strict=True)}
        else:
            values[name] = _number(cell, where)
    return np.asarray([values[name] for name in names], np.float32)


def _number(cell: str, where: str) -> float:
    if cell.lower() in MISSING_NUMBERS:
        return float("nan")
    if not is_number(cell):
        raise CsvNumberError("a number", repr(cell), where)
    return float(cell)
