"""Rows of a stream that are wrong: told on standard error, the first ones each, further ones by their number."""

from __future__ import annotations

import click

_EACH = 10


class BadRows:
    """Tells of wrong cells and lines of standard input, which count as missing; called with a line about each."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, text: str) -> None:
        """Tells of one, or counts it: the first ten are told, then the hundredth, the thousandth and so on."""
        self._seen += 1
        if self._seen <= _EACH:
            click.echo(f"{text}; taken as missing", err=True)
        elif self._seen == 10 ** (len(str(self._seen)) - 1):
            click.echo(f"{self._seen:,} wrong cells or lines so far, taken as missing", err=True)
