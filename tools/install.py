"""Installs Edgewright, editable and with extras, into the environment that runs this: the versions of the lock.

uv does it in seconds and compares each file with its hash in the lock. Where uv cannot be had, or finds no index, pip
installs the whole lock. `venv` would take longer to set up pip than uv takes for all else, so the environment is made
without: the pip of the Python that made it installs uv, and uv installs the pip that Python carries.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
QUIET = ["--quiet", "--disable-pip-version-check"]


def pip_command() -> list[str]:
    """Return the command of a pip that installs into this environment, which gets its own where no other is there."""
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    if find_spec("pip") is None:
        test = [str(base), "-c", "import pip"]
        if base.exists() and subprocess.run(test, capture_output=True, check=False).returncode == 0:
            return [str(base), "-m", "pip", "--python", sys.executable]
        subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], capture_output=True, check=False)
    return [sys.executable, "-m", "pip"]


def missing_pip() -> list[str]:
    """Return what pip is installed from where this environment has none: the wheel in Python, else the index."""
    if find_spec("pip") is not None:
        return []
    spec = find_spec("ensurepip")
    folders = spec.submodule_search_locations if spec is not None else None
    return [str(wheel) for folder in folders or () for wheel in Path(folder, "_bundled").glob("pip-*.whl")] or ["pip"]


def with_uv(pip: list[str], extras: str) -> bool:
    """Install uv itself, then the extras; return whether all of it is there."""
    locked = re.search(r"^uv==.*(\n +--hash.*)+", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if locked is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "uv.txt"
        alone.write_text(locked[0] + "\n", encoding="utf-8")
        if subprocess.run([*pip, "install", *QUIET, "--requirement", str(alone)], check=False).returncode:
            return False
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--constraint", str(LOCK), "--editable", f"{ROOT}[{extras}]", *missing_pip()]
    return subprocess.run(command, env=os.environ | pip_index(pip), check=False).returncode == 0


def pip_index(pip: list[str]) -> dict[str, str]:
    """Return the index that pip is configured for as uv's variable; nothing where it is the default one."""
    settings = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout
    indexes = re.findall(r"^(?:global|install|:env:)\.index-url='(.+)'$", settings, re.MULTILINE)
    return {"UV_DEFAULT_INDEX": indexes[-1]} if indexes and "UV_DEFAULT_INDEX" not in os.environ else {}


def with_pip(pip: list[str]) -> int:
    """Install the whole lock, then Edgewright; return the exit code."""
    print("uv cannot install here; pip installs all of requirements.lock, which takes minutes", flush=True)
    editable = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT), *missing_pip()]
    for rest in (["--requirement", str(LOCK)], editable):
        code = subprocess.run([*pip, "install", *QUIET, *rest], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    command_of_pip = pip_command()
    sys.exit(0 if with_uv(command_of_pip, sys.argv[1]) else with_pip(command_of_pip))
