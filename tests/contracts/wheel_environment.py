"""Environments outside the repository that hold the wheel, an extra, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support import ROOT

DEVICE = ROOT / "distributions" / "device"
"""The project of the distribution `edgewright-device`."""


def build_wheel(folder: Path, project: Path = ROOT) -> Path:
    """Build the wheel of a project of the repository in a folder and return its path."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(project)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("edgewright*.whl")
    return wheel


def environment_with(wheel: Path, folder: Path, extra: str = "", *, compiled: bool = False) -> Path:
    """Return Python of a new environment with the wheel and one extra, without byte code as on a device."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += [] if compiled else ["--no-compile"]
    done = subprocess.run(
        [*install, f"{wheel}[{extra}]" if extra else str(wheel)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return python


def linked_environment(board: Path, folder: Path, extra: str) -> Path:
    """Return Python of a new environment with the wheel of another one and what one extra asks for.

    Files are linked, those of the extra from the environment of the tests: some seconds instead of a minute.

    Args:
        board: Python of an environment that holds the wheel.
        folder: of the new environment.
        extra: by its name in pyproject.toml.
    """
    venv.create(folder, with_pip=False)
    python, site = folder / "bin" / "python", _site(folder)
    (own,) = _site(board.parent.parent).glob("edgewright-*.dist-info")
    wheel = PathDistribution(own)
    for package in (wheel, *requirements_of(wheel, extra)):
        for file in package.files or ():
            if ".." not in file.parts:  # programs name the Python of their environment
                _link(Path(str(package.locate_file(file))), site / file)
        for program in package.entry_points.select(group="console_scripts"):
            script = folder / "bin" / program.name
            script.write_text(
                f"#!{python}\nimport sys\nfrom {program.module} import {program.attr}\n"
                f"if __name__ == '__main__':\n    sys.exit({program.attr}())\n"
            )
            script.chmod(0o755)
    return python


def requirements_of(package: Distribution, *extras: str) -> list[Distribution]:
    """Return the installed distributions that a distribution with these extras depends on, itself left out."""
    seen = {(canonicalize_name(package.metadata["Name"]), extra) for extra in ("", *extras)}
    needed: dict[str, Distribution] = {}
    left = [(package, extra) for extra in ("", *extras)]
    while left:
        parent, extra = left.pop()
        for requirement in map(Requirement, parent.requires or ()):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            name = canonicalize_name(requirement.name)
            child = needed.setdefault(name, distribution(name))
            required = {(name, wanted) for wanted in ("", *requirement.extras)} - seen
            seen |= required
            left += [(child, wanted) for _, wanted in sorted(required)]
    return list(needed.values())


def _site(folder: Path) -> Path:
    (site,) = (folder / "lib").glob("python3*/site-packages")
    return site


def _link(source: Path, target: Path) -> None:
    if target.exists() or not source.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
