"""The terminal prints what there is, on any console, and never stumbles over what is missing."""

from __future__ import annotations

import io
import time

import msgspec
import pytest
from rich.console import Console

import trace_example as example
from edgewright.core.records.trace import EpochRecord, Insight, PredictionRecord, StageRecord, Trace
from edgewright.trace.page import progress
from edgewright.trace.terminal import TerminalTrace
from trace_printing import print_trace


class Ascii(io.StringIO):
    """A file whose encoding holds ASCII only."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "ascii"


def console(width: int = 100, *, terminal: bool = False, file: io.StringIO | None = None) -> Console:
    return Console(
        file=file or io.StringIO(), width=width, force_terminal=terminal, color_system=None, legacy_windows=False
    )


def text_of(trace: Trace, width: int = 100, *, terminal: bool = False) -> str:
    terminal_console = console(width, terminal=terminal)
    with terminal_console.capture() as captured:
        print_trace(trace, terminal_console)
    return captured.get()


@pytest.mark.parametrize("width", [20, 40, 64, 80, 132, 320])
@pytest.mark.parametrize("terminal", [False, True])
def test_any_width(width: int, terminal: bool) -> None:
    text = text_of(example.trace(), width, terminal=terminal)
    assert "walking, 85 %" in text or width < 40
    assert "activity" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= max(width, 40)


def test_no_escape_codes_and_no_trailing_blanks_when_piped() -> None:
    text = text_of(example.trace())
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "█░" not in text


def test_budget_bars_on_a_terminal_only() -> None:
    assert "█░" in text_of(example.trace(), terminal=True)


def test_ascii_where_the_encoding_is_not_utf8() -> None:
    file = Ascii()
    print_trace(example.trace(80), console(file=file, terminal=True))
    assert file.getvalue().isascii()
    assert "* training" in file.getvalue()
    assert "6.1 us" in file.getvalue()


PARTS = ("training", "evaluation", "compression", "device", "scaling")


@pytest.mark.parametrize("missing", [*PARTS, "everything"])
def test_missing_parts_are_left_out(missing: str) -> None:
    bare = Trace(
        name="bare", task="", verdict="", insight=Insight(sentence="", numbers={}), stages=(), layers=(),
        training=None, evaluation=None, predictions=(), compression=None, device=None,
        provenance=example.trace().provenance,
    )  # fmt: skip
    trace = bare if missing == "everything" else msgspec.structs.replace(example.trace(), **{missing: None})
    text = text_of(trace)
    assert trace.name in text
    assert "None" not in text


def test_parts_with_nothing_in_them() -> None:
    stage = StageRecord(name="odd", kind="x", shape_in=(), shape_out=(3, 2, 5), why="", sample_after=((None,),))
    prediction = PredictionRecord(
        row=0, input_names=(), raw=(), features=(), layers=(), probabilities=(), answer="21.5", confidence=0.0
    )
    trace = msgspec.structs.replace(example.trace(), stages=(stage,), predictions=(prediction,))
    text = text_of(trace)
    assert "3 x 2 x 5" in text
    assert "21.5" in text
    assert "21.5, 0 %" not in text


def test_square_brackets_are_no_markup() -> None:
    stage = msgspec.structs.replace(
        example.stages()[0], name="[red]raw[/red]", names_after=("[b]a", *example.NAMES[1:]), columns_after=()
    )
    text = text_of(msgspec.structs.replace(example.trace(), stages=(stage,)))
    assert "[red]raw[/red]" in text
    assert "[b]a" in text


def rows_of_epochs(text: str) -> list[str]:
    return [line for line in text.splitlines() if "validation accuracy" in line or "loss down" in line]


def test_each_epoch_is_a_row_as_it_comes() -> None:
    live = console()
    with live.capture() as live_output:
        view = TerminalTrace(live, classes=3)
        view.training_started(20)
        for epoch in example.epochs(20):
            view.epoch(epoch)
        view.training(example.training(20))
    assert len(rows_of_epochs(live_output.get())) > 10


def test_live_folds_what_is_no_event() -> None:
    terminal_console = console()
    with terminal_console.capture() as captured:
        view = TerminalTrace(terminal_console)
        view.training_started(80)
        for epoch in example.epochs(80):
            view.epoch(epoch)
        view.training(example.training(80))
    text = captured.get()
    assert "epochs without an event" in text
    assert "overfitting since epoch 55" in text
    assert len(text.splitlines()) < 60


def test_epochs_of_a_regression_have_no_accuracy() -> None:
    terminal_console = console()
    epoch = EpochRecord(epoch=1, loss=2.5, accuracy=None, validation_loss=2.7, validation_accuracy=None)
    with terminal_console.capture() as captured:
        view = TerminalTrace(terminal_console)
        view.training_started(5)
        view.epoch(epoch)
    assert "acc." not in captured.get()
    assert "val loss" in captured.get()


def test_progress_is_silent_elsewhere_than_on_a_terminal() -> None:
    file = io.StringIO()
    with progress(console(file=file), "Training", 10) as advance:
        advance(10)
    assert file.getvalue() == ""


def test_progress_of_quick_work_is_silent_and_of_slow_work_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    with progress(console(file=file, terminal=True), "Training", 10) as advance:
        advance(10)
    assert "Training" not in file.getvalue()
    monkeypatch.setattr("edgewright.trace.page.DELAY_SECONDS", 0.05)
    with progress(console(file=file, terminal=True), "Training", 10) as advance:
        advance(5)
        time.sleep(0.3)
    assert "Training" in file.getvalue()
