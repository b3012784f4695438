"""Compile the same C once in a session: proofs of one run, and of runs that share a model, repeat each other's code."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.export import cores

# Libraries that nobody asked for in so many seconds are removed.
_KEPT_S = 7 * 86_400


def share_compiled(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make the product's compilers answer with the file that the same command made of the same sources.

    A command that failed, or that has another time limit, is run again.

    Args:
        patch: undoes it.
        folder: of the libraries; several processes may share it, and later ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        # Another process may be faster.
        with suppress(FileNotFoundError):
            if old.stat().st_mtime < time.time() - _KEPT_S:
                old.unlink()

    def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
        if "-o" not in command:
            return subprocess.run(command, **options)  # noqa: PLW1510 - the caller says `check`
        target = Path(options["cwd"], command[command.index("-o") + 1])
        kept = folder / _key(command, target, options)
        if kept.exists():
            os.utime(kept)
            shutil.copyfile(kept, target)
            return subprocess.CompletedProcess(command, 0, "", "")
        done = subprocess.run(command, **options)  # noqa: PLW1510 - the caller says `check`
        if not done.returncode:
            half = folder / f"{kept.name}.{os.getpid()}"
            shutil.copyfile(target, half)
            half.replace(kept)
        return done

    patch.setattr(cores, "subprocess", SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired))


def _key(command: Sequence[str], target: Path, options: dict[str, Any]) -> str:
    """Return a name for what is compiled: command, its program, time limit, and every file beside the target."""
    words = [word for word in command if Path(options["cwd"], word) != target]
    program = Path(shutil.which(command[0]) or command[0]).resolve()
    version = (program.stat().st_size, program.stat().st_mtime_ns) if program.exists() else ()
    hashed = hashlib.sha256(repr((words, version, options.get("timeout"))).encode())
    for path in sorted(target.parent.iterdir()):
        if path.is_file() and path != target:
            hashed.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return hashed.hexdigest()
