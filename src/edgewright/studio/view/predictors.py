"""What answers for runs, kept open for the latest few."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from edgewright.core.predictor import Predictor, load, package_path
from edgewright.schema.errors import EdgewrightError
from edgewright.studio.frame import error_text


def predictor(folder: Path) -> Predictor:
    """Return what answers for a run, kept open for the latest few.

    Raises:
        InputError: the run has no package.
        CheckFailedError: the package gives other answers here.
    """
    path = package_path(folder)
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(6)
def _opened(path: Path, changed: int) -> Predictor:
    return load(path)


def predictor_or_reason(folder: Path) -> tuple[Predictor | None, str]:
    """Return what answers for a run, or None and the sentence that says why nothing does."""
    try:
        return predictor(folder), ""
    except EdgewrightError as error:
        return None, error_text(error)
