"""A listener that keeps the journal of a run, and one that tells several others."""

from __future__ import annotations

import functools
import inspect
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from edgewright._version import __version__
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.schema.config import PipelineConfig
from edgewright.schema.trace import Trace
from edgewright.trace.journal import JOURNAL_VERSION, Ended, Journal, journal_path, start_ticks, sweep

# What only says that something stands; the other methods of a listener ask or wrap.
EVENTS = tuple(
    name for name, method in vars(Listener).items()
    if inspect.isfunction(method) and name not in ("doing", "cancelled", "interrupted")
)  # fmt: skip


class Journalling(Listener):
    """Writes every event of a run into a journal beside the folder of runs.

    A run that cannot write its journal goes on without one. When the run has finished its journal is removed, as its
    folder says everything; that of a run that broke off stays, see `trace.journal.KEPT`.

    Args:
        runs: the folder of runs.
        config: checked; None where a race chooses it, which sets it before the journal is started again.
        command: as in the provenance.
    """

    def __init__(self, runs: Path, config: PipelineConfig | None, command: str = "") -> None:
        self._runs, self.config, self._command = runs, config, command
        self._journal: Journal | None = None

    def start(self, name: str, title: str, profile: str) -> None:
        """Open the journal; its first line says which process this is. A second call says what the race chose."""
        with suppress(OSError):
            if self._journal is None:
                sweep(self._runs)
                self._journal = Journal(journal_path(self._runs, name))
        self._write(
            "start",
            version=JOURNAL_VERSION, process=os.getpid(), ticks=start_ticks(os.getpid()),
            name=name, title=title, profile=profile, command=self._command,
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), edgewright=__version__,
            config=msgspec.to_builtins(self.config) if self.config is not None else {},
        )  # fmt: skip

    def finish(self, trace: Trace, folder: Path) -> None:
        """Write the last line, which names the run folder."""
        self.end("finished", "", folder.name)

    def end(self, state: Ended, reason: str, folder: str = "") -> None:
        """Write the last line; remove the journal of a finished run. A second call does nothing."""
        self._write("end", state=state, reason=reason, folder=folder)
        journal, self._journal = self._journal, None
        if journal is None:
            return
        with suppress(OSError):
            (journal.remove if state == "finished" else journal.close)()

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Note what begins."""
        self._write("doing", label=label, total=total)
        return super().doing(label, total)

    def _write(self, event: str, **data: object) -> None:
        if self._journal is None:
            return
        try:
            self._journal.write(event, **data)
        except OSError:
            journal, self._journal = self._journal, None
            with suppress(OSError):
                journal.close()


def _noting(name: str) -> Callable[..., None]:
    """Return a method of `Journalling` that writes its arguments under their names."""
    original = getattr(Listener, name)
    parameters = inspect.signature(original)

    @functools.wraps(original)
    def note(self: Journalling, *given: Any, **named: Any) -> None:  # noqa: ANN401 - records of any kind
        bound = parameters.bind(self, *given, **named)
        bound.apply_defaults()
        self._write(name, **{key: value for key, value in bound.arguments.items() if key != "self"})

    return note


for _name in EVENTS:
    if _name not in vars(Journalling):
        setattr(Journalling, _name, _noting(_name))


class JobJournal(Journalling):
    """The journal of a job, which the runs in it neither begin nor end."""

    def start(self, name: str, title: str, profile: str) -> None:
        """Open the journal; a run in the job leaves it as it is."""
        if self._journal is None:
            super().start(name, title, profile)

    def finish(self, trace: Trace, folder: Path) -> None:
        """Go on: the job ends later."""


class Several(Listener):
    """Tells each of its listeners, in their order; training stops when one of them wants it."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    @contextmanager
    def doing(self, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Work that may take a while, for all of them."""
        with ExitStack() as stack:
            reported = [stack.enter_context(listener.doing(label, total)) for listener in self.listeners]

            def advance(amount: int) -> None:
                for step in reported:
                    step(amount)

            yield advance

    def cancelled(self) -> bool:
        """Return whether one of them says so."""
        return any(listener.cancelled() for listener in self.listeners)

    def interrupted(self) -> None:
        """Tell each."""
        for listener in self.listeners:
            listener.interrupted()


def _telling(name: str) -> Callable[..., None]:
    """Return a method of `Several` that calls that of each listener."""

    @functools.wraps(getattr(Listener, name))
    def notify(self: Several, *given: Any, **named: Any) -> None:  # noqa: ANN401 - records of any kind
        for listener in self.listeners:
            getattr(listener, name)(*given, **named)

    return notify


for _name in EVENTS:
    setattr(Several, _name, _telling(_name))


@contextmanager
def journalled(journal: Journalling, listener: Listener) -> Iterator[Listener]:
    """Provide a listener that also keeps the journal; how the block ends is its last line."""
    try:
        yield Several(journal, listener)
    except KeyboardInterrupt:
        journal.end("cancelled", "interrupted")
        raise
    except BaseException as error:
        journal.end("failed", " ".join(str(error).split()) or type(error).__name__)
        raise
    journal.end("finished", "")
