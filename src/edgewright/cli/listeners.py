"""What hears of a run on the command line: nobody, a progress bar, or a terminal that prints all or few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from edgewright.cli.command import Result, print_ahead, wants_json
from edgewright.cli.interrupt import answer, finish_interrupted, loading
from edgewright.cli.laps import FIT, PACKAGE, PAGE, READ, lap, laps_text
from edgewright.cli.options import command_line
from edgewright.core.errors import CheckFailedError
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import DataSet
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace import EvaluationRecord, Insight, Trace
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.trace.page import QUIET, Terminal, page_of, print_parts, progress
from edgewright.trace.page_model import PAGE_FILE
from edgewright.trace.terminal import TerminalTrace, brief_parts

if TYPE_CHECKING:
    from edgewright.pipeline.run_folder.journal import Journalling


_READING = "Reading data"


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
        finish_interrupted()

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
        if label == _READING:
            lap(READ)
        return progress(self.console, label, total)

    def ahead(self, sentence: str) -> None:
        """Print a line on standard error."""
        print_ahead(sentence)


class Brief(Working):
    """A run on the terminal in at most forty lines, which come when it has ended, and how long its parts took."""

    @contextmanager
    def doing(self, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a bar on a terminal, nothing elsewhere."""
        with super().doing(label, total) as advance:
            yield advance
        if label == _READING:
            lap(FIT)

    def evaluation(self, record: EvaluationRecord) -> None:
        """Note that the package is next."""
        lap(PACKAGE)

    def insight(self, record: Insight) -> None:
        """Take the last chance to end the run; its page is next."""
        super().insight(record)
        lap(PAGE)

    def finish(self, trace: Trace, folder: Path) -> None:
        """Print verdict, flow, curve, insight and what comes next."""
        shown_folder = click.format_filename(folder)
        following = [(f"edgewright show {shown_folder}", "opens its page")] if (folder / PAGE_FILE).exists() else []
        if trace.provenance.package_hash:
            following += [
                (f"edgewright predict {shown_folder} -", "answers rows of CSV"),
                (f"edgewright export {shown_folder} --to c99", "writes C for the device"),
            ]
        else:
            following.append((f"edgewright learn mistakes {shown_folder}", "shows what it got wrong"))
        page = page_of(self.console)
        parts = brief_parts(trace, folder, following, page)
        print_parts([*parts, Text(laps_text(), style=QUIET)], self.console, page)


class Shown(TerminalTrace, Working):
    """A run on the terminal: its trace, and a bar for work that takes over a second."""

    doing, cancelled = Working.doing, Quiet.cancelled

    def insight(self, record: Insight) -> None:
        """Print the key insight, unless Ctrl-C was pressed."""
        answer()
        super().insight(record)


def working(*, stderr: bool = False) -> Listener:
    """Return the listener of work whose trace is not shown."""
    return Quiet() if wants_json() else Working(Terminal(stderr=stderr))


def shown(*, verbose: bool = True) -> Listener:
    """Return the listener of a run that is shown: as it goes where `verbose`, else in brief when it has ended."""
    return Quiet() if wants_json() else Shown(Terminal()) if verbose else Brief(Terminal())


@contextmanager
def says_what_is_kept(parent: Path, name: str) -> Iterator[None]:
    """Let Ctrl-C in a block say how to go on, where something is kept.

    Args:
        parent: folder of runs.
        name: of the run.

    Raises:
        KeyboardInterrupt: as it came, with these words.
    """
    try:
        yield
    except KeyboardInterrupt:
        from edgewright.pipeline.run_folder.folder import FINISHED_EPOCHS, FINISHED_FITS, stopped_folders

        if not any(stopped_folders(parent, name, kind) for kind in (FINISHED_EPOCHS, FINISHED_FITS)):
            raise
        raise KeyboardInterrupt(f"what was trained is kept. Go on with: {command_line(resume=True)}") from None


def run_and_show(
    pipeline: str,
    *,
    data: str | None,
    changes: tuple[str, ...],
    out: Path,
    force: bool,
    dataset: DataSet | None = None,
    config: PipelineConfig | None = None,
    command: str = "",
    race: RaceRecord | None = None,
    replaces: Path | None = None,
    resume: bool = False,
    verbose: bool = False,
    journal: Journalling | None = None,
) -> Result:
    """Run a pipeline and print what came of it; return its record, and why it has no package.

    Args:
        pipeline: its name or file.
        data: path that overrides its data.
        changes: of its keys.
        out: folder of runs.
        force: replace the run of its name.
        dataset: recordings of the pipeline that were read already.
        config: the pipeline itself, where no file holds it; `command` is what made it.
        command: that is recorded; made of the other arguments when empty.
        race: that the model won.
        replaces: folder of a run that this one takes the place of.
        resume: go on with the run of this name that was stopped.
        verbose: print every part as it goes, instead of forty lines at the end.
        journal: of the race; None for one of the run alone.
    """
    with loading():
        from edgewright.core.engines import choose
        from edgewright.pipeline.config import read_config
        from edgewright.pipeline.plan import model_of
        from edgewright.pipeline.run import run_pipeline
        from edgewright.pipeline.run_folder.journal import Journalling, journalled

    config = config or read_config(pipeline, changes)
    with loading():
        model_of(config)
        choose(None)
    options = [*(["--data", data] if data is not None else []), *(word for one in changes for word in ("--set", one))]
    command = command or " ".join(["edgewright", *([pipeline] if pipeline == "demo" else ["run", pipeline]), *options])
    journal = journal or Journalling(out, config, command)
    journal.config = config
    with says_what_is_kept(out, config.name), journalled(journal, shown(verbose=verbose)) as listener:
        result = run_pipeline(
            config, data=data, dataset=dataset, out=out, force=force, listener=listener, command=command, race=race,
            replaces=replaces, resume=resume,
        )  # fmt: skip
    return Result(result.trace, (), failure=refusal(result.refused, result.folder))


def refusal(reason: str, folder: Path) -> CheckFailedError | None:
    """Return the failure of a command whose run has no package for this reason; None where there is none."""
    return CheckFailedError(reason, do=f"See {click.format_filename(folder)}") if reason else None
