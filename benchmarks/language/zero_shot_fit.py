"""Fits what 'none of these' costs: `python -m benchmarks.language.zero_shot_fit`, for `zero_shot/choice.py`.

Twenty training utterances of each class of CLINC150, described by the intents' names; random sets of 2 to 150 of the
classes are the labels, utterances of other classes and the training ones out of scope are none of these. Both weigh the
same. Four numbers by likelihood: heat, base, share of the nearest background, and cost of the labels' logarithm.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.language.row import encoder_directory
from benchmarks.language.zero_shot import clinc
from edgewright.language.embedding import load
from edgewright.language.zero_shot.choice import background

COUNTS, TURNS, EACH, MAX_EXAMPLES, SAME = (2, 3, 5, 8, 15, 30, 75, 150), 6, 20, 200, 0.6
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A set of labels: scores of utterances, their nearest background, the right label or -1, how many labels."""

    scores: Floats
    around: Floats
    truth: NDArray[np.int64]
    labels: int


def main() -> int:
    """Print the numbers."""
    path = encoder_directory()
    if path is None:
        print("no encoder", file=sys.stderr)
        return 2
    fit_cases = cases()
    solution = minimize(
        lambda p: loss(fit_cases, p), [0.0, 2.0, 0.5, 0.0], method="Nelder-Mead", options={"maxiter": 600}
    )
    heat, (base, share, labels) = math.exp(solution.x[0]), solution.x[1:].tolist()
    print(f"HEAT {heat:.2f}, NONE_BASE {base:.2f}, NONE_BACKGROUND {share:.2f}, NONE_LABELS {labels:.2f}")
    return 0


def cases() -> list[Case]:
    """Random sets of labels with utterances within and without."""
    path = encoder_directory()
    assert path is not None  # noqa: S101 - main has looked
    encoder, parts, random = load(path), clinc(), np.random.default_rng(0)
    by: dict[str, list[str]] = {}
    for text, intent in parts["train"]:
        by.setdefault(intent, []).append(text)
    names = sorted(by)
    texts = [by[name][k] for name in names for k in random.choice(len(by[name]), EACH, replace=False)]
    truth = np.repeat(np.arange(len(names)), EACH)
    described = encoder.encode([name.replace("_", " ") for name in names])
    around = encoder.encode(list(background("text")))
    between = (around @ around.T)[~np.eye(len(around), dtype=bool)]
    vectors, far = encoder.encode(texts), encoder.encode([text for text, _ in parts["oos_train"]])
    mean, deviation = between.mean(), between.std()
    scores, nearest, far_scores, far_nearest = (
        (a @ b.T - mean) / deviation for a, b in
        ((vectors, described), (vectors, around), (far, described), (far, around))
    )  # fmt: skip
    fit_cases = []
    for count in COUNTS * TURNS:
        labels = np.sort(random.choice(len(names), count, replace=False))
        own, other = np.flatnonzero(np.isin(truth, labels)), np.flatnonzero(~np.isin(truth, labels))
        own = random.choice(own, min(MAX_EXAMPLES, len(own)), replace=False)
        other = random.choice(other, min(len(own), len(other)), replace=False)
        is_similar = (around @ described[labels].T).max(axis=1) <= SAME
        fit_cases.append(Case(
            np.concatenate([scores[own][:, labels], scores[other][:, labels], far_scores[:, labels]]),
            np.concatenate([part[:, is_similar].max(axis=1) for part in (nearest[own], nearest[other], far_nearest)]),
            np.concatenate([np.searchsorted(labels, truth[own]), np.full(len(other) + len(far), -1)]), count,
        ))  # fmt: skip
    return fit_cases


def loss(fit_cases: list[Case], numbers: Floats) -> float:
    """Return mean negative log-likelihood, either side of a case with half of its weight."""
    heat, base, share, cost = math.exp(numbers[0]), numbers[1], numbers[2], numbers[3]
    total = 0.0
    for case in fit_cases:
        none = (base + share * case.around + cost * math.log(case.labels)) / heat
        powers = np.concatenate([case.scores / heat, none[:, None]], axis=1)
        largest = powers.max(axis=1)
        whole = largest + np.log(np.exp(powers - largest[:, None]).sum(axis=1))
        right = powers[np.arange(len(powers)), np.where(case.truth < 0, case.scores.shape[1], case.truth)]
        outside = case.truth < 0
        total -= 0.5 * float((right - whole)[outside].mean() + (right - whole)[~outside].mean())
    return total / len(fit_cases)


if __name__ == "__main__":
    sys.exit(main())
