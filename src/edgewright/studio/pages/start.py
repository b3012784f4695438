"""Starting a run: a form of the pipeline's settings, from a shipped pipeline, an own TOML, or an earlier run."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgewright.core.files import write_atomic
from edgewright.pipeline.config import read_config, shipped, source_text
from edgewright.pipeline.toml_text import toml_text
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio import settings
from edgewright.studio.frame import form_of, page_of, render, studio_of, text_of, told
from edgewright.studio.jobs import AT_ONCE
from edgewright.studio.pages import Page
from edgewright.studio.paths import RECORD, below, run_folder
from edgewright.trace.journal import FOLDER, journals
from edgewright.trace.partial import read_progress
from edgewright.trace.record import read_trace

PIPELINES = "pipelines"
_LARGEST = 262_144
# Of the number of a job in a form.
_DIGITS = 18


def _own(request: Request) -> Path:
    return studio_of(request).folder / FOLDER / PIPELINES


def _names(request: Request) -> list[str]:
    """Own pipelines: TOML files in the folder of runs, and those that were brought here."""
    root = studio_of(request).folder
    found = [path.name for path in sorted(root.glob("*.toml")) if path.is_file() and not path.is_symlink()]
    return found + [f"{PIPELINES}/{path.name}" for path in sorted(_own(request).glob("*.toml"))]


def _file(request: Request, name: str) -> Path:
    """Return the file of an own pipeline.

    Raises:
        HTTPException: 404 for another file.
    """
    if name not in _names(request):
        raise HTTPException(404, "The studio's folder has no pipeline with that name.")
    folder, _, last = name.rpartition("/")
    return below(_own(request), last) if folder else below(studio_of(request).folder, last)


def _base(request: Request, record: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - query parameters or a form
    """Return what the form starts from, as the form's hidden field says it, and its table.

    Raises:
        HTTPException: 404 for a run or a pipeline that is not there.
        InputError: a pipeline that cannot be read.
    """
    for key in ("like", "again"):
        location = str(record.get(key) or "")
        if location:
            return f"{key}={location}", bare(_recorded(request, key, location))
    name = str(record.get("pipeline") or "activity")
    if name in shipped():
        return f"pipeline={name}", tomllib.loads(source_text(name)[0])
    file = _file(request, name)
    read = read_config(str(file))
    table = tomllib.loads(source_text(str(file))[0])
    if isinstance(read.data.get("path"), str):
        table["data"]["path"] = read.data["path"]
    return f"pipeline={name}", table


def _recorded(request: Request, key: str, location: str) -> dict[str, Any]:
    """Return the configuration of a run, or of one that broke off."""
    root = studio_of(request).folder
    if key == "like":
        config = dict(read_trace(run_folder(root, location) / RECORD).config)
        if not config:
            raise InputError("a run with its configuration", "a record of an older version", location)
        return config
    path = journals(root) / f"{location}.jsonl"
    if "/" in location or not path.is_file():
        raise HTTPException(404, "The journal of that run is deleted.")
    return dict(read_progress(path).opening.config)


def bare(table: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration without what is left out: None is no value of TOML."""
    return {key: bare(value) if isinstance(value, dict) else value for key, value in table.items() if value is not None}


def _answer(request: Request) -> Response:
    source, table = _base(request, request.query_params)
    return _page(request, source, settings.Settings(tuple(settings.form(table)), table))


def _page(
    request: Request, source: str, filled: settings.Settings, problem: str = "", *, status: int = 200
) -> Response:
    return render(
        request, "start.html", status=status, title="Start a run", source=source, settings=filled, problem=problem,
        shipped=shipped(), own=_names(request), at_once=AT_ONCE, chosen=source.partition("=")[2],
        changed=source.partition("=")[0] != "pipeline", stray=filled.errors.get("", ""),
    )  # fmt: skip


def _start(request: Request, form: FormData) -> Response:
    key, _, name = text_of(form, "source").partition("=")
    source, table = _base(request, {key: name} if key in ("like", "again", "pipeline") else {})
    asked = settings.read(table, lambda control: _text(form, control), f"{table.get('name', 'pipeline')}.toml")
    if asked.config is None:
        return _page(request, source, asked, "Nothing was started. Correct the fields marked below.", status=400)
    pipeline = name if key == "pipeline" and name in shipped() and asked.table == table else _written(request, asked)
    studio = studio_of(request)
    try:
        back = pipeline if pipeline in shipped() else f"{PIPELINES}/{Path(pipeline).name}"
        number = studio.jobs.start(["--", pipeline], asked.table["name"], f"/start?{urlencode({'pipeline': back})}")
    except InputError as error:
        return _page(request, source, asked, told(error), status=409)
    return RedirectResponse(f"/started/{number}", 303)


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) else None


def _written(request: Request, asked: settings.Settings) -> str:
    """Return the settings as a TOML file below the studio's folder, named by what stands in it."""
    text = toml_text(asked.table)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = _own(request) / f"{asked.table['name']}-{digest}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.encode())
    return str(path)


def _bring(request: Request, form: FormData) -> Response:
    """Return an own TOML from elsewhere, checked and kept below the studio's folder."""
    file = form.get("file")
    try:
        if not isinstance(file, UploadFile) or not file.filename:
            raise InputError("a TOML file", "none", "", "Choose one")
        content = file.file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise InputError("a pipeline of at most 256 kB", "more", file.filename)
        try:
            text = content.decode()
            table = tomllib.loads(text)
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise InputError("valid TOML", " ".join(str(error).split()), file.filename) from None
        stem = re.sub(r"[^A-Za-z0-9_.-]", "-", Path(file.filename).stem).strip(".-")[:40] or "pipeline"
        path = _own(request) / f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except EdgewrightError as error:
        source, table = _base(request, {})
        return _page(request, source, settings.Settings(tuple(settings.form(table)), table), told(error), status=400)
    return RedirectResponse(f"/start?pipeline={PIPELINES}/{path.name}", 303)


def _dequeue(request: Request, form: FormData) -> Response:
    """Cancel a run that waits, or forget one that waited when an earlier studio ended."""
    number, left = text_of(form, "job"), text_of(form, "left")
    jobs = studio_of(request).jobs
    if number.isdecimal() and len(number) < _DIGITS and not jobs.remove(int(number)):
        return RedirectResponse(f"/started/{number}", 303)
    if left.isdecimal() and len(left) < _DIGITS:
        jobs.forget(int(left))
    return RedirectResponse("/", 303)


def _started(request: Request) -> Response:
    """Return what became of a job: its place in the queue, its journal's page, why it ended, or to ask again."""
    number, studio = int(request.path_params["job"]), studio_of(request)
    quote = studio.templates.filters["path"]
    identity = studio.jobs.journal(number)
    if identity:
        return RedirectResponse(f"/live/{quote(identity)}", 303)
    job = studio.jobs.started.get(number)
    if job is None:
        return RedirectResponse("/", 303)
    position = studio.jobs.position(number)
    if position:
        return render(request, "waiting.html", title=f"Waiting: {job.name}", number=number, position=position,
                      name=job.name, at_once=AT_ONCE)  # fmt: skip
    code = job.process.poll() if job.process is not None else 1
    if code == 0:
        # It ended before anybody looked: the latest run is its.
        latest = max(studio.runs.finished(), key=lambda run: run.started, default=None)
        return RedirectResponse(f"/page/{quote(latest.place)}" if latest else "/", 303)
    text = job.said() if code is not None else ""
    return render(
        request, "started.html", title="Starting" if code is None else "The run did not start", going=code is None,
        said=text or "the process exited unexpectedly", back=job.back,
    )  # fmt: skip


PAGE = Page(
    routes=(
        Route("/start", page_of(_answer), methods=["GET"]),
        Route("/start", form_of(_start), methods=["POST"]),
        Route("/dequeue", form_of(_dequeue), methods=["POST"]),
        Route("/bring", form_of(_bring), methods=["POST"]),
        Route("/started/{job:int}", page_of(_started), methods=["GET"]),
    ),
    rank=20,
)
