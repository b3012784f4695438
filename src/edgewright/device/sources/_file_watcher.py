"""Waiting for a file to change without looking again and again: inotify(7), or else short sleeps."""

from __future__ import annotations

import ctypes
import os
import select
import time
from functools import cache
from typing import Any

# Of inotify.h: written to, its attributes (which says that its last name is gone), renamed, deleted.
_MODIFY, _ATTRIB, _MOVED, _DELETED = 0x2, 0x4, 0x800, 0x400
_NONBLOCK, _CLOEXEC = 0o4000, 0o2000000
_SLEEP = 0.01
# A network file system tells nothing of what others write: a watched file is looked at so often in any case.
_LOOK = 0.1


class Watch:
    """Waits for changes of one file.

    Args:
        path: of the file, which is there.
    """

    def __init__(self, path: str) -> None:
        self._handle = -1
        library = _library()
        if library is None:
            return
        handle = library.inotify_init1(_NONBLOCK | _CLOEXEC)
        if handle < 0:
            return
        if library.inotify_add_watch(handle, os.fsencode(path), _MODIFY | _ATTRIB | _MOVED | _DELETED) < 0:
            os.close(handle)
            return
        self._handle = handle

    def wait(self, seconds: float) -> None:
        """Returns when the file changed, and after so many seconds at the latest."""
        if self._handle < 0:
            time.sleep(min(seconds, _SLEEP))
        elif select.select([self._handle], [], [], min(seconds, _LOOK))[0]:
            os.read(self._handle, 1 << 16)

    def close(self) -> None:
        """Ends the watch."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@cache
def _library() -> Any:  # noqa: ANN401 - the C library
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "inotify_init1"):
        return None
    library.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
    return library
