"""A pipeline drawn as blocks, from a shipped one, an own TOML or an earlier run; and the run that it becomes."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from edgewright.core.errors import EdgewrightError, InputError, TomlSyntaxError, UploadError
from edgewright.core.files import write_atomic
from edgewright.core.toml_tables import toml_text
from edgewright.pipeline.config import shipped, source_text
from edgewright.studio.frame import Page, error_text, quoted, render, studio_of, text_of
from edgewright.studio.jobs import AT_ONCE
from edgewright.studio.local_server import FormData, HTTPException, RedirectResponse, Request, Response, UploadFile
from edgewright.studio.paths import RECORD, below, exists, journal_file, keep, run_folder
from edgewright.studio.view.pipeline_document import arranged, changed_text, set_value, table_of, value_at
from edgewright.trace.journal import FOLDER, read_progress
from edgewright.trace.page_model import read_trace

PIPELINES = "pipelines"
CHANGED = "# changes "
"""How a pipeline begins that changes a run, before the run's name."""
# They bring the libraries of training, which the list of runs does without.
_BLOCKS, _PREVIEW = "edgewright.studio.view.pipeline_blocks", "edgewright.studio.view.pipeline_document"
_PROPOSAL = "edgewright.workflows.own_data.proposal"
# Changes that can be taken back.
_MOST_STEPS = 40
_LARGEST = 262_144
# Of the number of a job in a form.
_DIGITS = 18


def _own(request: Request) -> Path:
    return studio_of(request).folder / FOLDER / PIPELINES


def _names(request: Request) -> list[str]:
    """Own pipelines: TOML files in the folder of runs, and those that were brought here."""
    root = studio_of(request).folder
    names = [path.name for path in sorted(root.glob("*.toml")) if path.is_file() and not path.is_symlink()]
    return names + [f"{PIPELINES}/{path.name}" for path in sorted(_own(request).glob("*.toml"))]


def _file(request: Request, name: str) -> Path:
    """Return the file of an own pipeline.

    Raises:
        HTTPException: 404 for another file.
    """
    if name not in _names(request):
        raise HTTPException(404, "The studio's folder has no pipeline with that name.")
    folder, _, last = name.rpartition("/")
    return below(_own(request), last) if folder else below(studio_of(request).folder, last)


def _base(request: Request, record: Any) -> tuple[str, str]:  # noqa: ANN401 - query parameters or a form
    """Return what a draft begins with, as its hidden field says it, and its TOML.

    Raises:
        HTTPException: 404 for a run or a pipeline that is not there.
        InputError: a pipeline that cannot be read.
    """
    for key in ("like", "again"):
        location = str(record.get(key) or "")
        if location:
            return f"{key}={location}", toml_text(bare(_recorded(request, key, location)))
    name = str(record.get("pipeline") or "activity")
    if name in shipped():
        return f"pipeline={name}", source_text(name)[0]
    file = _file(request, name)
    text = source_text(str(file))[0]
    table = table_of(text, file.name)
    for room, key in (("data", "path"), ("training", "synthetic"), ("model", "backbone")):
        path = value_at(table, f"{room}.{key}")
        if isinstance(path, str) and path and exists(file.parent / path):
            # A draft is kept in another folder.
            table[room][key] = str(file.parent / path)
    return f"pipeline={name}", changed_text(text, table)


def _recorded(request: Request, key: str, location: str) -> dict[str, Any]:
    """Return the configuration of a run, or of one that broke off."""
    root = studio_of(request).folder
    if key == "like":
        config = dict(read_trace(run_folder(root, location) / RECORD).config)
        if not config:
            raise UploadError("a run with its configuration", "a record of an older version", location)
        return config
    path = journal_file(root, location)
    if not path.is_file():
        raise HTTPException(404, "The journal of that run is deleted.")
    return dict(read_progress(path).opening.config)


def bare(table: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration without what is left out: None is no value of TOML."""
    return {key: bare(value) if isinstance(value, dict) else value for key, value in table.items() if value is not None}


@dataclass(frozen=True)
class _Draft:
    """A pipeline that is edited; a browser sends it back with each change.

    Attributes:
        source: what it began with, as 'pipeline=NAME', 'like=RUN' or 'again=JOURNAL'.
        text: TOML of the blocks.
        typed: TOML as it was typed where it is none; else `text`.
        selected: block whose settings are shown, or 'add.INDEX' for the choice of a new stage.
        tab: 'settings' or 'toml'.
        past, future: texts that undo and redo return to, the latest last.
        last: the setting that the last change changed: as long as it is the same, one undo takes all changes back.
        sample: number of the sample that is shown.
    """

    source: str
    text: str
    typed: str
    selected: str = "data"
    tab: str = "settings"
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    last: str = ""
    sample: int = -1

    @classmethod
    def of(cls, form: FormData) -> _Draft:
        """Read it from a form."""
        text = _lines(form, "text")
        past, future = (_texts(text_of(form, key)) for key in ("past", "future"))
        sample = text_of(form, "sample")
        tab = "toml" if text_of(form, "tab") == "toml" else "settings"
        selected, last = text_of(form, "selected"), text_of(form, "last")
        number = int(sample) if sample.isascii() and sample.isdecimal() and len(sample) < _DIGITS else -1
        return cls(text_of(form, "source"), text, text, selected, tab, past, future, last, number)

    def changed(self, text: str, last: str = "") -> _Draft:
        """Return it with another text, which undo takes back."""
        if text == self.text:
            return replace(self, typed=text)
        again = bool(last) and last == self.last and bool(self.past)
        past = self.past if again else (*self.past, self.text)[-_MOST_STEPS:]
        return replace(self, text=text, typed=text, past=past, future=(), last=last)

    def stepped(self, back: bool) -> _Draft:
        """Return it as it was before the last change, or as it was before that was taken back."""
        past, future = (self.past, self.future) if back else (self.future, self.past)
        if not past:
            return self
        past, text, future = past[:-1], past[-1], (*future, self.text)
        past, future = (past, future) if back else (future, past)
        return replace(self, text=text, typed=text, past=past, future=future, last="")


def _lines(form: FormData, name: str) -> str:
    return text_of(form, name).replace("\r\n", "\n")


def _texts(text: str) -> tuple[str, ...]:
    """Return a list of texts that a browser kept; nothing where it is something else."""
    try:
        return tuple(msgspec.json.decode(text or "[]", type=list[str]))[-_MOST_STEPS:]
    except msgspec.DecodeError:
        return ()


def _opened(request: Request) -> Response:
    source, text = _base(request, request.query_params)
    selected = request.query_params.get("block", "data")
    return _page(request, _Draft(source, text, text, selected))


def _previews(request: Request) -> Any:  # noqa: ANN401 - of a module that is imported late
    shared = studio_of(request).shared
    return shared.get("pipelines") or shared.setdefault("pipelines", import_module(_PREVIEW).Previews())


def _page(request: Request, draft: _Draft, problem: str = "", *, status: int = 200) -> Response:
    key, _, chosen = draft.source.partition("=")
    name = f"{chosen if key == 'pipeline' else 'pipeline'}".rpartition("/")[2].removesuffix(".toml") + ".toml"
    previews = _previews(request)
    blocks: Any = import_module(_BLOCKS)
    typed = ""
    try:
        table_of(draft.typed, name)
    except InputError as error:
        typed = error_text(error)
    table = table_of(draft.text, name)
    view = blocks.view_of(table, name, previews, draft.sample)
    keys = [block.key for block in view.blocks]
    add = re.fullmatch(r"add\.(\d{1,3})", draft.selected)
    if draft.selected not in keys and not (add and int(add[1]) <= len(blocks.stages_of(table))):
        draft, add = replace(draft, selected="data"), None
    before = blocks.view_of(table_of(draft.past[-1], name), name, previews, -1).preview.rows if draft.past else ()
    outputs = view.preview.outputs
    return render(
        request, "start.html", status=status, title=f"Pipeline {table.get('name', '')}",
        name=str(table.get("name", "")), draft=draft, view=view,
        problem=problem, typed=typed, shipped=shipped(), own=_names(request), chosen=chosen,
        changed=key != "pipeline", bars=blocks.bars(view.preview.rows, before), add=int(add[1]) if add else None,
        groups=[] if add else blocks.groups_of(table, draft.selected, view),
        kinds=blocks.stage_kinds(outputs[int(add[1])] if add and int(add[1]) < len(outputs) else None) if add else [],
        block=next((block for block in view.blocks if block.key == draft.selected), None),
        past=msgspec.json.encode(draft.past).decode(), future=msgspec.json.encode(draft.future).decode(),
    )  # fmt: skip


def _sent(request: Request, form: FormData) -> Response:
    """Change the draft by the fields of the shown block, or by its TOML, then by the button that was pressed."""
    draft, action = _Draft.of(form), text_of(form, "do")
    try:
        draft = _edited(draft, form, action)
        if action == "upload":
            draft = _uploaded(request, draft, form)
    except (InputError, LookupError, ValueError, TypeError, AttributeError) as error:
        known = isinstance(error, InputError)
        text = error_text(error) if known else f"This pipeline has nothing to change at {action[:80]!r}."
        return _page(request, draft, text, status=400)
    return _start(request, draft) if action == "train" else _page(request, draft)


def _edited(draft: _Draft, form: FormData, action: str) -> _Draft:
    verb, _, rest = action.partition(":")
    if "draft" in form and action not in ("undo", "redo"):
        typed = _lines(form, "draft")
        try:
            table_of(typed, "")
            draft = draft.changed(typed, "toml")
        except InputError:
            return replace(draft, typed=typed)
    table = table_of(draft.text, "the pipeline")
    if action not in ("undo", "redo"):
        changed = _fields(table, text_of(form, "shown"), form)
        draft = draft.changed(changed_text(draft.text, table), " ".join(changed)) if changed else draft
    if verb == "select":
        return replace(draft, selected=rest, tab="settings")
    if verb == "tab":
        return replace(draft, tab=rest)
    if action in ("undo", "redo"):
        return draft.stepped(action == "undo")
    if verb in ("insert", "move", "remove"):
        key, index = rest.partition(":")[0], arranged(table, action)
        draft = draft.changed(changed_text(draft.text, table))
        if key == "stages":
            left = len(table["stages"])
            return replace(draft, selected=f"stages.{index}" if left else "data")
    return draft


def _fields(table: dict[str, Any], shown: str, form: FormData) -> list[str]:
    """Set what differs from the table in the fields of the shown block, and return the keys."""
    blocks: Any = import_module(_BLOCKS)
    keys: list[str] = []
    stage = re.fullmatch(r"stages\.(\d{1,3})", shown)
    if shown in ("data", "model", "device") or (stage and int(stage[1]) < len(blocks.stages_of(table))):
        pending = [field for group in blocks.settings_of(table, shown) for field in group.fields]
        while pending:
            field = pending.pop()
            pending += [inner for entry in field.entries for inner in entry.fields]
            texts = [text for text in form.getlist(field.name) if isinstance(text, str)]
            if field.kind == "tables" or (not texts and field.kind not in ("flag", "set")):
                continue
            value = field.typed(texts)
            if value != field.typed([field.value]):
                set_value(table, field.key, value)
                keys.append(field.key)
        if "data.kind" in keys or "model.kind" in keys:
            blocks.without_strange_keys(table)
    return keys


def _uploaded(request: Request, draft: _Draft, form: FormData) -> _Draft:
    """Return the draft with a data file of the browser as its data, its columns and windows as they are recognised."""
    file, root = form.get("file"), studio_of(request).folder
    if not isinstance(file, UploadFile) or not file.filename:
        raise UploadError("a data file", "none", "", "Choose one")
    table, proposal = table_of(draft.text, "the pipeline"), import_module(_PROPOSAL)
    wanted = proposal.OwnDataRequest(path=str(below(root, keep(root, file.filename, file.file))))
    base = proposal.base_table(wanted, proposal.look(wanted))
    table.pop("window", None)
    table |= {"data": {**base["data"], "path": wanted.path}, **({"window": base["window"]} if "window" in base else {})}
    return draft.changed(changed_text(draft.text, table))


def _start(request: Request, draft: _Draft) -> Response:
    key, _, name = draft.source.partition("=")
    table = table_of(draft.text, "the pipeline")
    view = import_module(_BLOCKS).view_of(table, f"{table.get('name', 'pipeline')}.toml", _previews(request), -1)
    if view.config is None or draft.typed != draft.text:
        return _page(request, draft, "Nothing was started. Correct the marked blocks.", status=400)
    unchanged = key == "pipeline" and _base(request, {"pipeline": name})[1] == draft.text
    text = f"{CHANGED}{name}\n{draft.text}" if key == "like" else draft.text
    pipeline = name if unchanged and name in shipped() else str(written(request, str(table["name"]), text))
    studio = studio_of(request)
    try:
        back = pipeline if pipeline in shipped() else f"{PIPELINES}/{Path(pipeline).name}"
        number = studio.jobs.start(["--", pipeline], str(table["name"]), f"/start?{urlencode({'pipeline': back})}")
    except InputError as error:
        return _page(request, draft, error_text(error), status=409)
    return RedirectResponse(f"/started/{number}", 303)


def written(request: Request, name: str, text: str) -> Path:
    """Return a pipeline as a TOML file below the studio's folder, named by what stands in it."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = _own(request) / f"{name}-{digest}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.encode())
    return path


def _bring(request: Request, form: FormData) -> Response:
    """Return an own TOML from elsewhere, checked and kept below the studio's folder."""
    file = form.get("file")
    try:
        if not isinstance(file, UploadFile) or not file.filename:
            raise TomlSyntaxError("a TOML file", "none", "", "Choose one")
        content = file.file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise UploadError("a pipeline of at most 256 kB", "more", file.filename)
        try:
            tomllib.loads(content.decode())
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise TomlSyntaxError("valid TOML", " ".join(str(error).split()), file.filename) from None
        stem = re.sub(r"[^A-Za-z0-9_.-]", "-", Path(file.filename).stem).strip(".-")[:40] or "pipeline"
        path = written(request, stem, content.decode())
    except EdgewrightError as error:
        source, text = _base(request, {})
        return _page(request, _Draft(source, text, text), error_text(error), status=400)
    return RedirectResponse(f"/start?pipeline={PIPELINES}/{path.name}", 303)


def _dequeue(request: Request, form: FormData) -> Response:
    """Cancel a run that waits, or forget one that waited when an earlier studio ended."""
    number, left = text_of(form, "job"), text_of(form, "left")
    jobs = studio_of(request).jobs
    if number.isdecimal() and len(number) < _DIGITS and not jobs.remove(int(number)):
        return RedirectResponse(f"/started/{number}", 303)
    if left.isdecimal() and len(left) < _DIGITS:
        jobs.forget(int(left))
    return RedirectResponse("/", 303)


def _started(request: Request) -> Response:
    """Return what became of a job: its place in the queue, its journal's page, why it ended, or to ask again."""
    number, studio = int(request.path_params["job"]), studio_of(request)
    identity = studio.jobs.journal(number)
    if identity:
        return RedirectResponse(f"/live/{quoted(identity)}", 303)
    job = studio.jobs.started.get(number)
    if job is None:
        return RedirectResponse("/", 303)
    position = studio.jobs.position(number)
    if position:
        return render(request, "waiting.html", title=f"Waiting: {job.name}", number=number, position=position,
                      name=job.name, at_once=AT_ONCE)  # fmt: skip
    code = job.process.poll() if job.process is not None else 1
    if code == 0 and job.command:
        return RedirectResponse(job.back, 303)
    if code == 0:
        # It ended before anybody looked: the latest run is its.
        latest = max(studio.runs.finished(), key=lambda run: run.started, default=None)
        return RedirectResponse(f"/page/{quoted(latest.location)}" if latest else "/", 303)
    text = job.last_error_line() if code is not None else ""
    failed = "The run did not start"
    return render(
        request, "started.html", title="Starting" if code is None else failed, going=code is None,
        reason=text or "the process exited unexpectedly", back=job.back,
    )  # fmt: skip


PAGE = Page(
    {
        "/start": (_opened, _sent),
        "/dequeue": (None, _dequeue),
        "/bring": (None, _bring),
        "/started/{job:int}": (_started,),
    },
    rank=20,
    role="train",
)
