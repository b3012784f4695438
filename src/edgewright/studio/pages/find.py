"""Search in indexes by words, a picture or a sound, and whether a picture or sound shows what a line describes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from edgewright.core.own_models import choose
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.frame import Page, error_text, render, studio_of, text_of
from edgewright.studio.paths import below, files_below
from edgewright.studio.web import FormData, Request, Response, UploadFile

_TOP = 10


def _page(request: Request, form: FormData | None = None, *, status: int = 200, **shown: Any) -> Response:  # noqa: ANN401 - of the template
    indexes = []
    for location, path in files_below(studio_of(request).folder, "*.index"):
        try:
            with DocumentIndex(path) as index:
                indexes.append((location, index.contents))
        except EdgewrightError:
            continue  # another file of that ending, or one of a newer version
    fields = {name: text_of(form, name) if form else "" for name in ("index", "question", "described")}
    given = {"hits": None, "answer": None, "problem": "", "model": "", "notice": "", **shown}
    return render(request, "find.html", status=status, title="Search", indexes=indexes, fields=fields, **given)


def _sent(request: Request, form: FormData) -> Response:
    try:
        with _uploaded(form) as file:
            shown = _yes_or_no(text_of(form, "described").strip(), file) if text_of(form, "do") == "is" else _hits(
                below(studio_of(request).folder, text_of(form, "index")), text_of(form, "question").strip(), file
            )  # fmt: skip
        return _page(request, form, **shown)
    except EdgewrightError as error:
        return _page(request, form, status=400, problem=error_text(error))


@contextmanager
def _uploaded(form: FormData) -> Iterator[Path | None]:
    """Yield the file that was sent, under a temporary name with its ending; None where there is none."""
    part = form.get("file")
    if not isinstance(part, UploadFile) or not part.filename:
        yield None
        return
    with tempfile.NamedTemporaryFile(suffix=Path(part.filename.replace("\0", "")).suffix[:8].lower()) as file:
        shutil.copyfileobj(part.file, file)
        file.flush()
        yield Path(file.name)


def _hits(path: Path, question: str, file: Path | None) -> dict[str, Any]:
    with DocumentIndex(path) as index:
        contents = index.contents
        directory, record = choose("text", name=contents.encoder)
        model = record.name if record else ""
        if file is None and not contents.media:
            vector = None
            if directory is not None:
                vector = import_module("edgewright.language.documents.hybrid").vector_of(index, directory, question)
            answer = index.ask(question, vector, _TOP)
            notice = "" if answer.answered else "Probably not in these documents; the nearest passages:"
            return {"hits": answer.passages, "model": model, "notice": notice}
        if directory is None:
            raise InputError(f"the model {contents.encoder!r} among your models", "none of that name", path.name,
                             f"Register it: edgewright models add DIR --name {contents.encoder}")  # fmt: skip
        search = import_module("edgewright.language.documents.media_index").search_media
        return {"hits": search(index, directory, question=question, like=file, top=_TOP), "model": model}


def _yes_or_no(description: str, file: Path | None) -> dict[str, Any]:
    if file is None:
        raise InputError("a picture or a WAV file", "none", "", "Choose one")
    directory, record = choose("sound" if file.suffix == ".wav" else "picture")
    if directory is None or record is None:
        kind = "sounds" if file.suffix == ".wav" else "pictures"
        raise InputError(f"an encoder of {kind} and text among your models", "none", "",
                         "Register one: edgewright models add DIR")  # fmt: skip
    labels = import_module("edgewright.language.zero_shot.choice")
    choice = import_module("edgewright.language.zero_shot.media")
    encoder = import_module("edgewright.language.documents.media_encoder").MediaEncoder(directory)
    chooser = choice.media_chooser(labels.single_label(description), encoder)
    ((_, answer),) = choice.choose_files(file, encoder, chooser)
    return {"answer": answer, "model": record.name}


PAGE = Page({"/find": (_page, _sent)}, rank=62, role="view")
