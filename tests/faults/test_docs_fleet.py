"""The tutorial of a fleet, typed command by command: a release, its successor and the way back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from document_blocks import type_page

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def test_a_fleet_in_fifteen_minutes(tmp_path: Path) -> None:
    printed = type_page("docs/tutorials/fleet-in-15-minutes.md", tmp_path, seconds=900, port="8791")
    assert len(re.findall(r"^pump-\d .*release 1 is active$", printed["first"], re.MULTILINE)) == 3
    assert len(re.findall(r"^pump-\d .*release 2 was aborted: back to", printed["second"], re.MULTILINE)) == 3
    assert "HALTED" in printed["simulate"]
    assert (tmp_path / "story" / "simulation.html").is_file()
