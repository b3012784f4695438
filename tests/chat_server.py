"""`edgewright serve` as a process on a free port of this machine, and small models for it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from documents_example import manual_index
from edgewright.cli.main import run
from studio_server import PATIENCE, START, StudioAddress, printed_address

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
DIALOGUE = EXAMPLES / "vending.toml"


def small_models(folder: Path) -> list[str]:
    """Return an index, a dialogue and a model of intents as the command line names them."""
    index, intents = manual_index(folder), folder / "intents.language"
    assert run(["language", "train", str(EXAMPLES / "vending-utterances.toml"), "--out", str(intents), "--slots"]) == 0
    return [f"manual={index}", f"shop={DIALOGUE},{intents}", str(intents)]


@contextmanager
def served(*models: str) -> Iterator[tuple[StudioAddress, subprocess.Popen[str]]]:
    """Provide a server of models: its address and process, which is ended as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", START, "serve", *models, "--port", "0", "--no-open"],
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
            process.communicate()
            raise
