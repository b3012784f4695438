"""Whether a process named in a journal still lives: its number alone may belong to another one by now."""

from __future__ import annotations

import os
from pathlib import Path


def start_ticks(process: int) -> int:
    """When a process started, in clock ticks since the machine did; 0 where it is gone or the system does not say.

    Source: field 22 of `/proc/PID/stat`, proc_pid_stat(5). A process that has ended but was not yet asked for its exit
    code (state Z) counts as gone.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The name, field 2, stands in brackets and may itself hold brackets and blanks.
    fields = text.rpartition(")")[2].split()
    return 0 if len(fields) < 20 or fields[0] in ("Z", "X") else int(fields[19])


def alive(process: int, ticks: int) -> bool:
    """Whether the process of this number that started at `ticks` still lives."""
    if process <= 1:
        return False
    if ticks:
        return start_ticks(process) == ticks
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
