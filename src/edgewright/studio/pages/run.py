"""A run inside the studio's frame: its page, its learning modes, its quiz, and the same run with a few changes."""

from __future__ import annotations

import re
from importlib import import_module
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgewright.pipeline.config import checked, with_changes
from edgewright.pipeline.toml_text import toml_text
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.trace import Trace
from edgewright.studio.frame import Page, error_text, form_of, page_of, quoted, render, run_of, studio_of, text_of
from edgewright.studio.pages.start import PIPELINES, bare, written
from edgewright.trace.html import blocks_html, page_parts, run_script, run_styles
from edgewright.trace.journal import FOLDER
from edgewright.trace.modes import modes
from edgewright.trace.modes.what_if import Knob, alone, knobs
from edgewright.trace.questions import quiz
from edgewright.trace.record import exported_graph

_FIRST_LINE = "# what if of "
_FILE = re.compile(r"[\w.-]+-what-if-[0-9a-f]{8}\.toml")


def possible(trace: Trace) -> dict[str, Knob]:
    """Return what the form of a run offers; nothing for a run that did not finish or has no settings."""
    return knobs(trace.config) if trace.config and trace.state == "finished" else {}


def base_of(request: Request, trace: Trace) -> str:
    """Return the run that this one is a change of, where the studio still has both; else empty."""
    named = _FILE.search(trace.provenance.command)
    root = studio_of(request).folder
    path = root / FOLDER / PIPELINES / named[0] if named else None
    if path is None or not path.is_file():
        return ""
    location = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix(_FIRST_LINE)
    return location if any(run.location == location for run in studio_of(request).runs.finished()) else ""


def _what_if(request: Request, form: FormData) -> Response:
    location, folder, trace = run_of(request)
    try:
        texts = {name: text_of(form, name).strip() for name in possible(trace)}
        changed = [f"{name}={text}" for name, text in texts.items() if text and text != possible(trace)[name].now]
        if not changed:
            raise InputError("a change", "what the run has already", "", "Change a value")
        changes = import_module("edgewright.workflows.comparison").wanted(trace.config, changed)
        table = bare({**alone(trace.config), "refit": False})
        config = msgspec.structs.replace(checked(table, location), refit=False)
        if with_changes(config, changes) == config:
            raise InputError("a change", "what the run has already", ", ".join(changed))
        text = f"{_FIRST_LINE}{location}\n{toml_text(table)}"
        path = written(request, f"{config.name}-what-if", text)
        data = import_module("edgewright.pipeline.run_folder.provenance").remembered(folder).data_location()
        arguments = [*(f"--set={change}" for change in changes), *([f"--data={data}"] if data else [])]
        back = f"/start?{urlencode({'like': location})}"
        number = studio_of(request).jobs.start([*arguments, "--", str(path)], config.name, back)
    except EdgewrightError as error:
        return render(request, "what_if.html", status=400, title="What if", location=location,
                      problem=error_text(error), back=quoted(f"/page/{location}"))  # fmt: skip
    return RedirectResponse(f"/started/{number}", 303)


# Modes that have pages of their own here.
_ELSEWHERE = ("quiz", "compare")


def _run(request: Request) -> Response:
    location, folder, trace = run_of(request)
    # A run without settings does not say how its data are read.
    signals = f"/data/run/{quoted(location)}?view=map&sample=" if trace.config else ""
    parts = page_parts(trace, exported_graph(folder), signals)
    return render(
        request, "run.html", title=parts.title, location=location, shown=parts, knobs=possible(trace),
        base=base_of(request, trace), may_doubt=bool(trace.config) and trace.task == "classification",
    )  # fmt: skip


def _assets(request: Request) -> Response:
    """Return styles and script of the page of a run as files: the studio's policy allows no inline ones."""
    styles, script = run_styles(), run_script()
    is_style = request.path_params["part"] == "page.css"
    content, kind = (styles, "text/css") if is_style else (script, "text/javascript")
    return Response(str(content), media_type=kind, headers={"cache-control": "no-cache"})


def _learn(request: Request) -> Response:
    location, _, trace = run_of(request)
    known = {name: mode for name, mode in modes().items() if name not in _ELSEWHERE}
    name = request.query_params.get("mode") or next(iter(known), "")
    if name not in known:
        raise HTTPException(404, f"Learning mode not found. Available: {', '.join(known)}.")
    body = blocks_html(known[name].blocks(trace), level=3, page=quoted(f"/page/{location}"))
    return render(
        request, "learn.html", title=f"{known[name].title}: {trace.name}", location=location, name=trace.name,
        modes=known, mode=name, body=body,
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
        request, "quiz.html", title=f"Quiz: {trace.name}", location=location, name=trace.name, questions=questions,
        answers=answers, right=right,
    )  # fmt: skip


PAGE = Page(
    routes=(
        Route("/page/{run:path}", page_of(_run), methods=["GET"]),
        Route("/look/{part}", page_of(_assets), methods=["GET"]),
        Route("/learn/{run:path}", page_of(_learn), methods=["GET"]),
        Route("/quiz/{run:path}", page_of(_quiz), methods=["GET"]),
        Route("/what-if/{run:path}", form_of(_what_if), methods=["POST"]),
    ),
    rank=90,
)
