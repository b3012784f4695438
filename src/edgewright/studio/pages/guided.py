"""The guided start: a file, what was recognised in it, its signal, a device, and the run; nothing is typed as TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from edgewright.core.errors import EdgewrightError, UploadError
from edgewright.core.toml_tables import toml_text
from edgewright.data.load import load_data
from edgewright.data.roles import NONE
from edgewright.data.simulated import marked
from edgewright.data.table_file import write_table_file
from edgewright.data.tabular import SAMPLES
from edgewright.pipeline.config import is_own_data
from edgewright.profiles.catalogue import listing, load_profile
from edgewright.studio.frame import Page, error_text, quoted, render, studio_of, text_of
from edgewright.studio.local_server import (
    LARGEST_BODY,
    FormData,
    HTTPException,
    RedirectResponse,
    Request,
    Response,
    UploadFile,
)
from edgewright.studio.pages.data import look
from edgewright.studio.pages.start import PIPELINES, written
from edgewright.studio.paths import keep, keep_written
from edgewright.studio.view.data_sources import Origin, at_path

if TYPE_CHECKING:
    from edgewright.studio.view.own_data import Reading
    from edgewright.workflows.own_data.proposal import OwnDataRequest

# They bring the libraries of training, which the first page does without.
_VIEW, _PROPOSAL = "edgewright.studio.view.own_data", "edgewright.workflows.own_data.proposal"
_ROLES = {"target": "To be predicted", "group": "Person or machine", "session": "Recording", "time": "Time"}
_FRAMINGS = {"row": "each row by itself", "recording": "a whole recording", "window": "a window of the stream"}


@dataclass(frozen=True)
class _Choices:
    """What the form says: a role is a column, 'none', or empty for what is recognised."""

    roles: Mapping[str, str]
    ignore: tuple[str, ...]
    decision: str
    rows: str
    keep: str
    features: str
    device: str

    @classmethod
    def of(cls, given: Mapping[str, object], ignore: tuple[str, ...]) -> _Choices:
        """Read them from an address or a form."""

        def text(key: str) -> str:
            return str(given.get(key) or "").strip()

        texts = {key: text(key) for key in ("decision", "rows", "keep", "features", "device")}
        return cls({key: text(key) for key in _ROLES}, ignore, **texts)

    @property
    def count(self) -> int | None:
        """How many features the model takes; None for all.

        Raises:
            InputError: no number.
        """
        if self.keep != "best":
            return None
        return _number(self.features, 1, "at least one feature", "features")

    def request(self, path: str) -> OwnDataRequest:
        """Return what is asked of the data.

        Raises:
            InputError: a window that is no number of rows.
        """
        decision = self.decision if self.decision in _FRAMINGS else ""
        if decision == "window":
            decision = f"{_number(self.rows, 0, 'a window of two rows or more', 'window')} rows"
        data_request: OwnDataRequest = import_module(_PROPOSAL).OwnDataRequest(
            path=path, ignore=self.ignore, decision=decision, device=self.device, features=self.count,
            **self.roles,
        )  # fmt: skip
        return data_request


def _number(text: str, minimum: int, expected: str, where: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or int(text) < minimum:
        raise UploadError(expected, repr(text[:20]), where)
    return int(text)


def _files(request: Request, problem: str = "", *, status: int = 200) -> Response:
    return render(request, "guided.html", status=status, title="Start from your data", problem=problem, **form_parts())


def form_parts() -> dict[str, Any]:
    """Return what the form for a file needs, which the list of runs shows too while it is empty."""
    return {"samples": sorted(SAMPLES), "largest": LARGEST_BODY}


def _take(request: Request, form: FormData) -> Response:
    """Take a file, a sample or a path, and go on to what was recognised."""
    root, file, sample = studio_of(request).folder, form.get("file"), text_of(form, "sample")
    location = text_of(form, "path").strip().strip("/")
    try:
        if sample in SAMPLES:
            data = marked(load_data(dict(SAMPLES[sample]), seed=0))
            location = keep_written(root, f"{sample}.csv", lambda path: write_table_file(data, path))
        elif isinstance(file, UploadFile) and file.filename:
            location = keep(root, file.filename, file.file)
        elif not location:
            raise UploadError("a file", "none", "", "Choose a file, a path or a sample")
        _origin(request, location)
    except HTTPException as error:
        return _files(request, str(error.detail), status=error.status_code)
    except EdgewrightError as error:
        return _files(request, error_text(error), status=400)
    return RedirectResponse(quoted(f"/new/{location}"), 303)


def _origin(request: Request, location: str) -> Origin:
    """Return data at a place below the studio's folder.

    Raises:
        HTTPException: there is no such place.
        InputError: it is nothing that a pipeline can be proposed for.
    """
    origin = at_path(studio_of(request).folder, location, {})
    if not is_own_data(str(origin.path)):
        raise UploadError("a CSV, Parquet or WAV file, a ZIP of pictures, or a folder of them", location)
    return origin


def _columns(request: Request) -> Response:
    query = request.query_params
    return _shown(request, _Choices.of(query, tuple(query.getlist("ignore"))))


def _shown(request: Request, choices: _Choices, problem: str = "", *, status: int = 200) -> Response:
    location = str(request.path_params["place"]).strip("/")
    try:
        reading = _reading(request, location, choices)
    except EdgewrightError as error:
        return render(request, "guided_unread.html", status=400, title=f"Start: {location}", location=location,
                      problem=error_text(error))  # fmt: skip
    data, opened = reading.data, reading.opened
    problem = problem or reading.problem
    context: dict[str, Any] = {"pictures": []}
    view = import_module(_VIEW)
    if data is not None and opened is not None:
        features = reading.features
        picture, why = view.separation(opened, features, reading.count)
        shown, further = view.findings(data)
        context = {
            "lines": view.column_lines(data), "findings": shown, "further": further, "map": picture, "why": why,
            "picture": view.picture(opened), "pictures": view.shown_pictures(opened), "looks": look(opened.classes),
            "features": features, "bytes_kept": view.window_bytes(data), "longest": view.longest_window(data),
            **{f"{name}_address": view.data_address(opened, name) for name in ("signal", "map", "pictures")},
        }  # fmt: skip
    return render(
        request, "guided_columns.html", status=400 if problem and status == 200 else status, title=f"Start: {location}",
        location=location, choices=choices, reading=reading, inspected=data, problem=problem, roles=_ROLES, none=NONE,
        framings=_FRAMINGS, devices={name: load_profile(name).description for name in listing()},
        **context,
    )  # fmt: skip


def _reading(request: Request, location: str, choices: _Choices) -> Reading:
    origin = _origin(request, location)
    readings = studio_of(request).shared.setdefault("own_data", import_module(_VIEW).Readings())
    reading: Reading = readings.read(origin, choices.request(str(origin.path)))  # type: ignore[attr-defined]
    return reading


def _train(request: Request, form: FormData) -> Response:
    """Start the run with what the form says; the pipeline is chosen in the run's own process."""
    location = str(request.path_params["place"]).strip("/")
    choices = _Choices.of(form, tuple(str(name) for name in form.getlist("ignore")))
    try:
        reading = _reading(request, location, choices)
        if reading.problem:
            return _shown(request, choices)
        if "draw" in form:
            table = import_module(_VIEW).drawn_pipeline(reading)
            path = written(request, str(table["name"]), toml_text(table))
            return RedirectResponse(f"/start?pipeline={PIPELINES}/{path.name}", 303)
        back = _back(request, location, choices)
        number = studio_of(request).jobs.start(
            _arguments(reading.request, reading.count), location.rpartition("/")[2], back
        )
    except EdgewrightError as error:
        return _shown(request, choices, error_text(error), status=409)
    return RedirectResponse(f"/started/{number}", 303)


def _arguments(wanted: OwnDataRequest, features: int | None) -> list[str]:
    """Return the arguments of `edgewright run` that say the same."""
    values = {**{key: getattr(wanted, key) for key in (*_ROLES, "decision", "device")}, "features": features}
    named = [f"--{key}={value}" for key, value in values.items() if value]
    return [*named, *(f"--ignore={name}" for name in wanted.ignore), "--", str(Path(wanted.path))]


def _back(request: Request, location: str, choices: _Choices) -> str:
    """Return the address of the form as it was filled in."""
    filled = {
        **choices.roles,
        **{key: getattr(choices, key) for key in ("decision", "rows", "keep", "features", "device")},
    }
    query = [(key, value) for key, value in filled.items() if value] + [("ignore", name) for name in choices.ignore]
    address = quoted(f"/new/{location}")
    return address + (f"?{urlencode(query)}" if query else "")


PAGE = Page(
    {"/new": (_files, _take), "/new/{place:path}": (_columns, _train)},
    tab="Start",
    rank=20,
    address="/new",
    role="train",
)
