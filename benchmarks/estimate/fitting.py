"""Coefficients of a core from compiled and counted programs: least squares of relative errors, none below zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from edgewright.pipeline.toolchain import Truth
from edgewright.profiles.cores import Core
from edgewright.schema.program import Program

_RIDGE = 1e-2
Pair = tuple[Program, Truth]


def fit_core(name: str, pairs: Sequence[Pair], made_with: str, *, simple: bool = False) -> Core:
    """The coefficients of a core.

    Args:
        name: of the core.
        pairs: programs as they are counted, and what they take.
        made_with: compiler, options and emulator.
        simple: they are smaller than networks: what the C library holds depends on what they call, as the stack does.
    """
    written = [program.written for program, _ in pairs]
    flash = np.array([truth.flash for _, truth in pairs], float)
    code = flash - [program.constants for program, _ in pairs]
    counted = np.array([truth.instructions for _, truth in pairs], float)
    stack = np.array([truth.stack for _, truth in pairs], float)
    static = np.array([truth.static for _, truth in pairs], float)
    beside = static - [program.values for program, _ in pairs]
    return Core(
        name=name,
        made_with=made_with,
        subjects=len(pairs),
        code=_fit(written, code, flash),
        instructions=_fit([program.run for program, _ in pairs], counted, counted),
        stack=_fit(written, stack + beside, static + stack) if simple else _fit(written, stack, static),
        beside=0.0 if simple else float(np.median(beside)),
    )


def _fit(
    counts: Sequence[dict[str, float]], found: NDArray[np.float64], scale: NDArray[np.float64]
) -> dict[str, float]:
    """Coefficients by kind, and the constant under ''; errors are relative to `scale`."""
    kinds = sorted({kind for count in counts for kind in count})
    table = np.array([[*(count.get(kind, 0.0) for kind in kinds), 1.0] for count in counts]) / scale[:, None]
    size = np.maximum(np.sqrt((table**2).mean(axis=0)), 1e-12)
    # A little of a ridge decides between kinds that always come together.
    whole = np.vstack([table / size, _RIDGE * np.eye(len(kinds) + 1)])
    solved, _ = nnls(whole, np.concatenate([found / scale, np.zeros(len(kinds) + 1)]), maxiter=20_000)
    named = zip([*kinds, ""], solved / size, strict=True)
    return {kind: float(f"{value:.5g}") for kind, value in named if value > 1e-9}
