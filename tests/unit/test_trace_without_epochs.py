"""A model that is fitted at once: its trace names no epochs, no batches and no int8 form."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.trace.html import page_html
from small_pipeline import write_rows
from trace_printing import print_trace

TOML = """\
name = "small"
seed = 3
[data]
kind = "csv"
path = "{path}"
target = "label"
[model]
kind = "{kind}"
[device]
profile = "cortex-m4"
"""
UNTRUE = ("epoch", "batch", "none", "int8 with", "int8 against", "accuracy lost", " 0 B")


class CountingListener(Listener):
    """Keeps the numbers of epochs that are announced."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def training_started(self, total_epochs: int, classes: int = 0) -> None:
        self.epochs.append(total_epochs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["boosting", "tree"])
def test_nothing_is_said_of_epochs_and_int8(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "small.toml"
    path.write_text(
        TOML.format(path=write_rows(tmp_path / "rows.csv", header="temperature,b,label"), kind=kind), encoding="utf-8"
    )
    listener = CountingListener()
    trace = run_pipeline(read_config(str(path), ()), out=tmp_path / "runs", listener=listener).trace
    assert listener.epochs == [0]
    console = Console(file=io.StringIO(), width=80, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        print_trace(trace, console)
    text = captured.get()
    message = text[text.index("\nTraining trace") : text.index("\nEvaluation")]
    message += text[text.index("\nCompression") : text.index("\nDevice fit")]
    assert [word for word in UNTRUE if word in message] == []
    assert f"{kind} · fitted at once" in message
    assert "float under plausible errors of sensors" in message
    assert max(map(len, message.splitlines())) <= 80
    assert "program on cortex-m4" in message
    page = page_html(trace)
    assert "int8 with disturbed samples" not in page
    assert "float under plausible errors of sensors" in page
