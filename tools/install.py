"""Installs Edgewright, editable and with extras, into the environment that runs this: the versions of the lock.

uv does it in seconds and compares each file with its hash in the lock. Where uv cannot be had, or finds no index, pip
installs the whole lock.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PIP = [sys.executable, "-m", "pip"]
QUIET = ["--quiet", "--disable-pip-version-check"]


def with_uv(extras: str) -> bool:
    """Install uv itself, then the extras; return whether all of it is there."""
    locked = re.search(r"^uv==.*(\n +--hash.*)+", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if locked is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "uv.txt"
        alone.write_text(locked[0] + "\n", encoding="utf-8")
        if subprocess.run([*PIP, "install", *QUIET, "--requirement", str(alone)], check=False).returncode:
            return False
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--constraint", str(LOCK), "--editable", f"{ROOT}[{extras}]"]
    return subprocess.run(command, env=os.environ | pip_index(), check=False).returncode == 0


def pip_index() -> dict[str, str]:
    """Return the index that pip is configured for as uv's variable; nothing where it is the default one."""
    settings = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout
    indexes = re.findall(r"^(?:global|install|:env:)\.index-url='(.+)'$", settings, re.MULTILINE)
    return {"UV_DEFAULT_INDEX": indexes[-1]} if indexes and "UV_DEFAULT_INDEX" not in os.environ else {}


def with_pip() -> int:
    """Install the whole lock, then Edgewright; return the exit code."""
    print("uv cannot install here; pip installs all of requirements.lock, which takes minutes", flush=True)
    for rest in (["--requirement", str(LOCK)], ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]):
        code = subprocess.run([*PIP, "install", *QUIET, *rest], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(0 if with_uv(sys.argv[1]) else with_pip())
