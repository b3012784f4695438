"""Tests of two models on the same samples: what a record keeps of each answer, and the test of the pairs."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from edgewright.schema.trace import EvaluationRecord, Interval, SampleAnswers
from edgewright.schema.trace_flow import SampleGain

# Amounts take four bytes a sample, and a record is read by people, too.
MOST_ERRORS = 10_000
_DRAWS = 1000


def right_answers(
    truth: NDArray[np.integer], names: tuple[str, ...], rows: NDArray[np.integer], right: NDArray[np.bool_]
) -> SampleAnswers:
    """Return which answers are right.

    Args:
        truth: number of the class of each sample.
        names: of the classes.
        rows: number of each sample in the data.
        right: whether its answer is right.
    """
    digest = _digest("\0".join(names).encode(), np.asarray(rows, "<i8"), np.asarray(truth, "<i8"))
    return SampleAnswers(samples=digest, right=np.packbits(right).tobytes())


def errors_of(truth: NDArray[np.floating], error: NDArray[np.floating]) -> SampleAnswers | msgspec.UnsetType:
    """Return the errors of amounts; unset for more than `MOST_ERRORS` samples.

    Args:
        truth: amount of each sample.
        error: answer minus truth.
    """
    if len(error) > MOST_ERRORS:
        return msgspec.UNSET
    return SampleAnswers(samples=_digest(b"", np.asarray(truth, "<f8")), errors=np.asarray(error, "<f4").tobytes())


def _digest(start: bytes, *parts: NDArray[np.generic]) -> str:
    digest = hashlib.sha256(start)
    for part in parts:
        digest.update(part.tobytes())
    return digest.hexdigest()[:32]


def sample_gain(first: EvaluationRecord, other: EvaluationRecord) -> SampleGain | None:
    """Compare two models by their answers to the same samples.

    Classes: the exact test of McNemar (1947), a binomial test of the samples that one model alone answers right.
    Amounts: a paired bootstrap of the change of each error (Efron, 1979), 95 % of 1,000 draws.

    Returns:
        None where one record keeps no answers, or of other samples.
    """
    ours, theirs = first.answers, other.answers
    if isinstance(ours, msgspec.UnsetType) or isinstance(theirs, msgspec.UnsetType) or ours.samples != theirs.samples:
        return None
    if ours.right and theirs.right:
        before, after = (
            np.unpackbits(np.frombuffer(answers.right, np.uint8), count=first.samples).astype(bool)
            for answers in (ours, theirs)
        )
        better, worse = int((after & ~before).sum()), int((before & ~after).sum())
        p = min(1.0, 2.0 * float(bdtr(min(better, worse), better + worse, 0.5))) if better + worse else 1.0
        return SampleGain(better=better, worse=worse, p=p)
    if not ours.errors or not theirs.errors:
        return None
    errors = [np.frombuffer(answers.errors, "<f4").astype(np.float64) for answers in (ours, theirs)]
    return SampleGain(changes=_bootstrapped(*errors))


def _bootstrapped(first: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, Interval]:
    generator = np.random.default_rng(0)
    absolute = np.stack([np.abs(first), np.abs(other)])
    squared = absolute**2
    draws = np.empty((_DRAWS, 2))
    for draw in draws:
        rows = generator.integers(len(first), size=len(first))
        draw[0] = np.subtract(*absolute[::-1, rows].mean(axis=1))
        draw[1] = np.subtract(*np.sqrt(squared[::-1, rows].mean(axis=1)))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    values = (np.subtract(*absolute[::-1].mean(axis=1)), np.subtract(*np.sqrt(squared[::-1].mean(axis=1))))
    return {
        name: Interval(value=float(values[k]), low=float(low[k]), high=float(high[k]), method="paired bootstrap")
        for k, name in enumerate(("mae", "rmse"))
    }
