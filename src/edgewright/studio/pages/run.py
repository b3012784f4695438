"""A run inside the studio's frame: its page, its learning modes and its quiz."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.studio.frame import page_of, render, run_of, studio_of
from edgewright.studio.pages import Page
from edgewright.studio.pages.what_if import base_of, possible
from edgewright.trace.html import blocks_html, page_parts, run_styles, what_if_script
from edgewright.trace.modes import modes
from edgewright.trace.questions import quiz
from edgewright.trace.record import exported_graph

# Modes that have pages of their own here.
_ELSEWHERE = ("quiz", "compare")


def _run(request: Request) -> Response:
    location, folder, trace = run_of(request)
    quoted = studio_of(request).templates.filters["path"](location)
    # A run without settings does not say how its data are read.
    signals = f"/data/run/{quoted}?view=map&sample=" if trace.config else ""
    parts = page_parts(trace, exported_graph(folder), signals)
    return render(
        request, "run.html", title=parts.title, place=location, shown=parts, knobs=possible(trace),
        base=base_of(request, trace), may_doubt=bool(trace.config) and trace.task == "classification",
    )  # fmt: skip


def _assets(request: Request) -> Response:
    """Return styles and script of the page of a run as files: the studio's policy allows no inline ones."""
    styles, script = run_styles(), what_if_script()
    is_style = request.path_params["part"] == "page.css"
    content, kind = (styles, "text/css") if is_style else (script, "text/javascript")
    return Response(str(content), media_type=kind, headers={"cache-control": "no-cache"})


def _learn(request: Request) -> Response:
    location, _, trace = run_of(request)
    known = {name: mode for name, mode in modes().items() if name not in _ELSEWHERE}
    name = request.query_params.get("mode") or next(iter(known), "")
    if name not in known:
        raise HTTPException(404, f"Learning mode not found. Available: {', '.join(known)}.")
    quote = studio_of(request).templates.filters["path"]
    body = blocks_html(known[name].tell(trace), level=3, page=f"/page/{quote(location)}")
    return render(
        request, "learn.html", title=f"{known[name].title}: {trace.name}", place=location, name=trace.name, modes=known,
        mode=name, body=body,
    )  # fmt: skip


def _quiz(request: Request) -> Response:
    """Score the answers in the address, `?q1=2`, so that a quiz can be returned to; nothing is kept."""
    location, _, trace = run_of(request)
    questions = quiz(trace)
    answers: dict[int, int] = {}
    for number, question in enumerate(questions, start=1):
        text = request.query_params.get(f"q{number}", "")
        if text.isdecimal() and len(text) < 3 and 1 <= int(text) <= len(question.options):
            answers[number] = int(text)
    right = sum(questions[number - 1].options[option - 1].right for number, option in answers.items())
    return render(
        request, "quiz.html", title=f"Quiz: {trace.name}", place=location, name=trace.name, questions=questions,
        answers=answers, right=right,
    )  # fmt: skip


PAGE = Page(
    routes=(
        Route("/page/{run:path}", page_of(_run), methods=["GET"]),
        Route("/look/{part}", page_of(_assets), methods=["GET"]),
        Route("/learn/{run:path}", page_of(_learn), methods=["GET"]),
        Route("/quiz/{run:path}", page_of(_quiz), methods=["GET"]),
    ),
    rank=90,
)
