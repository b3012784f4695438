"""A run inside the studio's frame, where its learning modes and its quiz were once, and runs side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from edgewright.core.errors import EdgewrightError
from edgewright.core.records.trace import Trace
from edgewright.studio.frame import Page, error_text, quoted, render, run_of, studio_of
from edgewright.studio.jobs import Summary
from edgewright.studio.local_server import RedirectResponse, Request, Response
from edgewright.studio.pages.start import CHANGED, PIPELINES
from edgewright.studio.paths import RECORD, exists, run_folder
from edgewright.trace.blocks.records import Heading
from edgewright.trace.compare import Entry, compare, comparison_blocks
from edgewright.trace.html import blocks_html, page_parts, run_script, run_styles, sections_html
from edgewright.trace.journal import FOLDER
from edgewright.trace.modes import modes
from edgewright.trace.page_model import exported_graph, read_trace
from edgewright.trace.sections.training import overlaid
from edgewright.training.losses import sample_gain
from edgewright.training.metrics import paired_gain

MAX_RUNS, _MAX_OFFERED = 6, 200


def _compared(request: Request) -> Response:
    root = studio_of(request).folder
    places = list(dict.fromkeys(name for name in request.query_params.getlist("run") if name))
    problems = (
        [f"The page compares at most {MAX_RUNS} runs; the others are not shown."] if len(places) > MAX_RUNS else []
    )
    read: list[tuple[str, Trace]] = []
    for location in places[:MAX_RUNS]:
        try:
            read.append((location, read_trace(run_folder(root, location) / RECORD)))
        except EdgewrightError as error:
            problems.append(error_text(error))
    body: list[Markup] = []
    if len(read) > 1:
        entries = [Entry(name, str(root / name), trace, trace.config or None) for name, trace in read]
        blocks = comparison_blocks(compare(entries, paired_gain, sample_gain))
        results = blocks.index(Heading(text="Configuration"))
        curves = overlaid(dict(read))
        body = [
            blocks_html(blocks[:results], level=2),
            sections_html((curves,)) if curves is not None else Markup(),
            blocks_html(blocks[results:], level=2),
        ]
    return render(
        request, "compare.html", title="Compare runs", read=[name for name, _ in read], problems=problems, body=body,
        others=comparable(request, places),
    )  # fmt: skip


def comparable(request: Request, chosen: Sequence[str]) -> list[Summary]:
    """Return runs to compare with, the latest first."""
    known = [run for run in studio_of(request).runs.finished() if not run.unreadable and run.location not in chosen]
    return sorted(known, key=lambda run: run.started, reverse=True)[:_MAX_OFFERED]


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
        "/compare": (_compared,),
    },
    tab="Compare",
    rank=30,
    address="/compare",
)
