"""`edgewright serve` as a process on a free port of this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.cli.main import run
from studio_server import PATIENCE, START, StudioAddress, printed_address

UTTERANCES = Path(__file__).parents[1] / "docs" / "examples" / "vending-utterances.toml"


def intent_model(folder: Path) -> Path:
    """Train a model of intents."""
    path = folder / "intents.language"
    assert run(["language", "train", str(UTTERANCES), "--out", str(path), "--slots"]) == 0
    return path


@contextmanager
def served(*arguments: object) -> Iterator[tuple[StudioAddress, subprocess.Popen[str]]]:
    """Provide a server: its address and process, which is ended as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", START, "serve", *map(str, arguments), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = None
        while address is None and (line := process.stdout.readline()):
            address = printed_address(line)
        if address is None:
            raise AssertionError(f"no address: {process.communicate(timeout=PATIENCE)}")
        yield address, process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
