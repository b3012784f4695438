"""Editor of state tables and retrieval chains: forms next to the drawn table."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from edgewright.core.errors import EdgewrightError, FileChangedError, InputError, TextEncodingError
from edgewright.core.files import write_atomic
from edgewright.studio.frame import HERE, Page, error_text, render, studio_of, text_of
from edgewright.studio.local_server import FormData, HTTPException, RedirectResponse, Request, Response
from edgewright.studio.paths import below
from edgewright.studio.view import file_history
from edgewright.studio.view.flow_view import FlowDocument, FlowView, actions_text, flow_view, flows_below, models_for

_NOTICES = {"1": "Saved.", "2": "The earlier version is restored. The version it replaced is kept in the list."}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")
_FIELDS = ("state", "event", "when", "to", "after", "actions")


@dataclass(frozen=True)
class _Flow:
    """A file that is edited.

    Attributes:
        path: of it.
        history: folder of its earlier versions.
        mark, text: of the saved file.
    """

    path: Path
    history: Path
    mark: str
    text: str


@dataclass(frozen=True)
class _Form:
    """What is edited: a draft that may not be saved yet.

    Attributes:
        text: text of the draft.
        base: mark of the file that it was made from.
        selected: 'state:NAME', 'step:PLACE' or empty.
        unsaved: whether the draft differs from the file.
        values: of the selected form where they could not be taken, by name.
    """

    text: str
    base: str
    selected: str = ""
    unsaved: bool = False
    values: dict[str, str] | None = None


def _opened(request: Request) -> _Flow:
    root = studio_of(request).folder
    path = below(root, str(request.path_params["place"]))
    if path.suffix != ".toml" or not path.is_file():
        raise HTTPException(404, "Flow not found.")
    content = file_history.bytes_of(path)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise TextEncodingError("text in UTF-8", "other bytes", path.name) from None
    mark = hashlib.sha256(content).hexdigest()
    return _Flow(path, file_history.folder_of(root, path, "flow"), mark, text.replace("\r\n", "\n"))


def _list(request: Request) -> Response:
    flows = list(flows_below(studio_of(request).folder))
    return render(request, "flow_list.html", title="Flow", flows=flows, problem="", name="")


def _new(request: Request, form: FormData) -> Response:
    name, root = text_of(form, "name").strip(), studio_of(request).folder
    path = root / f"{name}.toml"
    problem = ""
    if not _NAME.fullmatch(name):
        problem = "Expected a name of letters, digits, '_' and '-', at most 60."
    elif path.exists():
        problem = f"{path.name} exists already; choose another name."
    if problem:
        flows = list(flows_below(root))
        return render(request, "flow_list.html", status=400, title="Flow", flows=flows, problem=problem, name=name)
    starter = (HERE / "view" / "flow_starter.toml").read_text("utf-8")
    write_atomic(path, starter.format(name=name).encode())
    return RedirectResponse(f"/flow/edit/{name}.toml", 303)


def _answer(request: Request) -> Response:
    flow = _opened(request)
    form = _Form(flow.text, flow.mark, request.query_params.get("select", ""))
    return _page(request, flow, form, notice=_NOTICES.get(request.query_params.get("said", ""), ""))


def _page(
    request: Request, flow: _Flow, form: _Form, *, notice: str = "", problem: str = "", conflict: str = "",
    status: int = 200,
) -> Response:  # fmt: skip
    """Return the editor. A draft that is no table at all is shown as text alone."""
    location = str(request.path_params["place"])
    view: FlowView | None = None
    try:
        view = flow_view(FlowDocument(form.text, flow.path.name).table(), flow.path, studio_of(request).folder)
    except InputError as error:
        problem = problem or error_text(error)
        status = 400 if form.unsaved else status
    return render(
        request, "flow.html", status=status, title=f"Flow: {flow.path.stem}", location=location, flow=flow, form=form,
        view=view, notice=notice, problem=problem, conflict=conflict, shown=_mark(form.text),
        past=file_history.versions(flow.history), models=models_for(flow.path, studio_of(request).folder),
        selected=_selected(form, view) if view else {"kind": ""},
    )  # fmt: skip


def _selected(form: _Form, view: FlowView) -> dict[str, object]:
    """Return the fields of what is selected, as they are shown; empty for nothing."""
    kind, _, name = form.selected.partition(":")
    table = view.table
    if kind == "state" and name in table.states:
        retrieval = table.retrieve.get(name)
        values: dict[str, object] = {
            "name": name, "first": name == table.initial, "final": name in table.final,
            "index": retrieval.index if retrieval else "", "passages": str(retrieval.top) if retrieval else "",
            "minimum": "" if retrieval is None or retrieval.minimum is None else f"{retrieval.minimum:g}",
        }  # fmt: skip
        return {"kind": kind, "of": name, "steps": view.steps_of(name), **values, **(form.values or {})}
    if kind == "step" and name.isdecimal() and int(name) < len(table.steps):
        step = table.steps[int(name)]
        values = {
            "state": step.state if isinstance(step.state, str) else ", ".join(step.state), "event": step.event,
            "when": step.when, "to": step.to, "after": "" if step.after is None else f"{step.after:g}",
            "actions": actions_text(step.actions),
        }  # fmt: skip
        return {"kind": kind, "of": int(name), **values, **(form.values or {})}
    return {"kind": ""}


def _sent(request: Request, sent: FormData) -> Response:
    flow = _opened(request)
    do = text_of(sent, "do")
    if do.startswith("restore:"):
        content = file_history.content_of(flow.history, do.removeprefix("restore:"))
        file_history.save(flow.path, content, text_of(sent, "base"), flow.history)
        return RedirectResponse("?said=2", 303)
    draft = text_of(sent, "draft").replace("\r\n", "\n")
    form = _Form(draft, text_of(sent, "base"), text_of(sent, "selected"), unsaved=draft != flow.text)
    try:
        form = _edited(form, sent, do, flow, studio_of(request).folder)
    except InputError as error:
        values = {key: text_of(sent, key) for key in (*_FIELDS, "name", "index", "passages", "minimum") if key in sent}
        return _page(request, flow, replace(form, values=values), problem=error_text(error), status=400)
    form = replace(form, unsaved=form.text != flow.text)
    if do == "save":
        return _save(request, flow, form)
    return _page(request, flow, form, notice="Not saved yet." if form.unsaved else "")


def _edited(form: _Form, sent: FormData, do: str, flow: _Flow, root: Path) -> _Form:
    """Return the draft after the fields of what is selected and a button.

    Raises:
        InputError: a field that does not fit; the draft is as it was.
    """
    document = FlowDocument(form.text, flow.path.name)
    selected = form.selected
    # Fields were made from the text that was shown; where the text itself was edited, it counts.
    if text_of(sent, "shown") == _mark(form.text):
        if "model" in sent and text_of(sent, "model") != document.table().model:
            document.set_model(text_of(sent, "model"))
        selected = _fields(document, selected, sent)
    action, _, rest = do.partition(":")
    if action == "select":
        selected = rest
    elif action == "add":
        name = text_of(sent, "new").strip()
        document.add_state(name)
        selected = f"state:{name}"
    elif action == "connect":
        intents = flow_view(document.table(), flow.path, root).intents
        before, after, event = (text_of(sent, key).strip() for key in ("before", "after_state", "by"))
        selected = f"step:{document.connect(before, after, event, intents)}"
    elif action == "delete" and selected:
        kind, _, name = selected.partition(":")
        if kind == "state":
            document.remove_state(name)
        else:
            document.remove_step(int(name))
        selected = ""
    return replace(form, text=document.text(), selected=selected)


def _fields(document: FlowDocument, selected: str, sent: FormData) -> str:
    """Take the fields of what was selected, and return what is selected by its new name."""
    kind, _, name = selected.partition(":")
    table = document.table()
    if kind == "step" and name.isdecimal() and int(name) < len(table.steps) and "event" in sent:
        document.change_step(int(name), {key: text_of(sent, key).replace("\r\n", "\n") for key in _FIELDS})
    elif kind == "state" and name in table.states and "name" in sent:
        document.set_retrieval(name, *(text_of(sent, key).strip() for key in ("index", "passages", "minimum")))
        document.set_state(name, first="first" in sent, final="final" in sent)
        new = text_of(sent, "name").strip()
        if new != name:
            document.rename_state(name, new)
            return f"state:{new}"
    return selected


def _save(request: Request, flow: _Flow, form: _Form) -> Response:
    """Save a draft that can be held; where the file is another by now, both are shown and nothing is saved."""
    view = flow_view(FlowDocument(form.text, flow.path.name).table(), flow.path, studio_of(request).folder)
    if view.problems:
        count = "1 problem keeps" if len(view.problems) == 1 else f"{len(view.problems)} problems keep"
        return _page(
            request, flow, form, problem=f"{count} this dialogue from being held; nothing is saved.", status=400
        )
    try:
        file_history.save(flow.path, form.text.encode(), form.base, flow.history)
    except FileChangedError:
        now = _opened(request)
        lines = difflib.unified_diff(now.text.splitlines(), form.text.splitlines(), "saved", "yours", lineterm="", n=1)
        mine = replace(form, base=now.mark, unsaved=True)
        return _page(request, now, mine, conflict="\n".join(lines), status=409)
    except EdgewrightError as error:
        return _page(request, flow, form, problem=error_text(error), status=400)
    return RedirectResponse(f"?said=1&select={form.selected}", 303)


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


PAGE = Page(
    {"/flow": (_list, _new), "/flow/edit/{place:path}": (_answer, _sent)},
    tab="Flow",
    rank=28,
    address="/flow",
    role="train",
)
