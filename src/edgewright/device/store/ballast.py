"""The ballast: a file that holds room on the disk. On a full disk it is given up first, so that deleting can work."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from edgewright.device.store import file_operations

BALLAST_FILE = "ballast"
# Beside the ballast so much stays free for others before it is made again.
_SPARE = 2
_LITTLE = 4 << 20


class Ballast:
    """Room held in `folder`; `wanted` bytes, 0 for none."""

    def __init__(self, folder: Path, wanted: int) -> None:
        self.path, self.wanted = folder / BALLAST_FILE, wanted

    def hold(self, spare: int = _SPARE) -> bool:
        """Takes the room where there is so many times as much; whether it is held."""
        if file_operations.size(self.path) >= self.wanted:
            return True
        space = os.statvfs(self.path.parent)
        if space.f_bavail * space.f_frsize < spare * self.wanted:
            return False
        try:
            with self.path.open("wb") as file:
                # Blocks are reserved, not written: the flash does not wear.
                os.posix_fallocate(file.fileno(), 0, self.wanted)
        except OSError:
            self.release()
            return False
        return True

    def tight(self) -> bool:
        """Whether the disk itself is nearly full, not only the quota."""
        space = os.statvfs(self.path.parent)
        return space.f_bavail * space.f_frsize < _SPARE * self.wanted + _LITTLE

    def release(self) -> bool:
        """Gives the room up; whether there was any."""
        held = file_operations.size(self.path) > 0
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        return held
