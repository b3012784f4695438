"""Writes `requirements.lock`: the newest versions of everything in `pyproject.toml`, with hashes and without an index.

Run it through `make lock`; it needs the network and pip-tools.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = "# Every package of every extra, for make install. Written by tools/lock.py: do not edit.\n"
# Names of this or that machine's places, which must not be written down.
PLACES = ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")


def wanted() -> list[str]:
    """Return requirements of the base install and of all extras, without the project itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return sorted({line for lines in lists for line in lines if not line.startswith(project["name"] + "[")})


def main() -> int:
    """Resolve and write; give the resolver's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.in"
        path.write_text("\n".join(wanted()) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--allow-unsafe"]
        command += ["--strip-extras", "--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--no-emit-trusted-host", "--output-file", str(Path(folder) / "lock.txt"), str(path)]
        settings = {key: value for key, value in os.environ.items() if key not in PLACES}
        done = subprocess.run(command, env=settings, check=False)
        if done.returncode == 0:
            LOCK.write_text(HEADER + (Path(folder) / "lock.txt").read_text(encoding="utf-8"), encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
