"""`edgewright score` as tests call it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgewright.cli.main import run

Capture = pytest.CaptureFixture[str]


def scored(capsys: Capture, *words: str, code: int = 0) -> dict[str, Any]:
    """Return what `score --json` says."""
    assert run(["score", *words, "--json"]) == code
    told: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return told


def refused(capsys: Capture, *words: str) -> str:
    """Return what a score that ends with 2 says: one line."""
    assert run(["score", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said
