"""How far a simulation is, on a terminal; a file or a pipe sees nothing of it."""

from __future__ import annotations

import sys
import time

import click

_FEWEST_SECONDS = 2.0
"""After which the time left is said: what it is reckoned from is too little before."""


class Progress:
    """One line on standard error, drawn over again and taken away at the end.

    Args:
        devices: that are simulated.
    """

    def __init__(self, devices: int) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._devices, self._days, self._began = devices, 0.0, 0.0

    def __enter__(self) -> Progress:
        """It is drawn from now."""
        self._draw(f"making {self._devices:,} devices")
        return self

    def __exit__(self, *_: object) -> None:
        """Its line is empty again."""
        self._draw("")

    def begin(self, days: float) -> None:
        """All devices are there; so many days are simulated."""
        self._days, self._began = days, time.monotonic()

    def passed(self, share: float) -> None:
        """So much of the days is over, 0 to 1."""
        self._draw(words(self._days, share, time.monotonic() - self._began))

    def _draw(self, text: str) -> None:
        if self._shown:
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def words(days: float, share: float, seconds: float) -> str:
    """What the line says.

    Args:
        days: simulated in all.
        share: of them that is over, 0 to 1.
        seconds: that it took.
    """
    day, hour = divmod(round(days * 24.0 * share, 6), 24.0)
    said = f"day {int(day)}, hour {int(hour):02d} of {days:g} {'day' if days == 1.0 else 'days'}, {share:.0%} done"
    if share <= 0.0 or seconds < _FEWEST_SECONDS:
        return said
    left = seconds * (1.0 - share) / share
    if left < 90.0:
        return f"{said}, about {left:.0f} s left"
    return f"{said}, about {left / 60.0:.0f} min left" if left < 5400.0 else f"{said}, about {left / 3600.0:.1f} h left"
