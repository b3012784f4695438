"""Where what was compiled is kept between processes, and which of it may be believed."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str, home: Path | None = None) -> Path:
    """The folder of a kind of cache: `$XDG_CACHE_HOME/edgewright/NAME`, `~/.cache` where that is not set.

    Args:
        name: of the kind.
        home: instead of the environment's.
    """
    found = home or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return found / "edgewright" / name


def is_own(folder: Path) -> bool:
    """Whether nobody else may have written what lies there: code is loaded from no other folder.

    Raises:
        OSError: there is no such folder.
    """
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022
