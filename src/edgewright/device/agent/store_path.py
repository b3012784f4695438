"""Where a device's store lies when nobody names a folder."""

from __future__ import annotations

import os
from pathlib import Path


def store_folder(named: Path | None) -> Path:
    """Return the folder of the store: as named, else what systemd gives (`STATE_DIRECTORY`), else one of this user."""
    if named is not None:
        return named
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "edgewright" / "device"
