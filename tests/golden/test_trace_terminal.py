"""The whole trace as text, compared with what was approved; EDGEWRIGHT_GOLDEN=write approves what is printed now."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

import trace_example as example
from edgewright.core.records.trace import Trace
from trace_printing import print_trace

FOLDER = Path(__file__).resolve().parent
SECONDS = re.compile(r"\d[\d.]* (?:s|ms|µs|us)\b")
MEMORY = re.compile(r"memory \+[\d.]+ [kMG]?B")


def printed(trace: Trace, width: int, *, terminal: bool = False) -> str:
    """Return the trace without colour, with times and memory of stages replaced by a mark of the same width."""
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        print_trace(trace, console)
    text = MEMORY.sub(lambda m: "memory +" + "#" * (len(m[0]) - 8), captured.get())
    lines = (SECONDS.sub(lambda m: "#" * len(m[0]), line).rstrip() for line in text.splitlines())
    return "\n".join(lines) + "\n"


def long() -> Trace:
    return msgspec.structs.replace(example.trace(80), scaling=example.scaling())


@pytest.mark.parametrize(
    ("name", "trace", "width", "terminal"),
    [
        ("activity_100", example.trace(), 100, False),
        ("activity_80", example.trace(), 80, False),
        ("activity_terminal_100", example.trace(), 100, True),
        ("long_100", long(), 100, False),
    ],
)
def test_trace_reads_as_approved(name: str, trace: Trace, width: int, terminal: bool) -> None:
    text = printed(trace, width, terminal=terminal)
    path = FOLDER / f"trace_{name}.txt"
    if os.environ.get("EDGEWRIGHT_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert max(len(line) for line in text.splitlines()) <= width
