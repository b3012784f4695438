"""Writes `requirements.lock` and the locks of dependency groups: the newest versions, with hashes and without an index.

The first holds everything of `pyproject.toml` that Edgewright needs; `requirements-site.lock` what builds the
documentation site, `requirements-release.lock` what checks a release. Run it through `make lock`; it needs the network
and pip-tools. Names of locks after it write those alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements.lock"
GROUPS = {"requirements-site.lock": "site", "requirements-release.lock": "release"}
PURPOSES = {
    LOCK: "Every package of every extra, for make install",
    "requirements-site.lock": "What builds the documentation, for make site",
    "requirements-release.lock": "What checks a release, for make release",
}
# Names of this or that machine's places, which must not be written down.
PLACES = ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")


def wanted(name: str) -> list[str]:
    """Return requirements of the base install and of all extras but `gpu`, or those of a group."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if name in GROUPS:
        return sorted(tables["dependency-groups"][GROUPS[name]])
    project = tables["project"]
    extras = project["optional-dependencies"]
    lists = [project["dependencies"], *(lines for extra, lines in extras.items() if extra != "gpu")]
    return sorted({line for lines in lists for line in lines if not line.startswith(project["name"] + "[")})


def write(name: str) -> int:
    """Resolve and write one lock; return the resolver's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.in"
        path.write_text("\n".join(wanted(name)) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--allow-unsafe"]
        command += ["--strip-extras", "--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--no-emit-trusted-host", "--output-file", str(Path(folder) / "lock.txt"), str(path)]
        settings = {key: value for key, value in os.environ.items() if key not in PLACES}
        done = subprocess.run(command, env=settings, check=False)
        if done.returncode == 0:
            text = (Path(folder) / "lock.txt").read_text(encoding="utf-8")
            header = f"# {PURPOSES[name]}. Written by tools/lock.py: do not edit.\n"
            (ROOT / name).write_text(header + text, encoding="utf-8")
    return done.returncode


def main(names: list[str]) -> int:
    """Write the locks; return the first exit code of the resolver that is not 0."""
    return next((code for code in map(write, names or PURPOSES) if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
