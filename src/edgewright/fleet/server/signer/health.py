"""Whether the signer of a served fleet can be asked, for supervisors and for people; it answers from any process."""

from __future__ import annotations

import fcntl
from pathlib import Path

from edgewright.fleet.server.signer.socket import SOCKET, Heard, heard

SERVING = ".serving"
"""Held with a lock by the process that serves a folder, or shared by all that do."""


def signer_away(folder: Path) -> str:
    """Why no rollout can step and nothing can be signed now; empty where it can.

    Args:
        folder: of the fleet. Where no server runs, commands sign by themselves and no signer is missed.
    """
    return why(heard(folder / "keys" / "online" / SOCKET)) if _served(folder) else ""


def why(found: Heard) -> str:
    """How a signer is, in words; empty where it answers."""
    if found.how == "answers":
        return ""
    still = "rollouts stand still, and what is published expires"
    if found.how == "gone":
        return f"it does not listen: {still}; the log says why it ended"
    named = f" (process {found.pid})" if found.pid else ""
    return f"it listens and does not answer{named}: {still}; within a minute a server ends it for another"


def _served(folder: Path) -> bool:
    try:
        with (folder / SERVING).open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
