"""A fleet's folder with what the measurements need, and a server over it in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import python
from edgewright.fleet.protocol.layout import FleetSettings
from edgewright.fleet.repository.folder import write_settings

PRODUCT = "pump"
TIMESTAMP = 700
"""Bytes of a timestamp with one signature, which is what devices poll for."""


def prepare(folder: Path) -> Path:
    """Return a folder that can be served: its files have the size of signed ones, and nobody verifies them here."""
    metadata = folder / "public" / "metadata"
    metadata.mkdir(parents=True)
    (folder / "public" / "targets").mkdir()
    write_settings(folder, FleetSettings(name="benchmark", products=(PRODUCT,)))
    publish(folder, 1)
    return folder


def publish(folder: Path, version: int) -> None:
    """Rename a new timestamp into place, as publishing does."""
    path = folder / "public" / "metadata" / "timestamp.json"
    partial = path.with_name(".timestamp.json")
    partial.write_bytes(f'{{"signed": {{"version": {version}}}, "pad": "'.encode().ljust(TIMESTAMP, b".") + b'"}')
    partial.replace(path)


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Provide the server, as `fleet serve` runs it but without the signer; its port and its process."""
    process = subprocess.Popen(
        [python(), "-m", "benchmarks.fleet.server", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    try:
        line = process.stdout.readline()
        if not line:
            sys.exit(process.stderr.read().decode())
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield int(line), process
    finally:
        process.terminate()
        process.wait(20)
