"""`edgewright show`: opens the page of a run, and makes it anew where it is absent or of an older version."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option, wants_json
from edgewright.core.errors import ExistingFileError, InputError, MissingExtraError, RunNotFoundError

if TYPE_CHECKING:
    from edgewright.core.records.trace import Trace

_DO = "Give a run folder, its trace.json or trace.html, or a journal"


@declare(example="runs/activity", json="Print the page's location, size and version as JSON.")
def command(
    run: Path = argument(),
    out: Path | None = option(help="Write the page to this file instead."),
    opened: bool = option("--open/--no-open", default=True, show_default=True, help="Open the page in a browser."),
) -> Result:
    """Open the page of RUN in a browser.

    RUN is a run folder, a trace.json, a trace.html, or the journal of a run that is in progress or was interrupted
    (.edgewright/journals/*.jsonl next to the run folders). The page is one file that needs no network. It is
    regenerated from the trace if it is missing or was written by another version. Without a browser its address is
    printed.
    """
    from edgewright.core.records.trace import PAGE_VERSION
    from edgewright.trace.sentences.facts import unnoticed_text

    path, trace = _page_of(run, out)
    missed = () if trace is None else trace.unnoticed
    url = path.resolve().as_uri()
    record = {"page": str(path), "url": url, "bytes": path.stat().st_size, "version": PAGE_VERSION,
              "unnoticed": missed}  # fmt: skip
    lines = [f"page {click.format_filename(path)}"]
    if not opened:
        lines.append(f"open {url}")
    elif not wants_json() and not _open(url):
        lines.append(f"no browser was found; open {url}")
    if missed:
        lines.append(unnoticed_text(missed))
    return Result(record, lines, compact=True)


def _page_of(run: Path, out: Path | None) -> tuple[Path, Trace | None]:
    """Return the file of the page, made where it has to be, and its record; None where that cannot be read.

    Raises:
        InputError: `run` is nothing that a page can be made from.
        MissingExtraError: what draws the page is not installed.
        OutputError: the page cannot be written.
    """
    from edgewright.core.files import write_atomic
    from edgewright.core.records.trace import PAGE_VERSION
    from edgewright.trace.page_model import PAGE_FILE, page_version, render_page

    record, page = _source(run)
    if out is not None and out.is_dir():
        out = out / PAGE_FILE
    if out is not None and record is not None and out.resolve() == record.resolve():
        raise ExistingFileError("a page file other than its record", str(out), "--out")
    if record is None:
        if out is not None:
            write_atomic(out, page.read_bytes())
        return out or page, None
    fresh = page.exists() and page_version(page) == PAGE_VERSION and page.stat().st_mtime >= record.stat().st_mtime
    if fresh and out is None:
        try:
            return page, _read(record)
        except InputError:  # the page stands without it
            return page, None
    trace = _read(record)
    html = render_page(trace, record.parent)
    if html is None:
        raise MissingExtraError("trace", "what draws the page")
    path = out or (page if os.access(page.parent, os.W_OK) else _elsewhere(record))
    write_atomic(path, html)
    return path, trace


def _source(run: Path) -> tuple[Path | None, Path]:
    """Return the record (None where only a page is there) and where its page belongs.

    Raises:
        InputError: there is neither.
    """
    from edgewright.trace.page_model import PAGE_FILE, page_version

    if run.is_dir():
        record = run / "trace.json"
        if not record.exists():
            if page_version(run / PAGE_FILE):
                return None, run / PAGE_FILE
            raise RunNotFoundError("a run folder with a trace.json", "a folder without one", str(run), _DO)
        return record, run / PAGE_FILE
    if not run.exists():
        raise RunNotFoundError("a run", "no such file or folder", str(run), _DO)
    if run.suffix == ".html":
        record = run.with_name("trace.json")
        if record.exists() and run.name == PAGE_FILE:
            return record, run
        if not page_version(run):
            raise RunNotFoundError("a page of Edgewright", "another HTML file", str(run), _DO)
        return None, run
    if run.suffix == ".jsonl":
        return run, _elsewhere(run)
    if run.suffix != ".json":
        raise RunNotFoundError("a run", f"a file that ends in {run.suffix or 'nothing'!r}", str(run), _DO)
    return run, run.with_name(PAGE_FILE) if run.name == "trace.json" else run.with_suffix(".html")


def _read(record: Path) -> Trace:
    if record.suffix == ".jsonl":
        from edgewright.trace.journal import read_journal

        return read_journal(record)
    from edgewright.trace.page_model import read_trace

    return read_trace(record)


def _elsewhere(record: Path) -> Path:
    """Return a path in the temporary folder for a page that cannot be written beside its record."""
    name = record.parent.name if record.name == "trace.json" else record.stem
    return Path(tempfile.mkdtemp(prefix="edgewright-")) / f"{name}.html"


def _open(url: str) -> bool:
    """Return whether a browser took the page; one in a terminal is none, as it would take the terminal."""
    import webbrowser

    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in screens):
        return False
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
