"""Builds a release in dist/VERSION and tries it: wheels, their metadata, empty environments, bills of material, hashes.

Run it through `make release`; `make release TAG=yes` also tags the commit. The version is that of
`src/edgewright/_version.py`, and docs/changelog/VERSION.md needs a title with a date. Nothing leaves the machine.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / ".venv-release" / "bin"
TESTS = ROOT / ".venv" / "bin" / "python"
PROJECTS = {
    "edgewright": (ROOT, ["--sdist", "--wheel"]),
    "edgewright-device": (ROOT / "distributions" / "device", ["--wheel"]),
}
# Environments whose content is listed: all that users can install of a distribution.
MATERIALS = {"edgewright": "all", "edgewright-device": "gateway"}


def version_of(text: str) -> str:
    """Return the version that the text of `_version.py` sets."""
    match = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if match is None:
        raise SystemExit('expected a line __version__ = "..." in src/edgewright/_version.py')
    return match[1]


def obstacles(version: str, changelog: str, status: str, tags: list[str]) -> Iterator[str]:
    """Yield what stands against a release.

    Args:
        version: to be released.
        changelog: text of the file of this version in docs/changelog; empty if there is none.
        status: of `git status --porcelain`.
        tags: of the repository.
    """
    if status.strip():
        yield f"expected a clean checkout, got changes: {status.strip().splitlines()[0]}. Commit or remove them"
    if not re.match(rf"# {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n", changelog):
        yield f"expected the title '# {version} (YYYY-MM-DD)' in docs/changelog/{version}.md. Date this version"
    if f"v{version}" in tags:
        yield f"the tag v{version} exists. Raise the version in src/edgewright/_version.py"


def build(folder: Path) -> list[Path]:
    """Build all distributions twice and return those of the first time.

    Raises:
        SystemExit: the second build has other bytes.
    """
    when = output("git", "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory() as again:
        for target in (folder, Path(again)):
            for project, kinds in PROJECTS.values():
                command = [RELEASE / "python", "-m", "build", "--no-isolation", *kinds, "--outdir", target, project]
                call(*command, SOURCE_DATE_EPOCH=when)
        files = sorted(path for path in folder.iterdir() if path.is_file())
        if different := [path.name for path in files if digest(path) != digest(Path(again) / path.name)]:
            raise SystemExit(f"expected the same bytes from two builds, got others in {', '.join(different)}")
    return files


def try_out(folder: Path) -> None:
    """Install each extra into an empty environment, run the README and what the extra promises."""
    shutil.rmtree(folder / "environments", ignore_errors=True)
    tests = ["-q", "-m", "", "-p", "no:schemathesis", "-p", "no:cacheprovider", "tests/contracts/test_extras.py"]
    call(TESTS, "-m", "pytest", *tests, EDGEWRIGHT_DIST=str(folder))


def bill_of_materials(folder: Path, distribution: str, version: str) -> Path:
    """Write what the fullest environment of a distribution holds, as CycloneDX JSON, and return the file."""
    path = folder / f"{distribution}-{version}.cdx.json"
    python = folder / "environments" / MATERIALS[distribution] / "bin" / "python"
    call(RELEASE / "cyclonedx-py", "environment", "--output-reproducible", "-o", path, python)
    return path


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def call(*command: object, **settings: str) -> None:
    """Run a command in the root.

    Raises:
        SystemExit: it failed.
    """
    words = [str(word) for word in command]
    print("$", " ".join(words), flush=True)
    code = subprocess.run(words, cwd=ROOT, env=os.environ | settings, check=False).returncode
    if code:
        raise SystemExit(f"{words[0]} ended with {code}; nothing is tagged")


def output(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def main(tag: bool) -> None:
    """Build, try and describe the release; tag it if asked."""
    version = version_of((ROOT / "src" / "edgewright" / "_version.py").read_text(encoding="utf-8"))
    path = ROOT / "docs" / "changelog" / f"{version}.md"
    changelog = path.read_text(encoding="utf-8") if path.exists() else ""
    against = list(obstacles(version, changelog, output("git", "status", "--porcelain"), output("git", "tag").split()))
    if against:
        raise SystemExit("\n".join(against))
    folder = ROOT / "dist" / version
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = build(folder)
    call(RELEASE / "twine", "check", "--strict", *files)
    try_out(folder)
    files += [bill_of_materials(folder, distribution, version) for distribution in PROJECTS]
    (folder / "SHA256SUMS").write_text("".join(f"{digest(path)}  {path.name}\n" for path in files), encoding="utf-8")
    if tag:
        call("git", "tag", "--annotate", f"v{version}", "--message", f"Edgewright {version}")
    print((folder / "SHA256SUMS").read_text(encoding="utf-8"), end="")
    print(
        f"release {version} is in {folder.relative_to(ROOT)}{', tagged' if tag else '; make release TAG=yes tags it'}"
    )


if __name__ == "__main__":
    main("--tag" in sys.argv[1:])
