"""Entries of structures and pairs, between braces, in lines that a person can read."""

from __future__ import annotations

from collections.abc import Sequence


def wrapped(cells: Sequence[str]) -> str:
    """Cells such as `{1, 2}`, separated by commas, in lines of at most 118 characters."""
    lines, line = [], "   "
    for number, cell in enumerate(cells):
        word = f" {cell}" + ("," if number + 1 < len(cells) else "")
        if len(line) + len(word) > 118:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([*lines, line])
