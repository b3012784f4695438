"""Reading and writing `trace.json`."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.files import write_atomic
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import model_file
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.trace import TRACE_VERSION, Trace

PAGE_FILE = "trace.html"
HINT = "no page of this run: pip install 'edgewright[trace]'"
_MARK = re.compile(rb'<meta name="generator" content="edgewright [^"]*, page (\d+)">')
# A larger model is neither drawn nor run by a page.
_MOST_MODEL = 16 * 2**20
# Libraries of the extra [trace].
_EXTRA = {"jinja2", "markupsafe"}


def leave_page(trace: Trace, folder: Path) -> Path | None:
    """Write the page beside the record; None where the extra `[trace]` is not installed.

    Raises:
        OutputError: it cannot be written.
    """
    content = render_page(trace, folder)
    if content is None:
        return None
    path = folder / PAGE_FILE
    write_atomic(path, content)
    return path


def render_page(trace: Trace, folder: Path | None = None) -> bytes | None:
    """Return the page's bytes; None where the extra `[trace]` is not installed.

    Args:
        trace: the record.
        folder: of the run, with the exported model; None where there is none.
    """
    try:
        html = importlib.import_module("edgewright.trace.html")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in _EXTRA:
            return None
        raise
    content: str = html.page_html(trace, exported_graph(folder))
    return content.encode()


def exported_graph(folder: Path | None) -> Graph | None:
    """Return the float model of a run folder; None where it is absent, damaged or far too large for a page."""
    path = None if folder is None else folder / model_file("float")
    try:
        graph = None if path is None or path.stat().st_size > _MOST_MODEL else read_onnx(path.read_bytes())
    except (OSError, InputError):
        return None
    return graph if graph is not None and len(graph.inputs) == 1 else None


def page_version(path: Path) -> int:
    """Version of the page in a file; 0 where it is no page, or not there."""
    try:
        with path.open("rb") as file:
            mark = _MARK.search(file.read(4096))
    except OSError:
        return 0
    return int(mark[1]) if mark else 0


class RecordVersion(msgspec.Struct, frozen=True):
    """The one field that is read before the rest is believed."""

    version: int


def trace_bytes(trace: Trace) -> bytes:
    """Return the record as JSON: fields in the order of the schema, keys of tables sorted, two blanks of indent."""
    return msgspec.json.format(msgspec.json.encode(trace, order="sorted"), indent=2) + b"\n"


def write_trace(trace: Trace, path: Path) -> None:
    """Write the record whole or not at all.

    Raises:
        OutputError: when the file cannot be written, a full disk for example.
    """
    write_atomic(path, trace_bytes(trace))


def as_it_was(config: dict[str, Any]) -> None:
    """Add to a stored configuration what keys that it lacks meant when it was stored, all defaults included."""
    if config:
        config.setdefault("refit", False)
    if isinstance(window := config.get("window"), dict):
        window.setdefault("target", "mean")


def read_trace(path: Path) -> Trace:
    """Read a record of this version or an older one.

    Raises:
        InputError: when the file is absent, is no record, is cut off, or was written by a newer version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            "a trace.json", error.strerror or str(error), str(path), "Give the folder of a finished run"
        ) from error
    return parse_trace(content, str(path))


def parse_trace(content: bytes, where: str) -> Trace:
    """Return the record in `content`; `where` names the file in messages.

    Raises:
        InputError: as `read_trace`.
    """
    try:
        version = msgspec.json.decode(content, type=RecordVersion).version
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a whole trace.json", _reason(error), where, "Run the pipeline again") from error
    if version > TRACE_VERSION:
        raise InputError(
            f"a trace of version {TRACE_VERSION} or older", f"version {version}", where, "Update edgewright"
        )
    if version < 1:
        raise InputError("a trace of version 1 or newer", f"version {version}", where)
    try:
        trace = msgspec.json.decode(content, type=Trace)
        as_it_was(trace.config)
        return trace
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a trace with every part", _reason(error), where, "Run the pipeline again") from error


def _reason(error: Exception) -> str:
    """Return the decoder's message, which names the place, as part of a sentence."""
    text = str(error).replace("`", "'")
    return text[:1].lower() + text[1:]
