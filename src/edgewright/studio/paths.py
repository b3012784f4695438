"""Paths that come from addresses and forms: below the studio's folder, links resolved, or not found."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException

RECORD = "trace.json"


def below(root: Path, relative: str) -> Path:
    """Return the existing file or folder at a relative path, with links resolved.

    Raises:
        HTTPException: 404 where it does not exist, is hidden, or leads out of `root`.
    """
    parts = relative.split("/")
    if "\0" in relative or "\\" in relative or any(part in ("", ".", "..") or part.startswith(".") for part in parts):
        raise HTTPException(404, "Path not found in the studio's folder.")
    try:
        found = (root / relative).resolve(strict=True)
        inside = found.is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError, ValueError):
        inside = False
    if not inside:
        raise HTTPException(404, "Path not found in the studio's folder.")
    return found


def run_folder(root: Path, name: str) -> Path:
    """Return the folder of a run; `name` is its path in the folder of runs.

    Raises:
        HTTPException: 404 where there is none.
    """
    folder = below(root, name)
    if not (folder / RECORD).is_file() or not (folder / RECORD).resolve().is_relative_to(folder):
        raise HTTPException(404, "The studio's folder has no run with that name.")
    return folder
