"""The studio as a process on a free port of this machine, as `edgewright studio` starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 30
# A test run in the background ignores Ctrl-C, and so would its children.
START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from edgewright.cli.main import main; main()"
)


@contextmanager
def started(
    folder: Path, *options: str, end: bool = True, python: Path = Path(sys.executable)
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Provide a studio over a folder: its address and process, which is ended as Ctrl-C does."""
    process = subprocess.Popen(
        [str(python), "-u", "-c", START, "studio", str(folder), "--port", "0", "--no-open", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+/", line)
        if match is None:
            raise AssertionError(f"no address: {line!r} {process.communicate(timeout=PATIENCE)}")
        yield match[0].rstrip("/"), process
    finally:
        if end and process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
