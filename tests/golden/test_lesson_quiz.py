"""The quiz of each lesson as it was approved, and its code run; EDGEWRIGHT_GOLDEN=write approves what is asked now."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgewright.trace.blocks.records import Code
from edgewright.trace.html import blocks_html
from edgewright.trace.modes import mode, modes
from edgewright.trace.questions import quiz

if TYPE_CHECKING:
    from conftest import Lesson

Ask = Callable[[str], "Lesson"]
FOLDER = Path(__file__).resolve().parent
LESSONS = ("activity", "latency", "scalability")
# Questions about what training gave, which differs between processors: the tests of the rules look at them.
MEASURED = {"surprise", "kept_epoch", "confused", "int8_cost", "interval", "budget", "confidence", "active", "majority"}


def quiz_text(lesson: Lesson) -> str:
    """Every question about what a pipeline is, with its options; the right one has a star."""
    blocks = []
    for question in quiz(lesson.trace):
        assert sum(option.right for option in question.options) == 1
        assert len({option.text for option in question.options}) == len(question.options) > 1
        if question.name not in MEASURED:
            options = (f"  {'*' if option.right else '-'} {option.text}" for option in question.options)
            blocks.append("\n".join((f"{question.name}: {question.text}", *options)))
    return "\n\n".join(blocks) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_the_quiz_asks_as_approved(name: str, lesson: Ask) -> None:
    text = quiz_text(lesson(name))
    path = FOLDER / f"quiz_{name}.txt"
    if os.environ.get("EDGEWRIGHT_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_every_mode_describes_a_real_run(name: str, lesson: Ask) -> None:
    trace = lesson(name).trace
    for way in modes().values():
        assert len(blocks_html(way.blocks(trace))) < 300_000


@pytest.mark.slow
def test_the_code_of_every_stage_runs_as_it_stands(lesson: Ask, tmp_path: Path) -> None:
    traces = {name: lesson(name).trace for name in LESSONS}
    files = []
    for name, trace in traces.items():
        listings = [block.text for block in mode("code").blocks(trace) if isinstance(block, Code)]
        assert len(listings) == len(trace.stages)
        for number, text in enumerate(listings):
            files.append(tmp_path / f"{name}_{number}.py")
            files[-1].write_text(text, encoding="utf-8")
    # One process for all saves the start of the libraries; each listing has a namespace of its own.
    runner = "import runpy, sys\nfor path in sys.argv[1:]:\n    print('ran', path)\n    runpy.run_path(path)"
    command = [sys.executable, "-c", runner, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=480, check=False)
    assert done.returncode == 0, done.stderr
    for name, trace in traces.items():
        message = "".join(part for part in done.stdout.split("ran ") if part.startswith(f"{tmp_path / name}_"))
        shapes = [
            "({}, {})".format(*stage.shape_out) for stage in trace.stages if stage.kind not in ("model", "package")
        ]
        assert shapes[0] in message
        assert trace.evaluation is not None
        assert trace.evaluation.accuracy is not None
        match = re.search(r"accuracy ([\d.]+)", message)
        assert match is not None
        assert float(match[1]) == pytest.approx(trace.evaluation.accuracy.value, abs=0.02)
