"""What several tests need: the public data sets, and leaving out what cannot exist here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def require_all() -> bool:
    """Whether a part that is absent is a failure (`EDGEWRIGHT_REQUIRE=all`) instead of being left out."""
    return os.environ.get("EDGEWRIGHT_REQUIRE", "") == "all"


def left_out(reason: str) -> None:
    """Leaves the test out and says why; a failure where everything is required."""
    if require_all():
        pytest.fail(f"required but absent: {reason}")
    pytest.skip(f"left out: {reason}")


def shared_data(name: str) -> Path:
    """Folder of a public set beside the repository."""
    folder = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / name
    if not folder.is_dir():
        left_out(f"no public data set {name!r} beside the repository")
    return folder
