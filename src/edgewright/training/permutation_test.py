"""Exact paired tests over few groups (people, days), and how little they can show.

If two answers were alike, each of the 2^n exchanges of whole groups would be as likely as what was measured. Several
comparisons are corrected for by the largest statistic of each exchange (Westfall and Young, 1993).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

# Share of equal pairs that may be told apart by mistake.
ERROR = 0.05
# From flags of the groups whose two answers are exchanged, shape (n,), to the difference of the two.
Difference = Callable[[NDArray[np.bool_]], float]


def exchange(difference: Difference, groups: int) -> NDArray[np.float64]:
    """Compute a difference for each exchange of whole groups, the first as measured.

    Exchanging the other groups gives the same with the other sign, so half of the 2^n exchanges are enough.

    Args:
        difference: of two answers, by which groups are exchanged.
        groups: number of groups.
    """
    swaps = itertools.product((False, True), repeat=groups - 1)
    return np.array([difference(np.array((False, *some))) for some in swaps])


def probabilities(differences: Mapping[str, Difference], groups: int) -> dict[str, float]:
    """Compute the two-sided p of each difference, corrected for the others.

    Args:
        differences: by name.
        groups: number of groups.

    Returns:
        How often chance makes so large a difference, by name.
    """
    spread = {name: exchange(difference, groups) for name, difference in differences.items()}
    scaled = {name: np.abs(x) / max(math.sqrt(float((x**2).mean())), 1e-12) for name, x in spread.items()}
    if not scaled:
        return {}
    largest = np.max(list(scaled.values()), axis=0)
    return {name: float((largest >= x[0] - 1e-9).mean()) for name, x in scaled.items()}


def of_sums(first: NDArray[np.float64], other: NDArray[np.float64], figure: Callable[[float], float]) -> Difference:
    """Make the difference of two figures that are computed from sums over groups.

    Args:
        first: sum of each group, shape (n,), such as costs or errors.
        other: likewise, of the other model.
        figure: from the sum over all groups to the figure.

    Returns:
        The figure of `first` less that of `other`.
    """

    def difference(swapped: NDArray[np.bool_]) -> float:
        return figure(float(np.where(swapped, other, first).sum())) - figure(
            float(np.where(swapped, first, other).sum())
        )

    return difference


def smallest_p(groups: int) -> float:
    """Compute the smallest two-sided p that so many groups can give: all of them agree."""
    return 2.0 / 2.0**groups


def power(groups: int, kept: str, plural: str = "") -> str:
    """Say what a paired test over so many groups can show.

    Args:
        groups: number of them.
        kept: what one is called.
        plural: what several are called; an s is added when empty.
    """
    smallest, many = smallest_p(groups), plural or f"{kept}s"
    if smallest > ERROR:
        counted = f"1 {kept}" if groups == 1 else f"{groups} {many}"
        return f"with {counted} no difference can be significant at 5 %: the smallest p is {smallest:.3g}"
    agree = next(k for k in range(groups // 2, groups + 1) if sign_test(k, groups) <= ERROR)
    which = f"all {groups}" if agree == groups else f"at least {agree} of {groups}"
    return (
        f"with {groups} {many} the smallest p is {smallest:.2g}: by the sign test a difference is shown at 5 % only "
        f"if {which} {many} agree"
    )


def sign_test(agree: int, groups: int) -> float:
    """Compute the two-sided p of the exact sign test.

    Args:
        agree: groups that speak for one side, at least half of them.
        groups: those that speak for either side.
    """
    return min(1.0, 2.0 * sum(math.comb(groups, k) for k in range(agree, groups + 1)) / 2.0**groups)
