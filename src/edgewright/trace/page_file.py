"""`trace.html` of a run folder: written, judged by its version, and left out where what draws it is not installed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from edgewright.schema.trace import Trace
from edgewright.trace.record import write_whole

PAGE_FILE = "trace.html"
PAGE_VERSION = 1
"""Raised when the page changes: `edgewright show` makes pages of another version anew."""
HINT = "no page of this run: pip install 'edgewright[trace]'"
_MARK = re.compile(rb'<meta name="generator" content="edgewright [^"]*, page (\d+)">')
# Libraries of the extra [trace].
_EXTRA = {"jinja2", "markupsafe"}


def leave_page(trace: Trace, folder: Path) -> Path | None:
    """Writes the page beside the record; None where the extra `[trace]` is not installed.

    Raises:
        OutputError: it cannot be written.
    """
    content = render_page(trace)
    if content is None:
        return None
    path = folder / PAGE_FILE
    write_whole(path, content, "the page")
    return path


def render_page(trace: Trace) -> bytes | None:
    """The page's bytes; None where the extra `[trace]` is not installed."""
    html = _room("html")
    return None if html is None else html.page_html(trace).encode()


def page_version(path: Path) -> int:
    """Version of the page in a file; 0 where it is no page, or not there."""
    try:
        with path.open("rb") as file:
            found = _MARK.search(file.read(4096))
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _room(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(f"edgewright.trace.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in _EXTRA:
            return None
        raise
