"""Runs side by side: chosen in the list, the first is what the others are compared with."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from edgewright.schema.errors import EdgewrightError
from edgewright.schema.lesson import Heading
from edgewright.schema.trace import Trace
from edgewright.studio.frame import Page, error_text, render, studio_of
from edgewright.studio.paths import RECORD, run_folder
from edgewright.studio.summaries import Summary
from edgewright.studio.web import Request, Response
from edgewright.trace.compare import Entry, compare, comparison_blocks
from edgewright.trace.html import blocks_html, sections_html
from edgewright.trace.record import read_trace
from edgewright.trace.sections.training import overlaid
from edgewright.training.metrics import paired_gain
from edgewright.training.sample_tests import sample_gain

MAX_RUNS, _MAX_OFFERED = 6, 200


def _answer(request: Request) -> Response:
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


PAGE = Page({"/compare": (_answer,)}, tab="Compare", rank=30, address="/compare")
