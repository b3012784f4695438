"""Whether the signer of a served fleet can be asked, for supervisors and for people; it answers from any process."""

from __future__ import annotations

import fcntl
from pathlib import Path

from edgewright.fleet.control.signing_process import SOCKET, listens

SERVING = ".serving"
"""Held with a lock by the process that serves a folder, or shared by all that do."""


def signer_away(folder: Path) -> str:
    """Why no rollout can step and nothing can be signed now; empty where it can.

    Args:
        folder: of the fleet. Where no server runs, commands sign by themselves and no signer is missed.
    """
    if not _served(folder) or listens(folder / "keys" / "online" / SOCKET):
        return ""
    return "it does not listen: rollouts stand still, and what is published expires; the log says why it ended"


def _served(folder: Path) -> bool:
    try:
        with (folder / SERVING).open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
