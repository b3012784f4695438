"""A run inside the studio's frame: its page, and where its learning modes and its quiz were once."""

from __future__ import annotations

import re

from edgewright.schema.trace import Trace
from edgewright.studio.frame import Page, quoted, render, run_of, studio_of
from edgewright.studio.pages.compare import comparable
from edgewright.studio.pages.start import CHANGED, PIPELINES
from edgewright.studio.paths import exists
from edgewright.studio.web import RedirectResponse, Request, Response
from edgewright.trace.html import page_parts, run_script, run_styles
from edgewright.trace.journal import FOLDER
from edgewright.trace.modes import modes
from edgewright.trace.record import exported_graph

_FILE = re.compile(r"[\w.-]+-[0-9a-f]{8}\.toml")


def base_of(request: Request, trace: Trace) -> str:
    """Return the run that this one is a change of, where the studio still has both; else empty."""
    named = _FILE.search(trace.provenance.command)
    root = studio_of(request).folder
    path = root / FOLDER / PIPELINES / named[0] if named else None
    if path is None or not exists(path):
        return ""
    location = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix(CHANGED).removeprefix("# what if of ")
    return location if any(run.location == location for run in studio_of(request).runs.finished()) else ""


def _run(request: Request) -> Response:
    location, folder, trace = run_of(request)
    # A run without settings does not say how its data are read.
    signals = f"/data/run/{quoted(location)}?view=map&sample=" if trace.config else ""
    parts = page_parts(trace, exported_graph(folder), signals)
    return render(
        request, "run.html", title=parts.title, location=location, shown=parts, base=base_of(request, trace),
        may_doubt=bool(trace.config) and trace.task == "classification", others=comparable(request, [location]),
    )  # fmt: skip


def _assets(request: Request) -> Response:
    """Return styles and script of the page of a run as files: the studio's policy allows no inline ones."""
    styles, script = run_styles(), run_script()
    is_style = request.path_params["part"] == "page.css"
    content, kind = (styles, "text/css") if is_style else (script, "text/javascript")
    return Response(str(content), media_type=kind, headers={"cache-control": "no-cache"})


def _moved(request: Request) -> Response:
    """Return where a learning mode or the quiz is now: a tab of the run's page."""
    location, _, _ = run_of(request)
    name = "quiz" if request.url.path.startswith("/quiz/") else request.query_params.get("mode", "")
    return RedirectResponse(quoted(f"/page/{location}") + (f"#{name}" if name in modes() else ""), 301)


PAGE = Page(
    {
        "/page/{run:path}": (_run,),
        "/look/{part}": (_assets,),
        "/learn/{run:path}": (_moved,),
        "/quiz/{run:path}": (_moved,),
    },
    rank=90,
)
