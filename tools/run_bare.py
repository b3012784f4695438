"""Run a command as on a fresh machine: an empty home, no data next to the repository, only the system's base programs.

    python tools/run_bare.py make unit

Programs are those of Debian's essential packages, and make, git and the Python that runs this. Compilers, emulators,
browsers, servers and brokers that happen to be installed are not found, so a step that silently needs one fails here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ADDED_PACKAGES = ("make", "git")
# Settings of the machine's package index; nothing else of the environment is passed on.
PASSED_PREFIXES = ("PIP_", "UV_", "SSL_", "REQUESTS_", "OMP_", "OPENBLAS_")


def list_packages() -> list[str]:
    """Return the names of the essential Debian packages and those that the README requires."""
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Essential}\n"], capture_output=True, text=True, check=True
    )
    lines = (line.split() for line in listed.stdout.splitlines())
    return [package for package, essential in lines if essential == "yes"] + list(ADDED_PACKAGES)


def list_programs() -> set[str]:
    """Return the names of the programs in these packages, and those in their `alternatives`, such as awk."""
    listed = subprocess.run(["dpkg", "-L", *list_packages()], capture_output=True, text=True, check=True)
    paths = [Path(line) for line in listed.stdout.splitlines()]
    alternatives = {link.name for link in Path("/etc/alternatives").iterdir() if str(link.resolve()) in map(str, paths)}
    return {path.name for path in paths if path.parent.name in ("bin", "sbin")} | alternatives


def main() -> int:
    """Run the command that the arguments name and return its exit status."""
    if not sys.argv[1:]:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory(prefix="edgewright-bare-") as location:
        programs, home = Path(location, "bin"), Path(location, "home")
        programs.mkdir()
        home.mkdir()
        for name in sorted(list_programs()):
            if (path := shutil.which(name)) is not None:
                (programs / name).symlink_to(path)
        base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
        for name in ("python3", base.name):
            # A launcher and not a link, so that a virtual environment finds the installation.
            (programs / name).unlink(missing_ok=True)
            (programs / name).write_text(f'#!/bin/sh\nexec {base} "$@"\n')
            (programs / name).chmod(0o755)
        environment = {name: value for name, value in os.environ.items() if name.startswith(PASSED_PREFIXES)}
        environment |= {"HOME": str(home), "PATH": str(programs), "LANG": "C.UTF-8", "TERM": "xterm"}
        environment["EDGEWRIGHT_SHARED"] = str(home / "no-data")
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
