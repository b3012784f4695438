"""Environments outside the repository that hold the wheel, an extra, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from support import ROOT


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the repository in a folder and return its path."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("edgewright-*.whl")
    return wheel


def environment_with(wheel: Path, folder: Path, extra: str = "") -> Path:
    """Return Python of a new environment with the wheel and one extra, without byte code as on a device."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    done = subprocess.run(
        [*install, f"{wheel}[{extra}]" if extra else str(wheel)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return python
