"""The worked example of docs/boards.md does what it says, command by command."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from c99_stages import need_compiler
from document_blocks import blocks_of

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
DOCS = Path(__file__).parents[2] / "docs"
LOOK = "edgewright fleet devices gateway-1 --fleet yard"
WAIT = f'until {LOOK} | grep -q "^feed-pump .* {{}} .*confirmed"; do sleep 1; done\n'
ENDS = ("weights 1, confirmed", "then confirmed", "those of 1")


def commands() -> str:
    """Return the blocks of the last part, each look at the board until it has what the comment says."""
    blocks = [block.text for block in blocks_of("docs/boards.md") if block.kind == "run"]
    script = "set -e\n" + "".join(blocks)
    for counter, end in enumerate(ENDS, start=1):
        lines = [line for line in script.splitlines(keepends=True) if end in line]
        assert len(lines) == 1, end
        script = script.replace(lines[0], WAIT.format(counter) + lines[0])
    for port in ("7001", "8791"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            script = script.replace(port, str(free.getsockname()[1]))
    return script.replace("seed=8", "seed=8 --set training.epochs=20")


def test_the_worked_example_of_boards_runs(tmp_path: Path) -> None:
    need_compiler()
    shutil.copy(DOCS / "examples" / "board.c", tmp_path)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with (tmp_path / "said").open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-c", commands()], cwd=tmp_path, env={**os.environ, "PATH": path}, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            end = time.monotonic() + 900.0
            while shell.poll() is None and time.monotonic() < end:
                time.sleep(0.5)
            text = (tmp_path / "said").read_text()
            assert shell.poll() == 0, text[-4000:]
        finally:
            # Everything that the example has left in the background is of this session.
            os.killpg(shell.pid, 15)
            shell.wait()
    assert re.findall(r"^feed-pump +(\d)", text, re.MULTILINE) == ["1", "2", "3"], text
