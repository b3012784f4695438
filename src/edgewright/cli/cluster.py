"""The option `--cluster`: work of a command spread over processes or machines, and a line that says how it stands.

A command has it by `@declare(spreads=True)`, which runs the whole command in the block `on_cluster`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.core.formatting import plural
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.cluster.mapping import Progress
    from edgewright.schema.config import PipelineConfig

_FIRST_S, _EVERY_S = 5.0, 30.0


def refuse_one_training(config: PipelineConfig) -> None:
    """Refuse to spread a pipeline that is fitted once.

    Raises:
        InputError: it leaves no group out in turn.
    """
    limit = config.split.leave_one_out_s
    if isinstance(limit, msgspec.UnsetType) or not limit:
        raise InputError(
            "several fits to spread", f"one training of {config.name}", "--cluster",
            "A model that fits a device trains in less time than its weights travel between machines. What spreads is "
            "many fits: a file of your own (run FILE), groups left out in turn (split.leave_one_out_s), ladder, "
            "search, curve; and tune, score, label",
        )  # fmt: skip


@contextmanager
def on_cluster(address: str, *, quiet: bool) -> Iterator[None]:
    """Spread the tasks of a block over a cluster; an empty address spreads nothing.

    Args:
        address: of the cluster.
        quiet: whether nothing says how the tasks stand.
    """
    if not address:
        yield
        return
    with loading():
        from edgewright.cluster.contract import engine_for
        from edgewright.cluster.mapping import on_engine

    line = _Line(quiet)
    with on_engine(engine_for(address), line.watch) as engine:
        line.say(f"cluster {engine.title}: {plural(engine.workers, 'worker')}")
        try:
            yield
        finally:
            line.end()


@dataclass
class _Line:
    """Says on standard error how tasks stand, now and then and at the end."""

    quiet: bool
    progress: Progress | None = None
    next_s: float = 0.0

    def watch(self, progress: Progress) -> None:
        now = time.monotonic()
        if self.progress is None:
            self.next_s = now + _FIRST_S
        elif now > self.next_s:
            self.next_s = now + _EVERY_S
            self.say(_text(progress))
        self.progress = progress

    def end(self) -> None:
        if self.progress is not None:
            self.say(_text(self.progress))

    def say(self, text: str) -> None:
        if not self.quiet:
            click.echo(text, err=True)


def _text(progress: Progress) -> str:
    again = f", {plural(progress.retried, 'task')} again because a worker ended" if progress.retried else ""
    return (
        f"cluster: {plural(progress.done, 'task')} done on {plural(progress.workers, 'worker')} "
        f"in {progress.cpu_seconds:.1f} CPU-s{again}"
    )
