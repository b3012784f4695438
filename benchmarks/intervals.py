"""How often intervals of a share over few groups hold, and how wide they are: five methods on simulated people.

Each person has an accuracy of their own, drawn on the scale of log odds around a median of .55 to .97 with a deviation
of .2 to .9, and 200 samples, or log-normally unlike numbers of samples (deviation .8). The truth is the mean over all
people. The width is given over that of the interval that knows the figure's standard deviation, with Student's t of
groups - 1 degrees of freedom, and for the method that is used also over that of the normal distribution.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from benchmarks.table import markdown
from edgewright.training.metrics import SHARE, Z95, effective, ends, student_t, wilson

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Ends = tuple[Array, Array]
GROUPS = (3, 4, 5, 7, 10, 15, 20, 30)
MEDIANS, DEVIATIONS = (0.55, 0.7, 0.85, 0.93, 0.97), (0.2, 0.5, 0.9)
_REPEATS, _DRAWS, _SAMPLES, _UNLIKE = 1000, 300, 200, 0.8


def people(
    rng: np.random.Generator, groups: int, median: float, deviation: float, unlike: float, repeats: int = _REPEATS
) -> tuple[Counts, Counts, float]:
    """Draw people.

    Args:
        rng: draws.
        groups: number of people.
        median: accuracy of the middle person.
        deviation: of the log odds between people.
        unlike: deviation of the logarithm of their numbers of samples.
        repeats: draws.

    Returns:
        Right answers and samples of each person, shape (repeats, groups), and the mean accuracy over all people.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    truth = float(weights @ expit(logit(median) + deviation * nodes) / weights.sum())
    own = expit(logit(median) + deviation * rng.standard_normal((repeats, groups)))
    spread = np.exp(unlike * rng.standard_normal((repeats, groups)))
    sizes = np.maximum(20, _SAMPLES * spread).astype(np.int64)
    return rng.binomial(sizes, own), sizes, truth


def _without(right: Counts, sizes: Counts) -> tuple[Array, Array]:
    """Return the share of all samples, shape (n, 1), and of those without each person, shape (n, groups)."""
    hits, all_ = right.sum(axis=1, keepdims=True), sizes.sum(axis=1, keepdims=True)
    return hits / all_, (hits - right) / (all_ - sizes)


def _error(without: Array) -> Array:
    groups = without.shape[1]
    spread: Array = (groups - 1) / groups * ((without - without.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return np.sqrt(spread)


def _bootstrap(right: Counts, sizes: Counts) -> Ends:
    groups = right.shape[1]
    multiplicities = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), _DRAWS).T
    low, high = np.quantile((right @ multiplicities) / (sizes @ multiplicities), [0.025, 0.975], axis=1)
    return low, high


def _trials(right: Counts, sizes: Counts) -> Ends:
    groups = right.shape[1]
    bounds = [wilson(float(shares.sum()), groups) for shares in right / sizes]
    return np.array([one.low for one in bounds]), np.array([one.high for one in bounds])


def _linear(right: Counts, sizes: Counts) -> Ends:
    value, without = _without(right, sizes)
    half = student_t(right.shape[1] - 1) * _error(without)
    return np.maximum(0, value[:, 0] - half), np.minimum(1, value[:, 0] + half)


def _log_odds(right: Counts, sizes: Counts) -> Ends:
    value, without = _without(right, sizes)
    end = 0.5 / sizes.sum(axis=1, keepdims=True)
    value, without = (logit(np.clip(share, end, 1 - end)) for share in (value, without))
    half = student_t(right.shape[1] - 1) * _error(without)
    return expit(value[:, 0] - half), expit(value[:, 0] + half)


def shipped(right: Counts, sizes: Counts) -> Ends:
    """Return what `edgewright.training.metrics.group_interval` gives, with all people's jackknife at once."""
    value, without = _without(right, sizes)
    low, high = np.transpose(
        [
            ends(share, error, student_t(max(1.0, effective(own) - 1)), SHARE, float(own.sum()))
            for share, error, own in zip(value[:, 0].tolist(), _error(without).tolist(), sizes, strict=True)
        ]
    )
    return low, high


METHODS: dict[str, Callable[[Counts, Counts], Ends]] = {
    "people drawn anew, percentiles": _bootstrap,
    "Wilson, each person a trial": _trials,
    "t, jackknife": _linear,
    "t, jackknife of log odds": _log_odds,
    "t, score interval, effective people": shipped,
}


def _text(cases: list[tuple[float, float, float]]) -> str:
    covered, widths, _ = np.transpose(cases)
    return f"{covered.mean():.3f} ({covered.min():.3f}), {widths.mean():.2f} ({widths.max():.2f})"


def main() -> None:
    """Print a table for people of equal and one for people of unlike numbers of samples."""
    for unlike, title in ((0.0, "equal"), (_UNLIKE, "unlike")):
        rng = np.random.default_rng(0)
        coverage: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
        for groups, median, deviation in itertools.product(GROUPS, MEDIANS, DEVIATIONS):
            right, sizes, truth = people(rng, groups, median, deviation, unlike)
            known = 2 * float((right.sum(axis=1) / sizes.sum(axis=1)).std())
            for name, method in METHODS.items():
                low, high = method(right, sizes)
                width = float((high - low).mean()) / known
                covered = float(((low <= truth) & (truth <= high)).mean())
                coverage.setdefault((name, groups), []).append((covered, width / student_t(groups - 1), width / Z95))
        rows = [[name, *(_text(coverage[name, n]) for n in GROUPS)] for name in METHODS]
        normal = [float(np.mean([width for *_, width in coverage[list(METHODS)[-1], n]])) for n in GROUPS]
        rows.append(["its width by the normal distribution", *(f"{width:.2f}" for width in normal)])
        print(f"\n{title} numbers of samples: coverage (lowest of 15), width (largest)")
        print(markdown(["method", *(f"{n} people" for n in GROUPS)], rows))


if __name__ == "__main__":
    main()
