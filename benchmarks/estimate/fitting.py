"""Coefficients of a core from compiled and counted programs: least squares of relative errors, none below zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from benchmarks.estimate import expected
from edgewright.pipeline.toolchain import Truth
from edgewright.profiles.cores import Core
from edgewright.schema.program import Program

# Programs of the same counts differ by so much; a coefficient from what is expected by as much as itself.
_NOISE, _APART = 0.03, 1.0
# No coefficient is expected to be less than this part of what was thought by hand.
_FURTHEST = 10.0
# Cores that work floats out by library functions.
WITHOUT_FLOATS = ("cortex-m0plus",)
Pair = tuple[Program, Truth]


def fit_core(name: str, pairs: Sequence[Pair], made_with: str, near: Core | None = None) -> Core:
    """The coefficients of a core.

    Args:
        name: of the core.
        pairs: programs as they are counted, and what they take.
        made_with: compiler, options and emulator.
        near: a core whose coefficients should be similar, where fewer programs were counted.
    """
    written = [program.written for program, _ in pairs]
    flash = np.array([truth.flash for _, truth in pairs], float)
    code = flash - np.array([program.constants for program, _ in pairs], float)
    counted = np.array([truth.instructions for _, truth in pairs], float)
    ram = np.array([truth.ram for _, truth in pairs], float)
    stack = ram - [program.values for program, _ in pairs]
    soft = name in WITHOUT_FLOATS

    def started(known: dict[str, float], by_hand: Callable[[str], float], floats: float) -> Callable[[str], float]:
        def one(kind: str) -> float:
            guessed = by_hand(kind)
            return max(known.get(kind, guessed), guessed / _FURTHEST) * (floats if expected.of_floats(kind) else 1.0)

        return one

    empty: dict[str, float] = {}
    run = started(near.instructions if near else empty, expected.instructions, expected.BY_LIBRARY if soft else 1.0)
    return Core(
        name=name,
        made_with=made_with,
        subjects=len(pairs),
        longest=int(counted.max()),
        smallest=int(code.min()),
        code=_fit(written, code, flash, started(near.code if near else empty, expected.code, 1.0)),
        instructions=_fit([program.run for program, _ in pairs], counted, counted, run),
        stack=_fit(written, stack, ram, started(near.stack if near else empty, expected.stack, 1.0)),
    )


def _fit(
    counts: Sequence[dict[str, float]],
    found: NDArray[np.float64],
    scale: NDArray[np.float64],
    expected: Callable[[str], float],
) -> dict[str, float]:
    """Coefficients by kind, and the constant under ''; errors are relative to `scale`.

    A kind that few programs tell apart from others stays near what is expected of it.
    """
    kinds = sorted({kind for count in counts for kind in count})
    table = np.array([[*(count.get(kind, 0.0) for kind in kinds), 1.0] for count in counts]) / scale[:, None]
    size = np.array([*(expected(kind) for kind in kinds), expected("")])
    whole = np.vstack([table * size, (_NOISE / _APART) * np.eye(len(size))])
    solved, _ = nnls(whole, np.concatenate([found / scale, np.full(len(size), _NOISE / _APART)]), maxiter=20_000)
    named = zip([*kinds, ""], solved * size, strict=True)
    return {kind: float(f"{value:.5g}") for kind, value in named}
