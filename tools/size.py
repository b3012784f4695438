"""Print the lines of Python per package and the project modules that common commands load, next to their limits.

Usage: python tools/size.py [--check]

With --check the exit status is 1 if a total exceeds its limit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Lines per group of packages below src/edgewright.
PACKAGE_LIMITS = {
    "cli": 10_000,
    "studio": 9_000,
    "race advice": 5_000,
    "language nlp": 14_000,
    "workflows": 12_000,
    "pipeline": 8_500,
    "compression": 1_400,
    "trace": 7_500,
    "models training features preprocessing": 13_000,
    "export": 17_000,
    "graph": 7_500,
    "proof": 1_500,
    "data": 9_500,
    "device": 15_500,
    "fleet": 21_000,
    "monitor": 4_000,
    "core": 15_000,
    "profiles cluster": 1_800,
}
# Lines, and files where they are limited.
TOTAL_LIMITS = {"src": (174_000, 850), "tests": (105_000, None), "benchmarks": (19_000, None)}
_RUN = "from edgewright.cli.main import run; run({!r})"
MODULE_LIMITS = {
    "import edgewright": 40,
    _RUN.format(["--help"]): 40,
    _RUN.format(["run", "my.csv", "--target", "activity", "--group", "person", "--budget", "0s"]): 250,
}


def count_lines(folders: list[str]) -> tuple[int, int]:
    """Return the lines and the number of Python files that git tracks below folders of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name.endswith(".py")]
    return sum(len(file.read_bytes().splitlines()) for file in files if file.exists()), len(files)


def count_modules(statement: str, folder: str) -> int:
    """Return how many modules of the project a new interpreter has loaded after a statement that runs in `folder`."""
    count = "import sys; print(sum(name.startswith('edgewright') for name in sys.modules), file=sys.stderr)"
    code = f"try:\n exec({statement!r})\nfinally:\n {count}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1])


def main() -> int:
    """Print the table; return the exit status."""
    is_over = False
    for packages, limit in PACKAGE_LIMITS.items():
        lines, files = count_lines([f"src/edgewright/{package}" for package in packages.split()])
        print(f"{packages:40} {lines:8,} of {limit:8,} lines, {files:5,} files")
    for folder, (max_lines, max_files) in TOTAL_LIMITS.items():
        lines, files = count_lines([folder])
        of_files = "" if max_files is None else f" of {max_files:,}"
        print(f"{folder:40} {lines:8,} of {max_lines:8,} lines, {files:5,}{of_files} files")
        is_over |= lines > max_lines or files > (max_files or files)
    with tempfile.TemporaryDirectory() as temporary:
        count_modules(_RUN.format(["sample", "motion", "--out", "my.csv"]), temporary)
        for statement, limit in MODULE_LIMITS.items():
            modules = count_modules(statement, temporary)
            title = statement.partition("; ")[2] or statement
            print(f"{title[:40]:40} {modules:8,} of {limit:8,} modules")
            is_over |= modules > limit
    return int(is_over and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
