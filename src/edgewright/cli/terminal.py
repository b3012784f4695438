"""The console of commands that print more than a line, and the line that long work begins with."""

from __future__ import annotations

import errno
import os

import click
from rich.console import Console


class Terminal(Console):
    """A console that leaves the end of a pipe to `main`; rich would end the process with exit code 1."""

    def on_broken_pipe(self) -> None:
        """The reader went away.

        Raises:
            BrokenPipeError: always.
        """
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def print_ahead(sentence: str) -> None:
    """Print the estimate of long work on standard error, beside the output."""
    click.echo(sentence, err=True)
