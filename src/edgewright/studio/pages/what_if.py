"""A finished run again with a few settings changed, through the queue; the new run links the comparison of both."""

from __future__ import annotations

import hashlib
import re
from importlib import import_module
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgewright.core.files import write_atomic
from edgewright.pipeline.config import checked, with_changes
from edgewright.pipeline.toml_text import toml_text
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.trace import Trace
from edgewright.studio.frame import form_of, render, run_of, studio_of, text_of, told
from edgewright.studio.pages import Page
from edgewright.studio.pages.start import PIPELINES, bare
from edgewright.trace.journal import FOLDER
from edgewright.trace.possible_changes import Knob, alone, knobs

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
    return location if any(run.place == location for run in studio_of(request).runs.finished()) else ""


def _start(request: Request, form: FormData) -> Response:
    location, folder, trace = run_of(request)
    quote = studio_of(request).templates.filters["path"]
    try:
        asked = {name: text_of(form, name).strip() for name in possible(trace)}
        changed = [f"{name}={text}" for name, text in asked.items() if text and text != possible(trace)[name].now]
        if not changed:
            raise InputError("a change", "what the run has already", "", "Change a value")
        changes = import_module("edgewright.workflows.comparison.what_if").wanted(trace.config, changed)
        table = bare({**alone(trace.config), "refit": False})
        config = msgspec.structs.replace(checked(table, location), refit=False)
        if with_changes(config, changes) == config:
            raise InputError("a change", "what the run has already", ", ".join(changed))
        text = f"{_FIRST_LINE}{location}\n{toml_text(table)}"
        path = studio_of(request).folder / FOLDER / PIPELINES
        path /= f"{config.name}-what-if-{hashlib.sha256(text.encode()).hexdigest()[:8]}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())
        data = import_module("edgewright.pipeline.provenance").remembered(folder).place()
        arguments = [*(f"--set={change}" for change in changes), *([f"--data={data}"] if data else [])]
        back = f"/start?{urlencode({'like': location})}"
        number = studio_of(request).jobs.start([*arguments, "--", str(path)], config.name, back)
    except EdgewrightError as error:
        return render(request, "what_if.html", status=400, title="What if", place=location, problem=told(error),
                      back=quote(f"/page/{location}"))  # fmt: skip
    return RedirectResponse(f"/started/{number}", 303)


PAGE = Page(routes=(Route("/what-if/{run:path}", form_of(_start), methods=["POST"]),), rank=91)
