"""Word vectors as two files of NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.language.own_models import Figures, ModelKind, copy_files

_FILES = ("words.npy", "vectors.npy")


def _copy(source: Path, target: Path) -> str:
    copy_files(source, target, [source / name for name in _FILES])
    return ""


def _test(path: Path) -> tuple[str, Figures]:
    return "text", {"dimensions": int(np.load(path / "vectors.npy", allow_pickle=False).shape[1])}


KIND = ModelKind("two arrays of NumPy", lambda path: (path / _FILES[1]).is_file(), _copy, _test)
