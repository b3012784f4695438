"""Running a pipeline with its trace on the terminal, for the commands that do so."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import click
import msgspec
from rich.console import Console

from edgewright.pipeline.config import read_config
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.errors import CheckFailedError
from edgewright.trace.progress import progress
from edgewright.trace.terminal import TerminalTrace


class Terminal(Console):
    """A console that leaves the end of a pipe to `main`; rich would end the process with exit code 1."""

    def on_broken_pipe(self) -> None:
        """The reader went away.

        Raises:
            BrokenPipeError: always.
        """
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Shown(TerminalTrace, Listener):
    """A run on the terminal: its trace, and a bar for work that takes over a second."""

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """A bar on a terminal, nothing elsewhere."""
        return progress(self.console, label, total)


def run_and_show(
    pipeline: str, *, data: str | None, changes: tuple[str, ...], out: Path, force: bool, as_json: bool
) -> None:
    """Runs a pipeline and prints its trace as it goes, or its record as JSON.

    Raises:
        CheckFailedError: the run is whole, but a check said no.
    """
    config = read_config(pipeline, changes)
    listener = Listener() if as_json else Shown(Terminal())
    command = "edgewright " + " ".join([pipeline if pipeline == "demo" else f"run {pipeline}", *_told(data, changes)])
    result = run_pipeline(config, data=data, out=out, force=force, listener=listener, command=command)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(result.trace), indent=1) + b"\n")
        sys.stdout.buffer.flush()
    if result.refused:
        raise CheckFailedError(result.refused, do=f"See {click.format_filename(result.folder)}")


def _told(data: str | None, changes: tuple[str, ...]) -> list[str]:
    told = [] if data is None else ["--data", data]
    for change in changes:
        told += ["--set", change]
    return told
