"""Jobs: those that can run, new ones of own data, those that ran with a time line of their steps, and their pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from edgewright.jobs.catalogue import TABLE, job_folder, read_job, shipped_jobs
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.job import JobRecord, JobSpec, StepProgress
from edgewright.studio.frame import Page, error_text, render, studio_of, text_of
from edgewright.studio.pages.data import entries
from edgewright.studio.paths import FOLDER, JOB_RECORD, RECORD, below, keep
from edgewright.studio.web import FormData, HTTPException, RedirectResponse, Request, Response, UploadFile

_PAGE = "job.html"
# Folder below the studio's that new jobs are made in, and how long their models may be compared.
_OWN, _BUDGETS = "jobs", {"": "as the data suggest", "5s": "5 seconds", "10m": "10 minutes"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
# The page of a job is one file with its own styles and script, which its own policy knows by their hashes.
_OF_FILE = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'"


@dataclass(frozen=True)
class _Known:
    """A job that can run: its name for the command, or why its table cannot be read."""

    name: str
    spec: JobSpec | None
    problem: str = ""


def _known(root: Path) -> Iterator[_Known]:
    """Yield the jobs that come with Edgewright, then own ones below the studio's folder."""
    tables = [path for depth in ("*", "*/*") for path in root.glob(f"{depth}/{TABLE}")]
    own = {path.parent.relative_to(root).as_posix(): path.parent for path in sorted(tables)}
    for name, folder in {**{name: job_folder(name) for name in shipped_jobs()}, **own}.items():
        try:
            yield _Known(name, read_job(folder))
        except EdgewrightError as error:
            yield _Known(name, None, error_text(error))


def _ran(root: Path) -> list[tuple[str, JobRecord]]:
    """Return jobs that ran, the latest first; a record that cannot be read is left out."""
    ran: list[tuple[float, str, JobRecord]] = []
    for path in root.glob(f"*/{JOB_RECORD}"):
        try:
            record = msgspec.json.decode(path.read_bytes(), type=JobRecord)
            ran.append((path.stat().st_mtime, path.parent.name, record))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            continue
    return [(location, record) for _, location, record in sorted(ran, reverse=True, key=lambda job: job[:2])]


def _list(request: Request, problem: str = "", *, status: int = 200, new: str = "", data: str = "") -> Response:
    studio, name = studio_of(request), request.query_params.get("made", new)
    if _own(studio.folder, name) is not None:
        return RedirectResponse(f"/job/{name}", 303)
    going = [run for run in studio.runs.unfinished() if run.steps]
    return render(
        request, "jobs.html", status=status, title="Jobs", known=list(_known(studio.folder)), ran=_ran(studio.folder),
        going=going, problem=problem, data=_data(studio.folder), budgets=_BUDGETS, name=name,
        chosen=request.query_params.get("data", data),
    )  # fmt: skip


def _own(root: Path, name: str) -> Path | None:
    """Return the folder of a job that was made here; None where there is none."""
    folder = root / _OWN / name
    return folder if _NAME.fullmatch(name) and (folder / TABLE).is_file() else None


def _data(root: Path) -> list[str]:
    """Return files and folders that a job may be made of, those of the studio's folder and those that it keeps."""
    listed = []
    for part in ("", FOLDER):
        if (root / part).is_dir():
            folders, files, _ = entries(root / part)
            listed += [f"{part}/{name}".strip("/") for name in (*files, *folders) if name not in (FOLDER, _OWN)]
    return listed


def _make(request: Request, form: FormData) -> Response:
    """Make a job of a file or folder as `edgewright jobs new` does, in a process of its own."""
    studio, file = studio_of(request), form.get("file")
    name, data, budget = (text_of(form, key).strip() for key in ("name", "data", "budget"))
    try:
        # A job that ran has its results in the folder of its name.
        known = _NAME.fullmatch(name) and any((studio.folder / part / name).exists() for part in (_OWN, ""))
        if known or not _NAME.fullmatch(name) or name in shipped_jobs():
            raise InputError("a new name of letters, digits, '_' and '-'", repr(name[:60]), "", "Choose another name")
        if isinstance(file, UploadFile) and file.filename:
            data = keep(studio.folder, file.filename, file.file)
        if not data:
            raise InputError("data", "none", "", "Choose a file or a folder, or upload a file")
        options = [f"--data={below(studio.folder, data)}", "--yes"]
        options += [f"--budget={budget}"] if budget in _BUDGETS and budget else []
        back = f"/jobs?{urlencode({'made': name, 'data': data})}"
        number = studio.jobs.start([*options, "--", str(studio.folder / _OWN / name)], name, back, ("jobs", "new"))
    except EdgewrightError as error:
        return _list(request, error_text(error), status=400, new=name, data=data)
    except HTTPException:
        gone = InputError("data in the studio's folder", repr(data[:80]), "", "Choose a file or a folder that is there")
        return _list(request, error_text(gone), status=400, new=name)
    return RedirectResponse(f"/started/{number}", 303)


def _start(request: Request, form: FormData) -> Response:
    """Start a job as a process of its own."""
    studio, name, data = studio_of(request), text_of(form, "job"), text_of(form, "data").strip().strip("/")
    known = {job.name: job for job in _known(studio.folder) if job.spec is not None}
    try:
        name = name if name in known else next((own for own in known if own.rpartition("/")[2] == name), name)
        if name not in known:
            raise InputError("one of the jobs listed", repr(name[:80]), "", "Choose one")
        own = (studio.folder / name / TABLE).is_file()
        options = ["--resume"] if text_of(form, "resume") else []
        if data:
            options.append(f"--data={below(studio.folder, data)}")
        where = str(studio.folder / name) if own else name
        command = ("jobs", "run", "--out", str(studio.folder))
        number = studio.jobs.start([*options, "--", where], name.rpartition("/")[2], "/jobs", command)
    except EdgewrightError as error:
        return _list(request, error_text(error), status=400)
    return RedirectResponse(f"/started/{number}", 303)


def _show(request: Request) -> Response:
    """Return the steps of a job that ran, with what came of each and where its runs are; of a new one its steps."""
    root, location = studio_of(request).folder, str(request.path_params["job"])
    own = _own(root, location)
    if own is not None and not (root / location / JOB_RECORD).is_file():
        spec = read_job(own)
        return render(request, "job_new.html", title=spec.title, location=location, spec=spec, job=f"{_OWN}/{location}")
    folder = below(root, location)
    try:
        record = msgspec.json.decode((folder / JOB_RECORD).read_bytes(), type=JobRecord)
    except OSError:
        raise InputError("a job that ran", "none", location) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("the record of a job", " ".join(str(error).split()), location) from None
    steps = [StepProgress(s.name, s.title, "finished" if s.passed else "failed", s.seconds) for s in record.steps]
    runs = {s.name: s.folder for s in record.steps if s.folder and (folder / s.folder / RECORD).is_file()}
    return render(
        request, "job.html", title=record.title, location=location, record=record, steps=steps, runs=runs,
        whole=(folder / _PAGE).is_file(),
    )  # fmt: skip


def _file(request: Request) -> Response:
    folder = below(studio_of(request).folder, str(request.path_params["job"]))
    path = below(folder, _PAGE)
    return Response(path.read_bytes(), media_type="text/html", headers={"content-security-policy": _OF_FILE})


PAGE = Page(
    {
        "/jobs": (_list, _start),
        "/jobs/new": (None, _make),
        "/job/{job:str}": (_show,),
        "/job-page/{job:str}": (_file,),
    },
    tab="Jobs",
    rank=26,
    address="/jobs",
    also=("/job",),
    role="train",
)
