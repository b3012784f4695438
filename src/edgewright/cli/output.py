"""Output that commands share: JSON, and wrong rows of a stream on standard error."""

from __future__ import annotations

import sys

import click
import msgspec

_EACH = 10


def print_json(value: object) -> None:
    """Print a value as one indented JSON document on standard output."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
    sys.stdout.buffer.flush()


class BadRows:
    """Report wrong cells and lines of standard input, which count as missing; call it with a line about each."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, text: str) -> None:
        """Report one, or count it: the first ten are reported, then the hundredth, the thousandth and so on."""
        self._seen += 1
        if self._seen <= _EACH:
            click.echo(f"{text}; treated as missing", err=True)
        elif self._seen == 10 ** (len(str(self._seen)) - 1):
            click.echo(f"{self._seen:,} invalid cells or lines so far, treated as missing", err=True)


def print_ahead(sentence: str) -> None:
    """Print the estimate of long work on standard error, beside the output."""
    click.echo(sentence, err=True)
