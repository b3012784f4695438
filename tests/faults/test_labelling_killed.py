"""A review that is killed or interrupted: every label that was taken before the next item was shown is there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.language.labelling.project import Project
from label_example import write_project
from studio_server import START

PATIENCE = 30


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_no_label_is_lost(tmp_path: Path, number: signal.Signals, code: int) -> None:
    path = write_project(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", START, "label", "review", str(path), "--as", "ann"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    shown = 0
    for line in process.stdout:
        if line.startswith("["):
            shown += 1
            if shown == 5:
                break
            process.stdin.write("lamp\n")
            process.stdin.flush()
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == code
    assert "Traceback" not in err
    with Project(path) as project:
        assert [one.label for one in project.reviews()] == ["lamp"] * 4
