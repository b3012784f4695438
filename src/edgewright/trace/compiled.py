"""Compiled templates, kept from process to process: compiling them takes three times as long as filling them in."""

from __future__ import annotations

import marshal
import os
import sys
import tempfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from edgewright.core.caches import cache_folder, is_own


class Compiled(BytecodeCache):
    """Code of templates in `$XDG_CACHE_HOME/edgewright/templates` (`~/.cache` where that is not set).

    A file is named by its template's text, Jinja's version and Python's, so a newer one is compiled anew. A folder that
    belongs to somebody else or that others may write to is left alone, and so is a disk that takes nothing.

    Args:
        home: instead of the environment's.
    """

    def __init__(self, home: Path | None = None) -> None:
        kind = f"{sys.implementation.cache_tag}-jinja-{metadata.version('jinja2')}"
        self.folder = cache_folder("templates", home) / kind

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fills the bucket where the code of this very template lies there."""
        with suppress(OSError, EOFError, ValueError, TypeError):
            if is_own(self.folder):
                bucket.code = marshal.loads(self._path(bucket).read_bytes())  # noqa: S302 - nobody else could write it

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps the bucket's code; whole, or not at all."""
        if bucket.code is None:
            return
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not is_own(self.folder):
                return
            handle, temporary = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                file.write(marshal.dumps(bucket.code))
            Path(temporary).replace(self._path(bucket))

    def _path(self, bucket: Bucket) -> Path:
        return self.folder / f"{bucket.key[:16]}-{bucket.checksum}"
