"""`edgewright score` as tests call it."""

from __future__ import annotations

from cli_runner import Cli


def refused(cli: Cli, *words: str) -> str:
    """Return what a score that ends with 2 says: one line."""
    text = cli("score", *words, code=2)
    assert text.count("\n") == 1
    return text
