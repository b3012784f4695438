"""Runs one package's test vectors: `python -m edgewright.fleet.device.package_test_process FILE ...`.

A package is untrusted until it has proven itself, and its engine may have faults: it therefore runs with limits of
memory, processor time, file size and processes, and without a network where the kernel lets a user have none.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of sched.h
_ADDRESSES = 16 << 30  # engines map far more than they touch; what they may write is the limit that counts
_FILES = 16 << 20
_MORE_PROCESSES = 64
OK, WRONG, DAMAGED, MEMORY = 0, 1, 2, 74


def limit(memory: int, seconds: int) -> None:
    """Sets the limits of this process, for ever.

    Args:
        memory: bytes that may be written to (`RLIMIT_DATA`).
        seconds: of processor time.
    """
    for kind, most in (
        (resource.RLIMIT_AS, _ADDRESSES), (resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, _FILES), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, _processes() + _MORE_PROCESSES),
    ):  # fmt: skip
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


def alone() -> bool:
    """Leaves the network; whether the kernel allowed it. Before any thread is started."""
    with suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NET) == 0)
    return False


def _processes() -> int:
    """Threads of this user's processes, which the limit counts too."""
    count, mine = 0, os.getuid()
    for entry in Path("/proc").glob("[0-9]*/task"):
        with suppress(OSError):
            if entry.stat().st_uid == mine:
                count += sum(1 for _ in entry.iterdir())
    return count


def main(arguments: list[str]) -> int:
    """FILE MEMORY SECONDS: exit code 0 where the vectors pass, 1 where answers differ, 2 damaged, 74 no memory."""
    path, memory, seconds = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    alone()
    limit(memory, seconds)
    from edgewright.core.package import read_package  # noqa: PLC0415 - after the limits
    from edgewright.core.predictor import Predictor  # noqa: PLC0415
    from edgewright.schema.errors import CheckFailedError, EdgewrightError  # noqa: PLC0415

    try:
        Predictor(read_package(path))
    except CheckFailedError as error:
        return _said(str(error), WRONG)
    except EdgewrightError as error:
        return _said(str(error), DAMAGED)
    except MemoryError:
        return _said("out of memory", MEMORY)
    return OK


def _said(text: str, code: int) -> int:
    sys.stderr.write(f"{' '.join(text.splitlines())[:500]}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
