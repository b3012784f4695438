"""A run in the terminal: forty lines at most, each stage on a line, and what comes next."""

from __future__ import annotations

import io
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

import hostile
import trace_example as example
from cli_runner import Cli
from edgewright.core.package import read_package
from edgewright.core.records.trace import Trace
from edgewright.monitor.drift.stream_monitor import unnoticed
from edgewright.trace.blocks.flow_picture import tiles
from edgewright.trace.page import page_of, print_parts
from edgewright.trace.page_model import HINT, PAGE_FILE, read_trace
from edgewright.trace.sentences.facts import unnoticed_text
from edgewright.trace.terminal import brief_parts

NEXT = [("edgewright show runs/activity", "opens its page")]


def brief(trace: Trace, folder: Path, width: int = 80) -> list[str]:
    """Return the lines as a pipe has them."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        print_parts(brief_parts(trace, folder, NEXT, page_of(console)), console)
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_a_run_takes_forty_lines_and_each_stage_one(width: int, tmp_path: Path) -> None:
    trace = example.trace(80)
    lines = brief(trace, tmp_path, width)
    assert len(lines) <= 40
    assert max(map(len, lines[:-1])) <= width
    text = "\n".join(lines)
    assert " ".join(trace.verdict.split()) in " ".join(text.split())
    assert trace.insight.sentence[:40] in text
    for tile in (tile for tile in tiles(trace) if tile.anchor != "training"):
        (line,) = [line for line in lines if line.startswith(tile.title)]
        assert tile.shape[: width // 3 - 1] in line
    assert "loss" in text
    assert "edgewright show runs/activity" in text
    assert lines[-1] == HINT


def test_a_run_names_its_page_at_the_end(tmp_path: Path) -> None:
    (tmp_path / PAGE_FILE).write_text("a page")
    assert brief(example.trace(3), tmp_path, 200)[-1] == f"page {tmp_path / PAGE_FILE}"


def test_warnings_beyond_two_are_counted(tmp_path: Path) -> None:
    trace = msgspec.structs.replace(example.trace(3), warnings=("first", "second", "third", "fourth"))
    lines = [line for line in brief(trace, tmp_path) if "warning" in line]
    assert lines == ["warning: first", "warning: second", "2 more warnings in the page"]


def test_a_run_says_what_its_model_cannot_notice(tmp_path: Path) -> None:
    text = " ".join(brief(example.trace(3), tmp_path))
    first, second, *others = example.trace(3).unnoticed
    assert f"this model cannot notice: {first}; {second}; and {len(others)} more" in " ".join(text.split())
    nothing = msgspec.structs.replace(example.trace(3), unnoticed=())
    assert "cannot notice" not in " ".join(brief(nothing, tmp_path))


def test_names_of_any_kind_and_parts_that_are_absent_fit_the_terminal(tmp_path: Path) -> None:
    assert max(map(len, brief(hostile.trace(), tmp_path)[:-1])) <= 80
    nothing = msgspec.structs.replace(
        example.trace(3), stages=(), layers=(), training=None, device=None, predictions=()
    )
    assert brief(nothing, tmp_path)[0].startswith("activity")


def test_a_run_prints_forty_lines_and_verbose_prints_every_part(small: Path, tmp_path: Path, cli: Cli) -> None:
    short = cli("run", str(small), "--out", tmp_path / "runs").splitlines()
    assert len(short) <= 40
    missed = unnoticed(read_package(tmp_path / "runs" / "small" / "small.edge").manifest)
    assert read_trace(tmp_path / "runs" / "small" / "trace.json").unnoticed == missed != ()
    assert " ".join(unnoticed_text(missed, 2).split()) in " ".join(" ".join(short).split())
    assert short[-2] == f"page {tmp_path / 'runs' / 'small' / PAGE_FILE}"
    assert re.fullmatch(r"took .* s: import [\d.]+, read [\d.]+, fit [\d.]+, package [\d.]+, page [\d.]+", short[-1])
    whole = cli("run", str(small), "--out", tmp_path / "runs", "--verbose", "--force")
    assert "Prediction trace" in whole
    assert " ".join(unnoticed_text(missed).split()) in " ".join(whole.split())
    assert len(whole.splitlines()) > 2 * len(short)
