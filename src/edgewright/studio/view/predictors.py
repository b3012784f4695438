"""What answers for runs, kept open for the latest few."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from edgewright.core.predictor import Predictor, load, package_path
from edgewright.schema.errors import EdgewrightError
from edgewright.studio.frame import error_text

_KEPT = 6
_opened: OrderedDict[tuple[str, int], Predictor] = OrderedDict()
_lock = threading.Lock()


def predictor(folder: Path) -> Predictor:
    """Return what answers for a run, kept open for the latest few.

    Raises:
        InputError: the run has no package.
        CheckFailedError: the package gives other answers here.
    """
    path = package_path(folder)
    key = (str(path), path.stat().st_mtime_ns)
    with _lock:
        if key not in _opened:
            _opened[key] = load(path)
            while len(_opened) > _KEPT:
                _opened.popitem(last=False)
        _opened.move_to_end(key)
        return _opened[key]


def predictor_or_reason(folder: Path) -> tuple[Predictor | None, str]:
    """Return what answers for a run, or None and the sentence that says why nothing does."""
    try:
        return predictor(folder), ""
    except EdgewrightError as error:
        return None, error_text(error)
