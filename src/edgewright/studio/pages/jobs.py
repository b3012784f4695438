"""Jobs: those that can run, those that ran with the time line of their steps, and the page that each left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgewright.jobs.catalogue import TABLE, job_folder, read_job, shipped_jobs
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.job import JobRecord, JobSpec, StepProgress
from edgewright.studio.frame import Page, error_text, form_of, page_of, render, studio_of, text_of
from edgewright.studio.paths import JOB_RECORD, RECORD, below

_PAGE = "job.html"
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


def _list(request: Request, problem: str = "", *, status: int = 200) -> Response:
    studio = studio_of(request)
    going = [run for run in studio.runs.unfinished() if run.steps]
    return render(
        request, "jobs.html", status=status, title="Jobs", known=list(_known(studio.folder)), ran=_ran(studio.folder),
        going=going, problem=problem,
    )  # fmt: skip


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
    """Return the steps of a job that ran, with what came of each and where its runs are."""
    location = str(request.path_params["job"])
    folder = below(studio_of(request).folder, location)
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
    routes=(
        Route("/jobs", page_of(_list), methods=["GET"]),
        Route("/jobs", form_of(_start), methods=["POST"]),
        Route("/job/{job:str}", page_of(_show), methods=["GET"]),
        Route("/job-page/{job:str}", page_of(_file), methods=["GET"]),
    ),
    tab="Jobs",
    rank=26,
    address="/jobs",
)
