"""Coefficients of a core from compiled and counted programs: least squares of relative errors, none below zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from benchmarks.estimate import expected
from edgewright.profiles.cores import Core, weighed
from edgewright.schema.footprint import Program
from edgewright.workflows.estimation.workflow import Truth

# Programs of the same counts differ by so much; a coefficient from what is expected by as much as itself.
_NOISE, _PRIOR_SPREAD = 0.03, 1.0
# No coefficient is expected to be less than this part of what was thought by hand.
_FURTHEST = 10.0
# Cores that work floats out by library functions.
WITHOUT_FLOATS = ("cortex-m0plus", "riscv32", "riscv32v")
_BY_HAND = {"code": expected.code, "instructions": expected.instructions, "stack": expected.stack}
Pair = tuple[Program, Truth]


def fit_core(name: str, pairs: Sequence[Pair], made_with: str, near: Core | None = None) -> Core:
    """Return the coefficients of a core.

    Args:
        name: of the core.
        pairs: programs as they are counted, and what they take.
        made_with: compiler, options and emulator.
        near: a core whose coefficients should be similar, where fewer programs were counted.
    """
    targets = _targets(pairs)
    fitted = {
        part: _fit(target.counts, target.found, target.scale, _started(name, part, near))
        for part, target in targets.items()
    }
    return Core(
        name=name,
        made_with=made_with,
        subjects=len(pairs),
        longest=int(targets["instructions"].found.max()),
        smallest=int(targets["code"].found.min()),
        code=fitted["code"],
        instructions=fitted["instructions"],
        stack=fitted["stack"],
    )


def fit_more(table: Core, pairs: Sequence[Pair], own: Callable[[str], object], near: Core | None = None) -> Core:
    """Return the same coefficients with those of further kinds, fitted on what the others leave of such programs.

    Args:
        table: of other programs; kinds that are not `own` stay as they are.
        pairs: programs as they are counted, and what they take.
        own: whether a kind is one of those that are fitted.
        near: a core whose coefficients should be similar, where fewer programs were counted.
    """
    fitted = {}
    for part, target in _targets(pairs).items():
        known = {kind: value for kind, value in getattr(table, part).items() if not own(kind)}
        counted = [{kind: n for kind, n in one.items() if own(kind)} for one in target.counts]
        left = target.found - [weighed(known, one) for one in target.counts]
        fitted[part] = known | _fit(counted, left, target.scale, _started(table.name, part, near), constant=False)
    return msgspec.structs.replace(table, **fitted)


class _Target(NamedTuple):
    """What is fitted: kinds by program, what was found, and what errors are relative to."""

    counts: list[dict[str, float]]
    found: NDArray[np.float64]
    scale: NDArray[np.float64]


def _targets(pairs: Sequence[Pair]) -> dict[str, _Target]:
    """Return what is fitted, by the name that a core has for it."""
    written, run = [program.written for program, _ in pairs], [program.run for program, _ in pairs]
    flash, ram, counted = np.array([(t.flash, t.ram, t.instructions) for _, t in pairs], float).T
    constants, values = np.array([(program.constants, program.values) for program, _ in pairs], float).T
    return {
        "code": _Target(written, flash - constants, flash),
        "instructions": _Target(run, counted, counted),
        "stack": _Target(written, ram - values, ram),
    }


def _started(name: str, part: str, near: Core | None) -> Callable[[str], float]:
    """Return what a kind is expected to take on a core: as on another one, or as thought by hand."""
    known: dict[str, float] = getattr(near, part) if near else {}
    by_library = part == "instructions" and name in WITHOUT_FLOATS and (near is None or near.name not in WITHOUT_FLOATS)

    def one(kind: str) -> float:
        guessed = _BY_HAND[part](kind)
        floats = expected.BY_LIBRARY if by_library and expected.of_floats(kind) else 1.0
        return max(known.get(kind, guessed), guessed / _FURTHEST) * floats

    return one


def _fit(
    counts: Sequence[dict[str, float]],
    targets: NDArray[np.float64],
    scale: NDArray[np.float64],
    expected: Callable[[str], float],
    *,
    constant: bool = True,
) -> dict[str, float]:
    """Coefficients by kind, and the constant under '' where there is one; errors are relative to `scale`.

    A kind that few programs tell apart from others stays near what is expected of it.
    """
    kinds = sorted({kind for count in counts for kind in count})
    more = [""] * constant
    table = np.array([[*(count.get(kind, 0.0) for kind in kinds), *(1.0 for _ in more)] for count in counts])
    table /= scale[:, None]
    size = np.array([expected(kind) for kind in (*kinds, *more)])
    whole = np.vstack([table * size, (_NOISE / _PRIOR_SPREAD) * np.eye(len(size))])
    solved, _ = nnls(
        whole, np.concatenate([targets / scale, np.full(len(size), _NOISE / _PRIOR_SPREAD)]), maxiter=20_000
    )
    named = zip([*kinds, *more], solved * size, strict=True)
    return {kind: float(f"{value:.5g}") for kind, value in named}
