"""A run beside the main thing, of which a bar is all that is seen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from rich.console import Console

from edgewright.cli.interrupt import answer
from edgewright.cli.show import Quiet
from edgewright.cli.terminal import print_ahead
from edgewright.trace.progress import progress


class Working(Quiet):
    """A run that prints nothing but a bar for work that takes over a second."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """A bar on a terminal, nothing elsewhere."""
        answer()
        return progress(self.console, label, total)

    def ahead(self, sentence: str) -> None:
        """Print a line on standard error."""
        print_ahead(sentence)
