"""The second server of `studio --phone`: TLS on the local network, beside the studio on this machine."""

from __future__ import annotations

import csv
import io
import math
import mimetypes
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edgewright.core.errors import EdgewrightError, InputError, RecordingError
from edgewright.core.files import write_atomic
from edgewright.core.formatting import plural
from edgewright.core.request_origin import server_context
from edgewright.export.contract import read_subject
from edgewright.export.targets import web
from edgewright.export.web.module import template
from edgewright.studio.frame import HERE, error_text, quoted
from edgewright.studio.local_server import LARGEST_BODY, TooLargeError, listening
from edgewright.studio.paths import RECORD, run_folder
from edgewright.studio.phone.certificate import Access, Certificate, Guard
from edgewright.trace.journal import FOLDER as JOURNALS

FOLDER = "data/phone"
"""Folder below the studio's that recordings are kept in."""
_LONGEST = 60
_MAX_ROWS, _MAX_BEGUN, _REMEMBERED = 1_000_000, 20, 20
_NAME = re.compile(r"[0-9a-f]{32}")
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RESERVED = ("session", "person", "time", "label")


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a phone recorded.

    Attributes:
        label: what it shows.
        person: whose it is.
        session: when it was, in the words of the phone's clock.
        rate: rows a second.
        columns: names of the values of a row.
        rows: of values; None where a sensor gave none.
    """

    label: str
    person: str
    session: str
    rate: float
    columns: list[str]
    rows: list[list[float | None]]


def keep_recording(root: Path, given: Recording) -> tuple[str, int]:
    """Write a recording to a file of its own, whole or not at all.

    Args:
        root: folder of the studio.
        given: the recording.

    Returns:
        Where it lies below `root`, and how many rows it has.

    Raises:
        InputError: what is no recording.
        OutputError: it cannot be written.
    """
    _check(given)
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(["session", "person", "time", *given.columns, "label"])
    for i, row in enumerate(given.rows):
        values = ["" if value is None else f"{value:.9g}" for value in row]
        writer.writerow([given.session, given.person, f"{i / given.rate:.6f}", *values, given.label])
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    stem = "-".join(_plain(text) for text in (given.label, given.person, given.session))
    content, number = sheet.getvalue().encode(), 1
    # The same recording is kept once: a studio may have ended between its file and the end of its parts.
    while (file := folder / (name := f"{stem}{f'-{number}' if number > 1 else ''}.csv")).exists():
        if file.read_bytes() == content:
            break
        number += 1
    write_atomic(file, content)
    return f"{FOLDER}/{name}", len(given.rows)


R = TypeVar("R", bound=Recording)


class Part(Recording, frozen=True, forbid_unknown_fields=True):
    """Rows of a recording from one on."""

    at: int = 0


class Begun(msgspec.Struct, frozen=True):
    """A recording whose end has not come: its name, what it is, and how many seconds of it are there."""

    name: str
    label: str
    person: str
    seconds: float


def add_part(root: Path, name: str, body: bytes) -> None:
    """Keep a part of a recording; a part may come twice.

    Args:
        root: folder of the studio.
        name: of the recording, as the page chose it.
        body: a `Part` as JSON.

    Raises:
        InputError: what is no part.
        OutputError: it cannot be written.
    """
    part, folder = _decoded(body, Part), _begun(root) / name
    _check(part)
    if not 0 <= part.at <= _MAX_ROWS:
        raise RecordingError(f"1 to {_MAX_ROWS:,} rows", f"{part.at:,}", "the recording")
    if not part.at and not folder.exists() and len(begun_recordings(root)) >= _MAX_BEGUN:
        raise RecordingError(f"at most {_MAX_BEGUN} recordings that are not kept", "more", "", "Keep or delete one")
    if part.at and not folder.exists():
        raise RecordingError("a recording that is under way", "one that was kept or deleted", "", "Record it again")
    path = folder / f"{part.at:07d}"
    if path.exists() and len(_decoded(path.read_bytes(), Part).rows) > len(part.rows):
        # What a page sends when it is left is short, and may come behind a longer part.
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, body)


_ending = threading.Lock()


def kept_line(root: Path, name: str) -> str:
    """Return what was said of a recording that was kept lately: its answer may have been lost; empty for others."""
    try:
        return (_begun(root) / f"{name}.kept").read_text(encoding="utf-8")
    except OSError:
        return ""


def end_recording(root: Path, name: str, *, keep: bool) -> str:
    """Make one file of the parts of a recording, or delete them, and return what was kept in a line.

    What was kept is kept once, however often a page asks.

    Raises:
        InputError: there are no parts, or one is missing.
        OutputError: it cannot be written.
    """
    folder, line = _begun(root) / name, kept_line(root, name) if keep else ""
    if line:
        # A studio may have ended before it deleted the parts.
        shutil.rmtree(folder, ignore_errors=True)
        return line
    parts = _parts(folder)
    if not parts:
        raise RecordingError("a recording that is under way", "one that was kept or deleted", "", "Record it again")
    if keep:
        rows: list[list[float | None]] = []
        for part in parts:
            if part.at > len(rows):
                raise RecordingError("the parts of a recording one after another", "a gap", name, "Record it again")
            rows[part.at : part.at + len(part.rows)] = part.rows
        first = {key: getattr(parts[0], key) for key in Recording.__struct_fields__}
        file, count = keep_recording(root, Recording(**{**first, "rows": rows}))
        line = f"{plural(count, 'row')} in {file}"
        for old in sorted(_begun(root).glob("*.kept"), key=lambda path: path.stat().st_mtime)[:-_REMEMBERED]:
            old.unlink(missing_ok=True)
        write_atomic(_begun(root) / f"{name}.kept", line.encode())
    shutil.rmtree(folder)
    return line


def begun_recordings(root: Path) -> list[Begun]:
    """Return the recordings whose end has not come, but for those that cannot be read."""
    recordings = []
    for folder in sorted(_begun(root).glob("*")):
        try:
            parts = [_decoded(path.read_bytes(), Part) for path in sorted(folder.glob("[0-9]*"))[-1:]]
        except (InputError, OSError):
            continue
        recordings += [
            Begun(folder.name, last.label, last.person, (last.at + len(last.rows)) / last.rate) for last in parts
        ]
    return recordings


def _begun(root: Path) -> Path:
    return root / JOURNALS / "phone"


def _parts(folder: Path) -> list[Part]:
    """Return the parts that are kept, in order."""
    return [_decoded(path.read_bytes(), Part) for path in sorted(folder.glob("[0-9]*"))]


def _decoded(body: bytes, kind: type[R]) -> R:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())[:200]
        raise RecordingError("a whole recording", text, "the upload", "Record it again") from None


def labels_of(root: Path) -> list[str]:
    """Return the labels of the recordings that are there, each once."""
    labels = set()
    for path in sorted((root / FOLDER).glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            labels.add(next((row.get("label") or "" for row in rows), ""))
    return sorted(labels - {""})


def _check(given: Recording) -> None:
    for name in ("label", "person", "session"):
        text = getattr(given, name)
        if not text.strip() or text != text.strip() or len(text) > _LONGEST or not text.isprintable():
            got = repr(text[:_LONGEST]) if text else "nothing"
            raise RecordingError(f"a {name} of 1 to {_LONGEST} letters", got, "the recording", f"Type a {name}")
        if text[0] in "=+-@":
            raise RecordingError(f"a {name} that begins with a letter or digit", repr(text), "the recording")
    if not (math.isfinite(given.rate) and 0 < given.rate <= 1000):
        raise RecordingError("a rate of at most 1,000 rows a second", f"{given.rate:g}", "the recording")
    wrong = [name for name in given.columns if not _COLUMN.fullmatch(name) or name in _RESERVED]
    if wrong or not given.columns or len(set(given.columns)) != len(given.columns):
        raise RecordingError("names of columns", f"{wrong or given.columns}"[:_LONGEST], "the recording")
    if not 1 <= len(given.rows) <= _MAX_ROWS:
        raise RecordingError(f"1 to {_MAX_ROWS:,} rows", f"{len(given.rows):,}", "the recording", "Record it again")
    for i, row in enumerate(given.rows):
        if len(row) != len(given.columns):
            raise RecordingError(f"{len(given.columns)} values", f"{len(row)}", f"the recording, row {i + 1}")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:_LONGEST] or "x"


_STATIC = ("sensors.js", "style.css", "icon.svg")
_ROOM = HERE / "phone"
_MOST_APPS = 8
_TYPES = {".wasm": "application/wasm", ".webmanifest": "application/manifest+json", ".js": "text/javascript"}


@dataclass
class _Phone:
    """What the pages share: the studio's folder, templates, and the apps that were made, by run."""

    folder: Path
    templates: Environment
    apps: OrderedDict[str, dict[str, bytes]] = field(default_factory=OrderedDict)


def phone_app(folder: Path, access: Access, address: str, port: int, *, largest: int = LARGEST_BODY) -> Starlette:
    """Return the application for a phone.

    Args:
        folder: of runs, that recordings go below.
        access: who may use it.
        address: that it is reached by.
        port: the same.
        largest: bytes of a recording.
    """
    hosts = frozenset(name.encode() for name in (f"{address}:{port}", *([address] if port == 443 else [])))
    loader = FileSystemLoader(_ROOM)
    templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    templates.filters["path"] = quoted
    app = Starlette(
        routes=[
            Route("/", _page),
            Route("/static/{name}", _static),
            Route("/recordings/{name:str}", _record, methods=["POST"]),
            Route("/app/{run:path}/{file}", _app_file),
            Route("/app/{run:path}/", _app_file),
        ],
        middleware=[Middleware(Guard, access=access, hosts=hosts, largest=largest)],
        exception_handlers=dict.fromkeys((HTTPException, EdgewrightError, ClientDisconnect), _failed),
    )
    app.state.phone = _Phone(folder.resolve(), templates)
    return app


def _phone(request: Request) -> _Phone:
    phone: _Phone = request.app.state.phone
    return phone


async def _page(request: Request) -> Response:
    phone = _phone(request)

    def text() -> str:
        runs = sorted(path.parent for path in phone.folder.glob(f"*/{RECORD}") if any(path.parent.glob("*.edge")))
        names = [folder.relative_to(phone.folder).as_posix() for folder in runs]
        left = begun_recordings(phone.folder)
        return phone.templates.get_template("phone.html").render(labels=labels_of(phone.folder), runs=names, left=left)

    return Response(await run_in_threadpool(text), media_type="text/html")


async def _static(request: Request) -> Response:
    name = str(request.path_params["name"])
    if name != "phone.js" and name not in _STATIC:
        raise HTTPException(404, "There is no such file.")
    return _file(name, (_ROOM / name).read_bytes() if name == "phone.js" else template(name).encode())


async def _record(request: Request) -> Response:
    """Keep a part of a recording, or end it: `?end=keep`, `?end=delete`."""
    name, end, body = str(request.path_params["name"]), request.query_params.get("end", ""), await request.body()
    if not _NAME.fullmatch(name) or end not in ("", "keep", "delete"):
        raise HTTPException(404, "There is no such recording.")

    def work() -> str:
        root = _phone(request).folder
        with _ending:
            # A part behind the end would begin the recording again: a page sends both until it has an answer.
            if body and not kept_line(root, name):
                add_part(root, name, body)
            return end_recording(root, name, keep=end == "keep") if end else ""

    return PlainTextResponse(await run_in_threadpool(work))


async def _app_file(request: Request) -> Response:
    phone, run = _phone(request), str(request.path_params["run"])
    file = str(request.path_params.get("file", "index.html"))
    folder = run_folder(phone.folder, run)

    def app_files() -> dict[str, bytes]:
        key = f"{run} {max(path.stat().st_mtime_ns for path in folder.iterdir())}"
        if key not in phone.apps:
            phone.apps[key] = web.TARGET.files(read_subject(folder))
            while len(phone.apps) > _MOST_APPS:
                phone.apps.popitem(last=False)
        return phone.apps[key]

    files = await run_in_threadpool(app_files)
    if file not in files:
        raise HTTPException(404, "The app has no such file.")
    return _file(file, files[file])


def _file(name: str, content: bytes) -> Response:
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(content, media_type=kind)


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return PlainTextResponse(error.detail, error.status_code)
    broken_off = isinstance(error, ClientDisconnect)
    text = "The upload broke off; nothing was kept." if broken_off else error_text(error)
    return PlainTextResponse(text, 413 if isinstance(error, TooLargeError) else 400)


@dataclass(frozen=True)
class PhonePages:
    """Where the phone's pages are and who may open them.

    Attributes:
        address, port: that they are served at.
        certificate: of the connection.
        access: its token is in the code.
    """

    address: str
    port: int
    certificate: Certificate
    access: Access

    @property
    def url(self) -> str:
        """The address with the token, as the code has it."""
        return f"https://{self.address}:{self.port}/?token={self.access.token}"


@asynccontextmanager
async def phone_server(folder: Path, pages: PhonePages) -> AsyncIterator[None]:
    """Serve the phone's pages as long as the context is open.

    Args:
        folder: of runs.
        pages: where.

    Raises:
        InputError: the server did not start.
    """
    app = phone_app(folder, pages.access, pages.address, pages.port)
    tls = server_context(pages.certificate.certificate, pages.certificate.key)
    async with listening(app, pages.address, pages.port, tls):
        yield
