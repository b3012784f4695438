"""Samples whose inputs lie on the edge of a quantisation step, where two forms round to two sides of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import to_integers
from edgewright.graph.stages import preprocessing
from edgewright.proof.form import PREDICTION, PROBABILITIES, Samples
from edgewright.proof.stage import distance
from edgewright.schema.data import Floats
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.forms.integers import network_stages
from edgewright.workflows.proof.stages import boundary_value

# Part of a quantisation step by which both forms' floats may differ at most: far less than a fault moves, and more than
# the last digits of a logarithm.
_NEAR = 0.01


def answers_of_bytes(
    subject: Subject, stages: Mapping[str, NDArray[Any]], samples: Samples, answers: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the answers; where the forms' inputs round to two sides of a step, those of the other form's bytes.

    Args:
        subject: of the proof, with its integer network.
        stages: what the other form has at each stage that it shows, shape (n, ...).
        samples: shape (n, ...).
        answers: of the reference, shape (n, k).

    Returns:
        The answers, and which of them come from the other form's bytes; none where it does not show its inputs.
    """
    moved = np.zeros(len(samples), np.bool_)
    graph, network = subject.graphs["int8"], subject.network
    stage = next((name for name, value in preprocessing(graph).items() if value == graph.boundary), "")
    if network is None or stage not in stages:
        return answers, moved
    grid, own = network.values[network.input], boundary_value(graph, samples)
    theirs = np.asarray(stages[stage], np.float32).reshape(own.shape)
    ours, others = to_integers(grid, own), to_integers(grid, theirs)
    near = distance(own, theirs) <= _NEAR * grid.scale
    moved = (ours != others).reshape(len(samples), -1).any(1) & near.reshape(len(samples), -1).all(1)
    if not moved.any():
        return answers, moved
    found = network_stages(graph, network, others[moved], samples[moved])
    result = answers.copy()
    result[moved] = found[PROBABILITIES if PROBABILITIES in found else PREDICTION].reshape(-1, answers.shape[1])
    return result, moved
