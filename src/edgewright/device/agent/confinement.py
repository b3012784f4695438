"""Confinement of a release's programs by the kernel: they signal, trace and inspect no processes but their own.

Landlock (landlock(7)) needs no rights. From Linux 5.13 on it keeps a program from the memory and open files of other
processes of the same user, and from Linux 6.12 on from sending them signals, such as SIGSTOP to the agent.
"""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION = 1
_MAKE_BLOCK, _SCOPE_SIGNAL = 1 << 11, 1 << 1
_SIGNALS_ABI = 6
_OOM_SCORE = 500
"""Above that of the agent, so that the kernel kills a program first if memory is short."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def landlock_version() -> int:
    """Return the version of the kernel's Landlock interface, 0 if there is none."""
    return max(0, int(_LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))))


def confine(memory: int) -> None:
    """Confine this process and what it starts, permanently: for `preexec_fn`.

    Args:
        memory: bytes of private memory of each process (`RLIMIT_DATA`); 0 for no limit.
    """
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # no program becomes root by a set-user-ID bit
    if memory:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(f"{_OOM_SCORE}\n", encoding="ascii")
    version = landlock_version()
    if not version:
        return
    # A domain must handle something: before signals could be scoped, it forbids to make block devices.
    rules = _Ruleset(scoped=_SCOPE_SIGNAL) if version >= _SIGNALS_ABI else _Ruleset(files=_MAKE_BLOCK)
    size = ctypes.sizeof(_Ruleset) if version >= _SIGNALS_ABI else ctypes.sizeof(ctypes.c_uint64)
    ruleset = int(_LIBC.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0)))
    if ruleset >= 0:
        _LIBC.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
        os.close(ruleset)


def memory_below(process: int) -> int:
    """Return the bytes of memory of a process and its descendants; pages that they share count once."""
    total, waiting = 0, [process]
    while waiting:
        current = waiting.pop()
        total += _memory_of(current)
        with suppress(OSError):
            for task in Path(f"/proc/{current}/task").iterdir():
                waiting += map(int, (task / "children").read_text(encoding="ascii").split())
    return total


def _memory_of(process: int) -> int:
    """Return the proportional share of memory (PSS), swapped pages included; 0 for a process that has ended."""
    with suppress(OSError, ValueError, IndexError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Pss:", "SwapPss:")))
    with suppress(OSError, ValueError, IndexError):  # a kernel without smaps_rollup
        return int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
