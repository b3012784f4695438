"""`edgewright score` as tests call it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cli.main import run

Capture = pytest.CaptureFixture[str]


def scored(capsys: Capture, *words: str, code: int = 0) -> dict[str, Any]:
    """Return what `score --json` says."""
    assert run(["score", *words, "--json"]) == code
    told: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return told


def refused(cli: Cli, *words: str) -> str:
    """Return what a score that ends with 2 says: one line."""
    said = cli("score", *words, code=2)
    assert said.count("\n") == 1
    return said
