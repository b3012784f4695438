"""`edgewright show`: what it takes, what it makes anew, and what it says."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path

import msgspec
import pytest

import trace_example
from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.records.trace import PAGE_VERSION, TRACE_VERSION
from edgewright.trace import page_model as page_file
from edgewright.trace.page_model import PAGE_FILE, page_version, trace_bytes, write_trace


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a run folder with a record and no page, on a machine without a screen."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "activity"
    folder.mkdir()
    write_trace(trace_example.trace(3), folder / "trace.json")
    return folder


def test_a_page_that_is_absent_is_made(folder: Path, cli: Cli) -> None:
    text = cli("show", folder)
    page = folder / PAGE_FILE
    assert page_version(page) == PAGE_VERSION
    assert f"page {page}" in text
    assert f"no browser was found; open {page.as_uri()}" in text


def test_a_fresh_page_stays_and_an_older_one_is_made_anew(folder: Path) -> None:
    assert run(["show", str(folder), "--no-open"]) == 0
    page = folder / PAGE_FILE
    marked = page.read_bytes() + b"<!-- mine -->"
    page.write_bytes(marked)
    assert run(["show", str(page), "--no-open"]) == 0
    assert page.read_bytes() == marked
    page.write_bytes(marked.replace(f"page {PAGE_VERSION}".encode(), b"page 0", 1))
    assert run(["show", str(folder / "trace.json"), "--no-open"]) == 0
    assert b"<!-- mine -->" not in page.read_bytes()


def test_it_says_what_the_model_cannot_notice(folder: Path, cli: Cli) -> None:
    missed = trace_example.trace(3).unnoticed
    for _ in ("a page that is made", "a fresh one"):
        assert f"this model cannot notice: {'; '.join(missed)}" in cli("show", folder)
    assert json.loads(cli("show", folder, "--json"))["unnoticed"] == list(missed)
    (folder / "trace.json").write_text("{")
    os.utime(folder / "trace.json", (0, 0))
    assert "cannot notice" not in cli("show", folder)


def test_the_page_goes_where_it_is_asked(folder: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "other.html"
    record = json.loads(cli("show", folder, "--json", "--out", out))
    assert record["page"] == str(out)
    assert record["bytes"] == out.stat().st_size
    assert not (folder / PAGE_FILE).exists()
    # A page alone, without its record, is shown as it is.
    assert run(["show", str(out), "--no-open"]) == 0


def test_a_record_of_version_1_is_shown(folder: Path) -> None:
    content = json.loads(trace_bytes(trace_example.trace(3)))
    content["version"] = 1
    for name in ("config", "state", "reason"):
        content.pop(name)
    (folder / "trace.json").write_text(json.dumps(content), encoding="utf-8")
    assert run(["show", str(folder), "--no-open"]) == 0
    assert "record" in (folder / PAGE_FILE).read_text(encoding="utf-8")


def test_a_newer_record_a_cut_one_and_strangers_are_refused(folder: Path, tmp_path: Path, cli: Cli) -> None:
    record = folder / "trace.json"
    whole = record.read_bytes()
    stranger = tmp_path / "other.html"
    stranger.write_text("<p>hello", encoding="utf-8")
    newer = msgspec.json.encode({**json.loads(whole), "version": TRACE_VERSION + 1})
    for content, path, text in (
        (newer, folder, f"version {TRACE_VERSION + 1}"),
        (whole[:500], folder, "whole trace.json"),
        (whole, tmp_path / "none", "no such file"),
        (whole, stranger, "another HTML file"),
        (whole, tmp_path, "a folder without one"),
    ):
        record.write_bytes(content)
        error = cli("show", path, "--no-open", code=2)
        assert text in error
        assert error.count("\n") == 1
    assert not (folder / PAGE_FILE).exists()


def test_without_the_extra_show_names_it_and_a_run_leaves_no_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    real = importlib.import_module

    def absent(name: str) -> object:
        if name == "edgewright.trace.html":
            raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    assert "pip install 'edgewright[trace]'" in cli("show", folder, code=2)
    assert page_file.leave_page(trace_example.trace(3), folder) is None
