"""Running a pipeline with its trace on the terminal, for the commands that do so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import click
import msgspec

from edgewright.cli.interrupt import answer, loading
from edgewright.cli.terminal import Terminal, print_ahead
from edgewright.core.engines import choose
from edgewright.pipeline.config import read_config
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.parts import model_of
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_journal import journalled
from edgewright.schema.errors import CheckFailedError
from edgewright.schema.trace import Insight
from edgewright.trace.progress import progress
from edgewright.trace.terminal import TerminalTrace

__all__ = ["Quiet", "Shown", "Terminal", "run_and_show"]


class Quiet(Listener):
    """A run that prints nothing, as with `--json`, but can be ended with Ctrl-C."""

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Work that may take a while, unless Ctrl-C was pressed."""
        answer()
        return super().doing(label, total)

    def cancelled(self) -> bool:
        """Nobody cancels but with Ctrl-C, which is an exception."""
        answer()
        return False

    def insight(self, record: Insight) -> None:
        """The last moment at which the run folder does not stand yet."""
        answer()


class Shown(TerminalTrace, Quiet):
    """A run on the terminal: its trace, and a bar for work that takes over a second."""

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """A bar on a terminal, nothing elsewhere."""
        answer()
        return progress(self.console, label, total)

    def ahead(self, sentence: str) -> None:
        """Print a line on standard error."""
        print_ahead(sentence)

    def cancelled(self) -> bool:
        """Nobody cancels but with Ctrl-C, which is an exception."""
        return Quiet.cancelled(self)

    def insight(self, record: Insight) -> None:
        """The key insight, unless Ctrl-C was pressed."""
        answer()
        super().insight(record)


def run_and_show(
    pipeline: str, *, data: str | None, changes: tuple[str, ...], out: Path, force: bool, as_json: bool
) -> None:
    """Runs a pipeline and prints its trace as it goes, or its record as JSON.

    Raises:
        CheckFailedError: the run is whole, but a check said no.
    """
    config = read_config(pipeline, changes)
    with loading():
        model_of(config)
        choose(None)
    listener = Quiet() if as_json else Shown(Terminal())
    command = "edgewright " + " ".join([pipeline if pipeline == "demo" else f"run {pipeline}", *_told(data, changes)])
    with journalled(out, config, listener, command) as heard:
        result = run_pipeline(config, data=data, out=out, force=force, listener=heard, command=command)
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
