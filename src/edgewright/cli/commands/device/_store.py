"""What the commands that read a store share: the option, times as people write them, printing."""

from __future__ import annotations

import datetime
import time
from typing import Any

import click

from edgewright.cli.command import option

STORE: Any = option(required=True, metavar="DIR", help="Folder of the store.")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # no generic in click 8.1
    """'2026-11-20', '2026-11-20T13:00', '90m', '12h', '7d' (so long ago), or seconds since 1970."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since 1970."""
        if isinstance(value, float):
            return value
        text = str(value)
        try:
            if text[-1:] in _UNITS:
                return time.time() - float(text[:-1]) * _UNITS[text[-1]]
            if text.replace(".", "", 1).isdigit():
                return float(text)
            return datetime.datetime.fromisoformat(text).timestamp()
        except ValueError:
            self.fail(f"expected a time such as 2026-11-20T13:00, 12h or 7d, got {text!r}", param, ctx)


def when(seconds: float | None) -> str:
    """Return a moment in the local time zone, or a dash."""
    if seconds is None:
        return "-"
    try:
        return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s"
