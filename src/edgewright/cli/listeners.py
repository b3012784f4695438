"""What hears of a run on the command line: nobody, a progress bar, or the whole trace on the terminal."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click
from rich.console import Console

from edgewright.cli.interrupt import answer, loading, taken
from edgewright.cli.options import command_line
from edgewright.cli.output import print_ahead, print_json
from edgewright.pipeline.listener import Listener
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import CheckFailedError
from edgewright.schema.race import RaceRecord
from edgewright.schema.trace import Insight
from edgewright.trace.progress import progress
from edgewright.trace.terminal import TerminalTrace


class Terminal(Console):
    """A console that leaves the end of a pipe to `main`; rich would end the process with exit code 1."""

    def on_broken_pipe(self) -> None:
        """Raise an error because the reader went away.

        Raises:
            BrokenPipeError: always.
        """
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Quiet(Listener):
    """A run that prints nothing, as with `--json`, but can be ended with Ctrl-C."""

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Begin work that may take a while, unless Ctrl-C was pressed."""
        answer()
        return super().doing(label, total)

    def cancelled(self) -> bool:
        """Return False: only Ctrl-C cancels, and it is an exception."""
        answer()
        return False

    def interrupted(self) -> None:
        """Go on, unless a termination signal came."""
        taken()

    def insight(self, record: Insight) -> None:
        """Take the last chance to end the run before its folder is published."""
        answer()


class Working(Quiet):
    """A run that prints nothing but a bar for work that takes over a second."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Show a bar on a terminal, nothing elsewhere."""
        answer()
        return progress(self.console, label, total)

    def ahead(self, sentence: str) -> None:
        """Print a line on standard error."""
        print_ahead(sentence)


class Shown(TerminalTrace, Working):
    """A run on the terminal: its trace, and a bar for work that takes over a second."""

    doing, cancelled = Working.doing, Quiet.cancelled

    def insight(self, record: Insight) -> None:
        """Print the key insight, unless Ctrl-C was pressed."""
        answer()
        super().insight(record)


def working(as_json: bool, *, stderr: bool = False) -> Listener:
    """Return the listener of work whose trace is not shown."""
    return Quiet() if as_json else Working(Terminal(stderr=stderr))


def shown(as_json: bool) -> Listener:
    """Return the listener of a run that is shown as it goes."""
    return Quiet() if as_json else Shown(Terminal())


@contextmanager
def says_what_is_kept(parent: Path, name: str, *, steps: bool = False) -> Iterator[None]:
    """Let Ctrl-C in a block say how to go on, where something is kept.

    Args:
        parent: folder of runs.
        name: of the run.
        steps: whether it is a job, which keeps steps; a run keeps what was trained, and fits of the race before.

    Raises:
        KeyboardInterrupt: as it came, with these words.
    """
    try:
        yield
    except KeyboardInterrupt:
        from edgewright.pipeline.stopped_work import FINISHED_EPOCHS, FINISHED_FITS, FINISHED_STEPS, stopped_folders

        kinds = (FINISHED_STEPS,) if steps else (FINISHED_EPOCHS, FINISHED_FITS)
        if not any(stopped_folders(parent, name, kind) for kind in kinds):
            raise
        kept = "the finished steps are" if steps else "what was trained is"
        raise KeyboardInterrupt(f"{kept} kept. Go on with: {command_line(resume=True)}") from None


def run_and_show(
    pipeline: str,
    *,
    data: str | None,
    changes: tuple[str, ...],
    out: Path,
    force: bool,
    as_json: bool,
    config: PipelineConfig | None = None,
    command: str = "",
    race: RaceRecord | None = None,
    replaces: Path | None = None,
    resume: bool = False,
) -> None:
    """Run a pipeline and print its trace as it goes, or its record as JSON.

    Args:
        pipeline: its name or file.
        data: path that overrides its data.
        changes: of its keys.
        out: folder of runs.
        force: replace the run of its name.
        as_json: print the record instead of the trace.
        config: the pipeline itself, where no file holds it; `command` is what made it.
        command: that is recorded; made of the other arguments when empty.
        race: that the model won.
        replaces: folder of a run that this one takes the place of.
        resume: go on with the run of this name that was stopped.

    Raises:
        CheckFailedError: the run is complete, but a check failed.
    """
    with loading():
        from edgewright.core.engines import choose
        from edgewright.pipeline.config import read_config
        from edgewright.pipeline.plan import model_of
        from edgewright.pipeline.run import run_pipeline
        from edgewright.pipeline.run_journal import journalled

    config = config or read_config(pipeline, changes)
    with loading():
        model_of(config)
        choose(None)
    options = [*(["--data", data] if data is not None else []), *(word for one in changes for word in ("--set", one))]
    command = command or " ".join(["edgewright", *([pipeline] if pipeline == "demo" else ["run", pipeline]), *options])
    with says_what_is_kept(out, config.name), journalled(out, config, shown(as_json), command) as heard:
        result = run_pipeline(
            config, data=data, out=out, force=force, listener=heard, command=command, race=race, replaces=replaces,
            resume=resume,
        )  # fmt: skip
    if as_json:
        print_json(result.trace)
    refuse(result.refused, result.folder)


def refuse(reason: str, folder: Path) -> None:
    """End a command whose run has no package.

    Raises:
        CheckFailedError: there is a reason.
    """
    if reason:
        raise CheckFailedError(reason, do=f"See {click.format_filename(folder)}")
