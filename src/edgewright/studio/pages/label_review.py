"""Label projects: their list, and a review of one item a page by links and forms; an audit hides what machines said."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from edgewright.core.errors import EdgewrightError, InputError, LabelsError
from edgewright.core.own_models import Chosen, choose
from edgewright.language.labelling.audit import audited, decided
from edgewright.language.labelling.project import FORMAT, Project, refuse_reviewer
from edgewright.language.labelling.review import how_of, shown, todo
from edgewright.studio.access import user_of
from edgewright.studio.frame import Page, error_text, render, studio_of, text_of
from edgewright.studio.local_server import FormData, HTTPException, RedirectResponse, Request, Response, UploadFile
from edgewright.studio.paths import below, files_below, keep, keep_pictures
from edgewright.studio.recordings import delete_recording
from edgewright.studio.view.drawing import draw_window

MODES = {"next": "What to label next", "audit": "Audit", "second": "Second opinion"}
_BUTTONS = 30
"""Classes that are buttons; more are typed."""
_ENDING = ".labelling"
# Machine labels of an audit that is drawn here.
_SAMPLE = 100
# Bytes of a data file's name that its label set has, too.
_LONGEST = 200
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


@dataclass(frozen=True)
class _ReviewRequest:
    """What the address says."""

    location: str
    reviewer: str
    mode: str
    item: int
    notice: str

    def to(self, **changed: object) -> str:
        """Return address of the same review with other parts."""
        parts = {"as": self.reviewer, "mode": self.mode, **changed}
        return f"?{urlencode({key: value for key, value in parts.items() if value})}"


def _review_request(request: Request) -> _ReviewRequest:
    given = request.query_params
    mode, number, user = given.get("mode", "next"), given.get("item", ""), user_of(request)
    reviewer = given.get("as", "")[:60] if user.is_owner else user.name
    return _ReviewRequest(
        request.path_params["place"], reviewer, mode if mode in MODES else "next",
        int(number) if number.isdecimal() and len(number) < 12 else 0, given.get("said", "")[:200],
    )  # fmt: skip


def _list(request: Request, problem: str = "", *, status: int = 200) -> Response:
    """Label projects below the studio's folder."""
    projects = []
    for location, path in files_below(studio_of(request).folder, f"*{_ENDING}"):
        try:
            with Project(path) as project:
                items = int(project.execute("SELECT COUNT(*) FROM items")[0][0])
                projects.append((location, project.kind, items, len(decided(project.reviews())), ""))
        except EdgewrightError as error:
            projects.append((location, "", 0, 0, error_text(error)))
    return render(request, "label_list.html", status=status, title="Label", projects=projects, problem=problem,
                  data=request.query_params.get("data", "")[:200])  # fmt: skip


def _create(request: Request, form: FormData) -> Response:
    """Make a label set of a file, a recording or a path, and go to its review."""
    root, file, data = studio_of(request).folder, form.get("file"), text_of(form, "data").strip().strip("/")
    classes = {name.strip(): "" for name in text_of(form, "classes").split(",") if name.strip()}
    try:
        if isinstance(file, UploadFile) and file.filename:
            data = keep(root, file.filename, file.file)
        pictures = [part for part in form.getlist("pictures") if isinstance(part, UploadFile) and part.filename]
        if pictures:
            data = keep_pictures(root, [(part.filename or "", part.file) for part in pictures])
        if not data:
            raise LabelsError("a file, pictures or a path", "none", "", "Choose one")
        if not classes:
            raise LabelsError("classes", "none", "", "Name them with commas between")
        source = below(root, data)
        items = import_module("edgewright.language.labelling.items")
        window = _window(source, text_of(form, "seconds").strip())
        stem = source.stem.encode()[:_LONGEST].decode(errors="ignore")
        path = next(free for free in _free(root / stem) if not free.exists())
        items.make(path, source, items.read_items(source, window=window), classes)
    except HTTPException as error:
        return _list(request, str(error.detail), status=400)
    except EdgewrightError as error:
        return _list(request, error_text(error), status=400)
    delete_recording(root, text_of(form, "recording"))
    return RedirectResponse(studio_of(request).templates.filters["path"](f"/label/{path.name}"), 303)


def _free(stem: Path) -> Iterator[Path]:
    yield stem.with_name(stem.name + _ENDING)
    yield from (stem.with_name(f"{stem.name}-{number}{_ENDING}") for number in count(2))


def _window(source: Path, seconds: str) -> int:
    """Return the rows of a window of so many seconds; 0 where nobody asked for one.

    Raises:
        InputError: no number, or a file that does not say its rate.
    """
    if not seconds:
        return 0
    try:
        length = float(seconds)
    except ValueError:
        raise LabelsError("seconds with a point", repr(seconds[:20]), "seconds") from None
    table = import_module("edgewright.data.table_proposal").propose_table(str(source), {}, texts=False).table
    data = import_module("edgewright.data.load").load_data(table, seed=0)
    if not data.rate or length * data.rate < 2:
        raise LabelsError("a recording with a rate, and two rows or more in a window", seconds, source.name)
    rows: int = round(length * data.rate)
    return rows


def _answer(request: Request) -> Response:
    review_request = _review_request(request)
    path = below(studio_of(request).folder, review_request.location)
    with _opened(path) as project:
        if "picture" in request.query_params:
            return _picture(request, project)
        return _page(request, project, review_request, notice=review_request.notice)


def _opened(path: Path) -> Project:
    """Raise a 404 where the file is no label project at all."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        raise HTTPException(404, "Label project not found.") from None
    if head[68:72] != FORMAT.to_bytes(4, "big"):
        raise HTTPException(404, "This file is not a label project.")
    return Project(path)


def _page(
    request: Request, project: Project, review_request: _ReviewRequest, *, notice: str = "", problem: str = "",
    conflict: str = "",
    status: int = 200,
) -> Response:  # fmt: skip
    audit = review_request.mode == "audit"
    work = (
        todo(project, review_request.reviewer, audit=audit, second=review_request.mode == "second")
        if review_request.reviewer
        else []
    )
    number = review_request.item or (work[0] if work else 0)
    seen = shown(project, number, audit=audit) if number else None
    classes = list(project.classes())
    picture = None
    if seen is not None and project.kind in ("windows", "rows"):
        columns, units = project.meta("columns"), project.meta("units")
        rate = float(project.meta("rate") or 0.0)
        picture = draw_window(project.data(number), columns, units, rate, seen.item.content)
    after = [i for i in work if i != number]
    position = work.index(number) if number in work else -1
    state: Any = audited(project) if audit else None
    return render(
        request, "label_review.html", status=status, title=f"Review: {project.meta('name')}",
        view_request=review_request, modes=MODES, project=project, seen=seen, classes=classes,
        buttons=len(classes) <= _BUTTONS, picture=picture, left=len(work),
        skip=work[position + 1] if 0 <= position < len(work) - 1 else (after[0] if after else 0), notice=notice,
        problem=problem, conflict=conflict, base=project.latest(number) if number else 0, audit=state,
    )  # fmt: skip


def _picture(request: Request, project: Project) -> Response:
    """Return the picture of an item, where the project's pictures lie below the studio's folder."""
    root = studio_of(request).folder
    number = request.query_params["picture"]
    item = project.item(int(number)) if number.isdecimal() and len(number) < 12 else None
    if item is None or project.kind != "pictures":
        raise HTTPException(404, "Picture not found.")
    path = (project.source / item.content).resolve()
    if not path.is_relative_to(root.resolve()) or path.suffix.lower() not in _TYPES or not path.is_file():
        raise HTTPException(404, "The picture is outside the studio's folder or was deleted.")
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix.lower()])


def _sent(request: Request, form: FormData) -> Response:
    review_request = _review_request(request)
    with _opened(below(studio_of(request).folder, review_request.location)) as project:
        try:
            refuse_reviewer(review_request.reviewer)
            if text_of(form, "do") in ("suggest", "draw"):
                return _machine(project, review_request, text_of(form, "do"))
            if text_of(form, "do") == "undo":
                back = project.undo(review_request.reviewer)
                text = f"Undid {back.label or 'none of them'}." if back else "There is nothing to undo."
                return RedirectResponse(review_request.to(item=back.item if back else 0, said=text), 303)
            return _label(request, project, review_request, form)
        except (InputError, sqlite3.IntegrityError) as error:
            message = error_text(error) if isinstance(error, EdgewrightError) else str(error)
            return _page(request, project, review_request, problem=message, status=400)


def _machine(project: Project, review_request: _ReviewRequest, do: str) -> Response:
    """Let the machine suggest labels and what to label next, or draw a sample of its labels to be judged."""
    if do == "draw":
        import_module("edgewright.language.labelling.audit").draw(project, _SAMPLE)
        return RedirectResponse(review_request.to(said=f"A sample of at most {_SAMPLE} is drawn."), 303)
    vectors = import_module("edgewright.language.labelling.vectors")
    role = vectors.ROLES.get(project.kind)
    model, record = choose(role) if role else Chosen()
    suggestions = import_module("edgewright.language.labelling.suggestion_round").suggest(
        project, encoder=vectors.encoder_for(project, model)
    )
    uses = f" The suggestions use {record.name} of your models." if record else ""
    return RedirectResponse(
        review_request.to(said=f"{suggestions.suggested} labels suggested, {suggestions.queued} next.{uses}"), 303
    )


def _label(request: Request, project: Project, review_request: _ReviewRequest, form: FormData) -> Response:
    """Save a label; where another tab or person labelled the item meanwhile, both are shown and nothing is saved."""
    sent, base = text_of(form, "item"), text_of(form, "base")
    number = int(sent) if sent.isdecimal() and len(sent) < 12 else 0
    label, new = text_of(form, "take") or text_of(form, "label").strip(), text_of(form, "new").strip()
    none = text_of(form, "do") == "none"
    if text_of(form, "take"):
        new = ""
    if not none and not label and not new:
        raise LabelsError("a class", "none", do="Choose one, or 'None of them'")
    if str(project.latest(number)) != base:
        known = decided(project.reviews(number)).get(number)
        known_label = "no label" if known is None else f"{known.label or 'none of them'} by {known.reviewer}"
        here = _ReviewRequest(review_request.location, review_request.reviewer, review_request.mode, number, "")
        return _page(request, project, here, conflict=known_label, status=409)
    if new and not none:
        project.add_class(new)
    chosen = "" if none else new or label
    project.say(
        number, chosen, review_request.reviewer, how_of(project, number, chosen, audit=review_request.mode == "audit")
    )
    return RedirectResponse(review_request.to(said=f"Saved: {chosen or 'none of them'}."), 303)


PAGE = Page(
    {
        "/label": (_list, _create),
        "/label/{place:path}": (_answer, _sent),
    },
    tab="Label",
    rank=27,
    address="/label",
    also=("/labels",),
    role="label",
)
