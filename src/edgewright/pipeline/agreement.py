"""The float ONNX graph beside the Python pipeline, sample by sample: features at the boundary, then answers."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import choose
from edgewright.core.executor import compile_graph
from edgewright.core.parts import parts
from edgewright.graph.builder import prune
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.variants import Form, asked
from edgewright.proof.perturbed_graph import rounded
from edgewright.proof.tolerance import PROBABILITY, RELATIVE, SPREAD, last_digits, perturbed_readings
from edgewright.schema.data import Floats
from edgewright.schema.graph import Graph, Value

_VALUES = "values"
# So few samples are looked at again, by what rounding inside of the stages can change: a mistake is in more of them.
# What it can change by more than this share of its spread has no digits left, and is no agreement.
_AGAIN, _DIGITS_LEFT = 100, 1e-3


@dataclass(frozen=True)
class Agreement:
    """How many of `samples` agree in features and in answers, the largest differences, and both in a sentence."""

    samples: int
    same_features: int
    same_answers: int
    feature_share: float
    answer_difference: float
    engine: str

    @property
    def whole(self) -> bool:
        """Whether every sample agrees."""
        return self.samples == self.same_features == self.same_answers

    @property
    def sentence(self) -> str:
        """For the record."""
        return (
            f"float ONNX in {self.engine} gives the Python pipeline's features on {self.same_features:,} of "
            f"{self.samples:,} test samples (largest difference {self.feature_share:.2f} of the tolerance) and its "
            f"answers on {self.same_answers:,} (largest difference {self.answer_difference:.1e})"
        )


def agreement(form: Form, X: Floats, features: Floats, answers: Floats) -> Agreement:
    """Feed the same float32 samples to the graph and compare.

    Args:
        form: float form of the whole pipeline.
        X: raw samples, shape (n, ...).
        features: what the Python stages make of them, shape (n, ...).
        answers: what the Python model answers, shape (n, k).
    """
    share = feature_shares(form.graph, X, features)
    ask = asked(form.model)
    given = ask(X)
    moved = [{_VALUES: ask(samples)} for samples in perturbed_readings(X)]
    scale = 1.0 if form.graph.labels else float(np.ptp(answers)) or 1.0
    # Features that differ by what the last digits of the readings change lead to answers that do.
    allowed = PROBABILITY * scale + last_digits({_VALUES: given}, moved)[_VALUES]
    difference = np.abs(given - answers)
    return Agreement(
        samples=len(X),
        same_features=int((share <= 1.0).sum()),
        same_answers=int((difference <= allowed).all(axis=1).sum()),
        feature_share=float(share.max(initial=0.0)),
        answer_difference=float(difference.max(initial=0.0)),
        engine=choose(None).name,
    )


def feature_shares(graph: Graph, X: Floats, features: Floats) -> NDArray[np.float64]:
    """For each sample the largest difference of a feature at the boundary, as a share of its tolerance, shape (n,)."""
    if graph.boundary == graph.inputs[0].name:
        return np.zeros(len(X))
    end = Value(name=graph.boundary, shape=tuple(int(n) for n in features.shape[1:]))
    before = prune(msgspec.structs.replace(graph, outputs=(end,), boundary="", labels=(), stages=()))
    name, ask = graph.boundary, choose(None).load(to_onnx(before))
    wanted = features.reshape(len(features), -1)
    spread = wanted.std(axis=0, dtype=np.float64)
    shares = np.zeros(len(X))
    for piece in parts(X.shape):
        samples = np.ascontiguousarray(X[piece], np.float32)
        given = ask(samples)
        digits = last_digits(given, [ask(each) for each in perturbed_readings(samples)])
        shares[piece] = _shares(given[name], wanted[piece], spread, digits[name])
    beyond = np.flatnonzero(shares > 1.0)
    if 0 < len(beyond) <= _AGAIN:
        samples = np.ascontiguousarray(X[beyond], np.float32)
        lost = last_digits(compile_graph(before, (name,))(samples), list(rounded(before, (name,), samples)))[name]
        digits_left = np.minimum(lost.reshape(len(beyond), -1), _DIGITS_LEFT * spread)
        shares[beyond] = _shares(ask(samples)[name], wanted[beyond], spread, digits_left)
    return shares


def _shares(
    given: Floats, wanted: Floats, spread: NDArray[np.float64], digits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the largest difference of each sample as a share of what rounding allows."""
    expected = wanted.astype(np.float64)
    difference = np.abs(given.reshape(expected.shape) - expected)
    allowed = RELATIVE * np.abs(expected) + SPREAD * spread + digits.reshape(expected.shape)
    # A constant feature has no spread and may be zero: then only equality will do.
    share = np.divide(difference, allowed, out=np.where(difference > 0, np.inf, 0.0), where=allowed > 0)
    return np.asarray(share.max(axis=1), np.float64)
