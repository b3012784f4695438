"""A process beside the agent that must not outlive it, not even one that is killed."""

from __future__ import annotations

import ctypes
import os

_PR_SET_PDEATHSIG, _SIGKILL = 1, 9


def end_with(parent: int) -> bool:
    """Let the kernel end this process as soon as its parent has ended; return whether the parent still runs.

    Args:
        parent: process id of the agent.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    return os.getppid() == parent
