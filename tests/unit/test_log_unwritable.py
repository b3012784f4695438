"""A log on a full disk, or whose reader has gone, ends no agent."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from edgewright.cli.commands.device import _fleet, run


def test_a_log_that_cannot_be_written_ends_no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        run._say("a notice")
        _fleet._say("a notice")
        monkeypatch.undo()
        with suppress(OSError):
            full.close()
