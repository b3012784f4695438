"""Where what was compiled or measured is kept between processes, and which of it may be believed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder(name: str, home: Path | None = None) -> Path:
    """Return the folder of a kind of cache: `$XDG_CACHE_HOME/edgewright/NAME`, `~/.cache` where that is not set.

    Args:
        name: of the kind.
        home: instead of the environment's.
    """
    found = home or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return found / "edgewright" / name


def is_own(folder: Path) -> bool:
    """Return whether nobody else may have written what lies there: code is loaded from no other folder.

    Raises:
        OSError: there is no such folder.
    """
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def read_own(path: Path) -> bytes | None:
    """Return a file of a folder that nobody else may write to; None where there is none."""
    try:
        return path.read_bytes() if hasattr(os, "getuid") and is_own(path.parent) else None
    except OSError:
        return None


def write_own(path: Path, data: bytes) -> None:
    """Write a file that others see whole; it need not outlive a power cut, and is left out where it cannot be kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not hasattr(os, "getuid") or not is_own(path.parent):
            return
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
    except OSError:
        # No cache can be written here: it is made again in the next process.
        return
