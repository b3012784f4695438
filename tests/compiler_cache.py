"""Compile the same C once in a session: proofs of one run, and of runs that share a model, repeat each other's code."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.export._extension import build
from edgewright.export.c99_host import host


def share_compiled(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make both compilers of the product answer with the library that the same command made of the same sources.

    A command that failed, or that has another time limit, is run again.

    Args:
        patch: undoes it.
        folder: of the libraries; several processes may share it.
    """

    def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
        if "-o" not in command:
            return subprocess.run(command, **options)  # noqa: PLW1510 - the caller says `check`
        target = Path(options["cwd"], command[command.index("-o") + 1])
        kept = folder / _key(command, target, options)
        if kept.exists():
            shutil.copyfile(kept, target)
            return subprocess.CompletedProcess(command, 0, "", "")
        done = subprocess.run(command, **options)  # noqa: PLW1510 - the caller says `check`
        if not done.returncode:
            half = folder / f"{kept.name}.{target.parent.name}"
            shutil.copyfile(target, half)
            half.replace(kept)
        return done

    stand_in = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)
    patch.setattr(host, "subprocess", stand_in)
    patch.setattr(build, "subprocess", stand_in)


def _key(command: Sequence[str], target: Path, options: dict[str, Any]) -> str:
    """Return a name for what is compiled: command, time limit, and every file beside the target."""
    words = [word for word in command if Path(options["cwd"], word) != target]
    hashed = hashlib.sha256(repr((words, options.get("timeout"))).encode())
    for path in sorted(target.parent.iterdir()):
        if path.is_file() and path != target:
            hashed.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return hashed.hexdigest()
