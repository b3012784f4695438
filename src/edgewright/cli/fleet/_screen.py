"""A picture of text that is drawn over itself on a terminal; elsewhere it is printed. Plain ANSI."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import click

_BROAD, _HIGH = 160, 10_000


class Screen:
    """Where pictures are drawn.

    Args:
        shown: standard output is a terminal.
    """

    def __init__(self, shown: bool) -> None:
        self.shown, self._drawn = shown, 0
        # One write a picture, so that it does not flicker; the bar is plain text where the terminal knows no other.
        self._plain = not _knows(sys.stdout, "█▓▒░▌▚▞…")

    def size(self) -> tuple[int, int]:
        """Columns and rows of a picture."""
        if not self.shown:
            return _BROAD, _HIGH
        found = shutil.get_terminal_size()
        # A picture that fills the last row scrolls, and could not be drawn over.
        return max(20, found.columns - 1), max(3, found.lines - 2)

    def draw(self, lines: Sequence[str]) -> None:
        """Draws over what was drawn before."""
        if self._plain:
            lines = [line.translate(_ASCII).encode("ascii", "replace").decode() for line in lines]
        text = "\n".join(lines) + "\n"
        if not self.shown:
            click.echo(text, nl=False)
            return
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        sys.stdout.write(f"{up}\x1b[J{text}")
        sys.stdout.flush()
        self._drawn = len(lines)

    def note(self, line: str) -> None:
        """A line about trouble: under the picture, where it goes with the next; elsewhere on standard error."""
        if not self.shown:
            click.echo(line, err=True)
            return
        width = self.size()[0]
        sys.stdout.write(f"{line[:width]}\x1b[K\r")
        sys.stdout.flush()

    def leave(self) -> None:
        """Leaves the last picture where it is."""
        if self.shown and self._drawn:
            sys.stdout.write("\x1b[K")
            sys.stdout.flush()


_ASCII = str.maketrans({"█": "#", "▓": "=", "▒": "-", "░": ".", "▌": ":", "▚": "+", "▞": "~", "…": "."})


def _knows(stream: object, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
