"""A run that goes on: its epochs as they come, and a button that ends it. A run that broke off stays to be seen."""

from __future__ import annotations

import asyncio
import calendar
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import msgspec
from starlette.concurrency import run_in_threadpool

from edgewright.studio.frame import Page, fragment, quoted, render, studio_of, text_of
from edgewright.studio.jobs import cancel
from edgewright.studio.local_server import (
    FormData,
    HTTPException,
    RedirectResponse,
    Request,
    Response,
    StreamingResponse,
)
from edgewright.studio.paths import journal_file
from edgewright.trace.blocks.charts import draw
from edgewright.trace.journal import Progress, parse_progress, read_progress
from edgewright.trace.sections.race import race_figure
from edgewright.trace.sections.training import charts
from edgewright.trace.sentences.observations import observe_next

# Seconds between two looks at a journal, two questions whether its process lives, two signs of life to the browser.
LOOK, ASK, BEAT = 0.25, 1.0, 15.0
_ROWS = 40
# A run's folder carries a time a little before its journal, as libraries are loaded in between, or after its race.
_BEFORE, _AFTER = 120.0, 900.0


def finished_place(request: Request, identity: str) -> str:
    """Where the run of a journal that is gone lies; empty where it cannot be told."""
    name, process, moment = [*identity.rsplit("-", 2), "", ""][:3]
    if not process.isdecimal() or not moment.isdecimal() or len(moment) > 15:
        return ""
    near: list[tuple[float, str]] = []
    for run in studio_of(request).runs.finished():
        before = int(moment) / 1000 - _seconds(run.started)
        if run.name == name and -_AFTER <= before <= _BEFORE:
            near.append((abs(before), run.location))
    return min(near)[1] if near else ""


def _seconds(started: str) -> float:
    try:
        return float(calendar.timegm(time.strptime(started, "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        return 0.0


def _view(progress: Progress) -> dict[str, Any]:
    """Return what both parts of the page need; the latest epochs with their sentences, the newest first."""
    epochs = progress.epochs
    first = max(0, len(epochs) - _ROWS)
    latest = [observe_next(epochs[:i], epochs[i], progress.classes) for i in range(len(epochs) - 1, first - 1, -1)]
    spent = sum(e.seconds for e in epochs)
    left = spent / len(epochs) * (progress.total_epochs - len(epochs)) if epochs and spent else None
    return {
        "run": progress, "identity": progress.identity,
        "curves": [(chart, draw(chart)) for chart in charts(progress.epochs)], "latest": latest,
        "left": left if not progress.trained else None,
        "race": race_figure(progress.race) if progress.race is not None else "",
        "measured": sum(e.score is not None for e in progress.race.entrants) if progress.race is not None else 0,
        "lasted": progress.latest - progress.begun,
    }  # fmt: skip


def _answer(request: Request) -> Response:
    identity = str(request.path_params["identity"])
    path = journal_file(studio_of(request).folder, identity)
    if not path.exists():
        location = finished_place(request, identity)
        if not location:
            raise HTTPException(404, "This run has ended and its journal is gone. See the list of runs.")
        return RedirectResponse(quoted(f"/page/{location}"), 303)
    progress = read_progress(path)
    back = studio_of(request).jobs.back_of(progress.opening.process)
    return render(request, "live.html", title=progress.opening.name, back=back, **_view(progress))


async def _events(request: Request) -> Response:
    """Server-sent events: the page's parts whenever the journal grew, then where the run lies."""
    identity = str(request.path_params["identity"])
    path = journal_file(studio_of(request).folder, identity)
    try:
        # Kept open: a run that finishes removes its journal, and its last lines can still be read.
        journal = path.open("rb")
    except OSError:
        raise HTTPException(404, "This run has ended.") from None
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_stream(request, journal, path), media_type="text/event-stream", headers=headers)


async def _stream(request: Request, journal: IO[bytes], path: Path) -> AsyncIterator[bytes]:
    with journal:
        content, checked, shown = b"", 0.0, 0.0
        while not studio_of(request).stopping:
            more = await run_in_threadpool(journal.read)
            content += more
            now = time.monotonic()
            # A process that is killed writes no last line: whether it lives is asked for now and then.
            if more or now - checked >= ASK:
                progress, checked = await run_in_threadpool(parse_progress, content, path), now
                over = progress.state != "running"
                if more or over or now - shown >= BEAT:
                    shown = now
                    yield await run_in_threadpool(_parts, request, progress)
                if over:
                    yield _event("over", _page_address(progress) if progress.folder else "")
                    return
            await asyncio.sleep(LOOK)


def _page_address(progress: Progress) -> str:
    return quoted(f"/page/{progress.folder}")


def _parts(request: Request, progress: Progress) -> bytes:
    view = _view(progress)
    parts = {name: fragment(request, f"live_{name}.html", **view) for name in ("head", "facts", "race", "epochs")}
    text = progress.reason or progress.doing
    if progress.epochs and not progress.trained:
        text = f"Epoch {len(progress.epochs)} of {progress.total_epochs}"
    # Read out at most every tenth of the epochs: a screen reader would never end otherwise.
    tenth = max(1, progress.total_epochs // 10)
    data = _event("said", text) if not progress.epochs or len(progress.epochs) % tenth == 0 else b""
    return _event("parts", parts) + data


def _event(name: str, data: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def _cancel(request: Request, form: FormData) -> Response:
    identity = text_of(form, "run")
    path = journal_file(studio_of(request).folder, identity)
    if not path.exists():
        raise HTTPException(404, "This run has ended.")
    progress = read_progress(path)
    if progress.state == "running":
        cancel(progress.opening)
    return RedirectResponse(quoted(f"/live/{identity}"), 303)


PAGE = Page(
    {"/live/{identity}/events": (_events,), "/live/{identity}": (_answer,), "/cancel": (None, _cancel)},
    rank=80,
    role="train",
)
