"""A progress bar for work that takes over a second, on a terminal only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

DELAY_SECONDS = 1.0


@contextmanager
def progress(console: Console, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the amount of work done since the last call.

    The bar appears when the work has lasted over a second, so that quick work leaves no trace of it, and goes when
    the work ends. Nothing is drawn when the console is no terminal. `total` None: the amount is not known.
    """
    if not console.is_terminal:
        yield lambda amount: None
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(label, total=total)
    timer = threading.Timer(DELAY_SECONDS, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda amount: bar.advance(task, amount)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
