"""Answers of a run's package: to one row typed in, to a CSV file, and any of them explained layer by layer."""

from __future__ import annotations

import io
import itertools
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from edgewright.core.csv.header import fields
from edgewright.core.errors import EdgewrightError, StudioRequestError, TextEncodingError
from edgewright.core.input.pictures import fit_of, pixels, takes_pictures
from edgewright.core.prediction_input import answer_rows, answer_values, answered
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import Column
from edgewright.studio.frame import Page, error_text, render, run_of, text_of
from edgewright.studio.local_server import FormData, Request, Response, UploadFile
from edgewright.studio.view.drawing import inline_png
from edgewright.studio.view.views import predictor, predictor_or_reason
from edgewright.trace.html import blocks_html

SHOWN = 200


def _answer(request: Request) -> Response:
    row = request.query_params.get("row", "")
    return _page(request, row=row, explained=_explained_row(request, row) if row else None)


def _explained_row(request: Request, row: str) -> tuple[str, Markup, str]:
    """Title, body and problem of an explained sample of the run's own data."""
    _, folder, _ = run_of(request)
    try:
        if not row.isdecimal() or len(row) > 12 or int(row) < 1:
            raise StudioRequestError("the number of a row, from 1", repr(row[:20]), "row")
        record = import_module("edgewright.pipeline.explanation.explained_prediction").explain_row(folder, int(row))
    except EdgewrightError as error:
        return "", Markup(), error_text(error)
    return record.origin, _explanation(record), ""


def _explanation(record: Any) -> Markup:  # noqa: ANN401 - loaded late
    return blocks_html(import_module("edgewright.pipeline.explanation.explain").explained_blocks(record), level=3)


def _sent(request: Request, form: FormData) -> Response:
    _, folder, _ = run_of(request)
    file, kind = form.get("file"), text_of(form, "ask")
    values: list[str] = []
    try:
        opened = predictor(folder)
        manifest = opened.manifest
        names = fields(column.name for column in manifest.columns)
        values = [text_of(form, f"v{i}").strip() for i in range(len(names))]
        if kind == "pictures":
            return _page(request, answers=_picture_answers(opened, form.getlist("file")), file="Pictures")
        if kind in ("file", "explain-file"):
            if not isinstance(file, UploadFile) or not file.filename:
                raise StudioRequestError("a CSV file", "none", "", "Choose one")
            content = file.file.read()
            if kind == "explain-file":
                return _page(request, explained=_explained_csv(folder, content, file.filename))
            return _page(request, answers=_file_answers(opened, content, file.filename), file=file.filename)
        if kind == "explain":
            header = ",".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names)
            _checked(opened, values)
            content = f"{header}\n{','.join(values)}\n".encode()
            return _page(request, values=values, explained=_explained_csv(folder, content, "the row typed in"))
        return _page(request, values=values, answers=(_checked(opened, values), 1))
    except EdgewrightError as error:
        return _page(request, values=values, problem=error_text(error), status=400)


def row_fields(columns: Sequence[Column]) -> list[tuple[Column, tuple[str, ...]]]:
    """Return what is filled in: a column of numbers, or one of text with the texts to choose from."""
    known = {column.name: column for column in columns}
    return [(known.get(name, Column(name=name)), texts) for name, texts in fields(known).items()]


def _checked(opened: Predictor, values: list[str]) -> list[dict[str, Any]]:
    """Return the answer to one row; a comma inside a value is no separator here."""
    names = fields(column.name for column in opened.manifest.columns)
    for name, value in zip(names, values, strict=True):
        if "," in value:
            raise StudioRequestError("a number with a point", repr(value[:40]), f"column {name}")
    return list(answer_values(opened, ",".join(values)))


def _file_answers(opened: Predictor, content: bytes, name: str) -> tuple[list[dict[str, Any]], int]:
    """Return the first answers to a file, and of how many."""
    try:
        stream = io.StringIO(content.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise TextEncodingError("text in UTF-8", f"byte {error.object[error.start]:#x}", name) from None
    answers = answer_rows(opened, stream, name)
    shown = list(itertools.islice(answers, SHOWN))
    return shown, len(shown) + sum(1 for _ in answers)


def _picture_answers(opened: Predictor, files: Sequence[UploadFile | str]) -> tuple[list[dict[str, Any]], int]:
    """Return the answers to picture files, each with the picture as the model sees it, and how many they are."""
    given = [file for file in files if isinstance(file, UploadFile) and file.filename]
    if not given:
        raise StudioRequestError("picture files", "none", "", "Choose one or more")
    manifest = opened.manifest
    colour, size = len(manifest.columns) == 3, (manifest.shape[1], manifest.shape[2])
    names = [str(file.filename) for file in given]
    pictures = np.stack([
        pixels(file.file.read(), name, size, colour=colour, fit=fit_of(manifest))
        for file, name in zip(given, names, strict=True)
    ]).astype(np.float32)  # fmt: skip
    answers = list(answered(opened, pictures, names))
    for picture, answer in zip(pictures, answers, strict=True):
        objects = answer.get("objects") or answer.get("odd_places") or ()
        answer["image"] = inline_png(picture, [(centre["x"], centre["y"]) for centre in objects])
    return answers, len(answers)


def _explained_csv(folder: Path, content: bytes, name: str) -> tuple[str, Markup, str]:
    with tempfile.TemporaryDirectory(prefix="edgewright-") as location:
        path = Path(location) / "rows.csv"
        path.write_bytes(content)
        records, _ = import_module("edgewright.pipeline.explanation.explained_prediction").explain_csv(folder, path, 3)
    body = Markup("").join(
        Markup("<h3>{}</h3>{}").format(r.origin.replace("rows.csv ", ""), _explanation(r)) for r in records
    )
    return name, body, ""


def _page(
    request: Request, *, values: list[str] | None = None, row: str = "", file: str = "", problem: str = "",
    answers: tuple[list[dict[str, Any]], int] | None = None, explained: tuple[str, Markup, str] | None = None,
    status: int = 200,
) -> Response:  # fmt: skip
    location, folder, trace = run_of(request)
    opened, missing = predictor_or_reason(folder)
    columns = row_fields(opened.manifest.columns) if opened else []
    return render(
        request, "predict.html", status=status, title=f"Predict: {trace.name}", location=location, name=trace.name,
        opened=opened, missing=missing, columns=columns, values=values or [""] * len(columns), row=row, file=file,
        pictures=opened is not None and takes_pictures(opened.manifest),
        problem=problem, answers=answers[0] if answers else None, total=answers[1] if answers else 0,
        explained=explained, typical={c.name: c for c in opened.manifest.reference} if opened else {},
    )  # fmt: skip


PAGE = Page({"/predict/{run:path}": (_answer, _sent)}, rank=93, role="view")
