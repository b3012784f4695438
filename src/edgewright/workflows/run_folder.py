"""The run folder behind a fitted model: it answers as long as the folder holds this model and no other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.core.archive import read_file
from edgewright.core.errors import CheckFailedError, MissingFileError, RunError
from edgewright.core.package import Package, parse_package
from edgewright.core.predictor import Predictor
from edgewright.core.records.trace import Provenance
from edgewright.export.answering import open_package
from edgewright.pipeline.run import RunResult
from edgewright.trace.page_model import read_trace

_DO = "Fit again with another name or out; Model.load opens the run that is there now, edgewright.load its package"
_ABSENT = "Put the run folder back, or fit again; Model.save keeps a copy"


class RunFolder:
    """A run folder, read only while it holds what a run left there.

    Args:
        result: of the run; its record holds the SHA-256 of the package.
    """

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self._loaded: tuple[tuple[int, ...], Predictor] | None = None

    def labels(self) -> tuple[str, ...]:
        """Return the labels of the package in their order; of the evaluation where there is no package."""
        if self.result.package is not None:
            return self.package().manifest.labels
        return () if self.result.trace.evaluation is None else self.result.trace.evaluation.labels

    def package_bytes(self) -> bytes:
        """Return the package file of the run.

        Raises:
            CheckFailedError: the run made no package.
            InputError: the file is gone, or it is another package.
        """
        path = self._package_path()
        content = read_file(path, "the package of this model", absent=_ABSENT)
        digest, own = hashlib.sha256(content).hexdigest(), self.result.trace.provenance.package_hash
        if own not in ("", digest):
            got = f"another one, SHA-256 {digest[:12]}..."
            raise RunError(f"the package of this model, SHA-256 {own[:12]}...", got, str(path), _DO)
        return content

    def package(self) -> Package:
        """Return the package of the run; errors as of `package_bytes`."""
        return parse_package(self.package_bytes(), str(self.result.package))

    def predictor(self) -> Predictor:
        """Return what answers; it is loaded once, and again only where the file is another.

        Raises:
            CheckFailedError: the run made no package, or its test vectors fail here.
            InputError: as `package_bytes`.
        """
        stamp = _stamp(self._package_path())
        if self._loaded is None or self._loaded[0] != stamp:
            self._loaded = (stamp, open_package(self.package()))
        return self._loaded[1]

    @contextmanager
    def unchanged(self) -> Iterator[Path]:
        """Yield the folder, which holds this run before and after it is read.

        Raises:
            InputError: the folder is gone, or it holds another run.
        """
        self._check()
        yield self.result.folder
        self._check()

    def _check(self) -> None:
        record = self.result.folder / "trace.json"
        if not record.is_file():
            raise MissingFileError("the run of this model", "no such folder", str(record.parent), _ABSENT)
        if _identity(read_trace(record).provenance) != _identity(self.result.trace.provenance):
            raise RunError("the run of this model", "another run", str(record.parent), _DO)
        if self.result.package is not None:
            self.package_bytes()

    def _package_path(self) -> Path:
        if self.result.package is None:
            raise CheckFailedError(f"no package: {self.result.refused}")
        return self.result.package


def _identity(provenance: Provenance) -> tuple[str, str]:
    """Return what runs of the same data and configuration have in common."""
    return provenance.config_hash, provenance.data_hash


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes with a file, and the process: a child loads engines of its own. Empty without a file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return os.getpid(), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
