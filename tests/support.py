"""What several tests need: the public data sets, and leaving out what cannot exist here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def require_all() -> bool:
    """Whether a part that is absent is a failure (`EDGEWRIGHT_REQUIRE=all`) instead of being left out."""
    return os.environ.get("EDGEWRIGHT_REQUIRE", "") == "all"


def left_out(reason: str) -> None:
    """Leaves the test out and says why; a failure where everything is required."""
    if require_all():
        pytest.fail(f"required but absent: {reason}")
    pytest.skip(f"left out: {reason}")


def shared_data(name: str) -> Path:
    """Folder of a public set beside the repository."""
    folder = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / name
    if not folder.is_dir():
        left_out(f"no public data set {name!r} beside the repository")
    return folder


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of so many bytes ("24m"), where this machine lets us make one."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if not mount or not umount or subprocess.run([mount, *options], capture_output=True, check=False).returncode:
        # Nothing that could be installed: tests of files that may not grow stand in for it.
        pytest.skip("left out: a file system of our own needs the right to mount")
    try:
        yield place
    finally:
        subprocess.run([str(umount), "--lazy", str(place)], check=True)


def environment() -> dict[str, str]:
    """Of a process that imports what tests share."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "OMP_NUM_THREADS": "1"}
