"""The option `--cluster`: work of a command spread over processes or machines, and a line of progress.

A command has it by `@declare(spreads=True)`, which runs the whole command in the block `on_cluster`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.core.errors import ClusterNothingToSpreadError
from edgewright.core.formatting import plural

if TYPE_CHECKING:
    from edgewright.cluster.mapping import Progress
    from edgewright.core.records.config import PipelineConfig

_FIRST_S, _EVERY_S = 5.0, 30.0


def refuse_one_training(config: PipelineConfig) -> None:
    """Refuse to spread a pipeline that is fitted once.

    Raises:
        InputError: it leaves no group out in turn.
    """
    limit = config.split.leave_one_out_s
    if isinstance(limit, msgspec.UnsetType) or not limit:
        raise ClusterNothingToSpreadError(
            "several fits to spread", f"one training of {config.name}", "--cluster",
            "A model that fits a device trains in less time than its weights travel between machines. What spreads is "
            "many fits: a file of your own (run FILE), groups left out in turn (split.leave_one_out_s), "
            "advise; and tune, score, label",
        )  # fmt: skip


@contextmanager
def on_cluster(address: str, *, quiet: bool) -> Iterator[None]:
    """Spread the tasks of a block over a cluster, with progress on standard error unless `quiet`.

    An empty address spreads nothing.
    """
    if not address:
        yield
        return
    with loading():
        from edgewright.cluster.mapping import engine_for, on_engine

    last: Progress | None = None
    next_s = time.monotonic() + _FIRST_S

    def watch(progress: Progress) -> None:
        nonlocal last, next_s
        last = progress
        if time.monotonic() > next_s:
            next_s = time.monotonic() + _EVERY_S
            say(_text(progress))

    def say(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    with on_engine(engine_for(address), watch) as engine:
        say(f"cluster {engine.title}: {plural(engine.workers, 'worker')}")
        try:
            yield
        finally:
            if last is not None:
                say(_text(last))


def _text(progress: Progress) -> str:
    again = f", {plural(progress.retried, 'task')} again because a worker ended" if progress.retried else ""
    return (
        f"cluster: {plural(progress.done, 'task')} done on {plural(progress.workers, 'worker')} "
        f"in {progress.cpu_seconds:.1f} CPU-s{again}"
    )
