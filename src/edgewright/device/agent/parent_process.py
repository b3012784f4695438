"""Ties processes to their parent: none outlives the agent or its launcher, killed or not."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

STORE_VARIABLE = "EDGEWRIGHT_LAUNCHED_STORE"
"""Of the environment of all that a launcher starts; its value is the mark of the store."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None)
_ROUND_S, _LOOK_S = 0.02, 5.0


def store_mark(store: Path) -> str:
    """Return what names the folder of a store in the environment of its processes."""
    folder = store.stat()
    return f"{folder.st_dev}:{folder.st_ino}"


def end_with(parent: int) -> bool:
    """Let the kernel kill this process as soon as its parent has exited; return whether the parent still runs.

    Args:
        parent: process id of the parent.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def output_of(
    process: subprocess.Popen[bytes], seconds: float, alive: Callable[[], None] = lambda: None
) -> tuple[bytes, bytes]:
    """Return what a process writes to its pipes until it exits.

    Args:
        process: killed if it takes too long.
        seconds: longest time.
        alive: called every few seconds meanwhile, for a watchdog.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    until = time.monotonic() + seconds
    while True:
        alive()
        try:
            return process.communicate(timeout=max(0.0, min(_LOOK_S, until - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= until:
                process.kill()
                process.communicate()
                raise


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent exits, so that none escapes `end_descendants`."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _collect_all() -> None:
    """Collect the exit codes of all children that have exited."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_descendants(child: int, variable: str, value: str, seconds: float, alive: Callable[[], None]) -> bool:
    """Kill what descends from a child of this process and collect exit codes; return whether none is left.

    It needs neither rights nor control groups. What descends from the child is below it, in its session, or was started
    with its environment; after `adopt_orphans` all of it is below this process. Other children of this process stay: as
    the first process of a container, or where a shell replaced itself by it, it has some that it did not start.

    Args:
        child: process id; it leads a session of its own.
        variable: of its environment.
        value: of that.
        seconds: longest time; a process that waits for a broken disk cannot be killed.
        alive: called again and again meanwhile.
    """
    until, mark = time.monotonic() + seconds, f"\0{variable}={value}\0".encode()
    while descendants := _descendants(child, mark):
        alive()
        _kill(descendants)
        _collect_all()
        if time.monotonic() > until:
            return False
        time.sleep(_ROUND_S)
    _collect_all()
    return True


def end_marked(variable: str, value: str, seconds: float) -> bool:
    """Kill the processes of this user that were started with an environment variable; return whether none is left.

    This process and those above it stay.

    Args:
        variable: its name.
        value: its value.
        seconds: longest time.
    """
    until, mark = time.monotonic() + seconds, f"\0{variable}={value}\0".encode()
    while marked := [process for process in _processes() if mark in _environment_of(process)]:
        above = _above(os.getpid())
        others = [process for process in marked if process not in above]
        if not others:
            return True
        _kill(others)
        if time.monotonic() > until:
            return False
        time.sleep(_ROUND_S)
    return True


def _kill(processes: list[int]) -> None:
    """Kill processes; those that have ended or may not be killed are left out."""
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names, thousands of them


def _environment_of(process: int) -> bytes:
    """Return the environment that a process was started with, `NAME=value` between zero bytes."""
    try:
        return b"\0" + Path(f"/proc/{process}/environ").read_bytes() + b"\0"
    except OSError:  # of another user, or gone
        return b""


def _parent(process: int) -> tuple[int, bool, int]:
    """Return the parent of a process, whether the process still runs, and its session; (0, False, 0) for none."""
    try:
        # The name stands in parentheses and may contain some.
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
        state, parent, _, session = fields[:4]
    except (OSError, ValueError):
        return 0, False, 0
    return int(parent), state != "Z", int(session)


def _above(process: int) -> set[int]:
    chain: set[int] = set()
    while process > 0 and process not in chain:
        chain.add(process)
        process = _parent(process)[0]
    return chain


def _table() -> dict[int, tuple[int, bool, int]]:
    return {process: _parent(process) for process in _processes()}


def _below(table: dict[int, tuple[int, bool, int]], roots: list[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for process, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(process)
    waiting, processes = roots, list[int]()
    while waiting:
        processes += (waiting := [lower for process in waiting for lower in children.get(process, [])])
    return processes


def _descendants(child: int, mark: bytes) -> list[int]:
    """Return what runs of a child of this process; zombies only wait for their parent."""
    table = _table()
    roots = [
        process for process in _below(table, [os.getpid()])
        if child in (process, table[process][2]) or mark in _environment_of(process)
    ]  # fmt: skip
    return [process for process in {*roots, *_below(table, roots)} if table[process][1]]
