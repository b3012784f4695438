"""The simplest student: logistic regression on the device's own n-grams, compiled into the integers of the network.

Each n-gram is weighed by its inverse document frequency, which the table holds afterwards. The hidden layer has a unit
an intent, raised so far that no training sentence is clipped; the head is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from sklearn.linear_model import LogisticRegression

from edgewright.language.intents.bags import bags
from edgewright.language.intents.integers import integers, shape_for
from edgewright.language.intents.network import Fit, Network
from edgewright.schema.language import StudentSpec

# Inverse penalty; chosen on half of CLINC150's intents (docs/adr/0057-language-as-answered.md).
_PENALTY, _ITERATIONS = 10.0, 300
# By how much the hidden values of new sentences may exceed those of the training.
_ROOM = 1.5
# Of a table below which n-grams fall together too often.
_FEWEST_ROWS = 1_000


def rows_for(size: int, classes: int) -> int:
    """Rows of a linear student of at most so many bytes; 0 where that is too few for a table.

    Never more than the network's: in .tflite and ONNX each takes a byte of memory.
    """
    rows = (size - classes * (classes + 8)) // classes
    return min(rows, shape_for(size, classes)[0]) if rows >= _FEWEST_ROWS else 0


def fit_linear(
    texts: Sequence[str],
    targets: NDArray[np.int64],
    classes: int,
    rows: int,
    characters: tuple[int, ...],
    words: tuple[int, ...],
) -> tuple[StudentSpec, dict[str, NDArray[Any]]]:
    """One fit, without a temperature or a limit.

    Args:
        texts, targets: sentences and class numbers, each of 0 to classes - 1 at least once.
        classes: number of intents.
        rows: of the table, as `rows_for` gives them.
        characters, words: n-grams, as `StudentSpec` has them.
    """
    found = bags(texts, characters, words, rows)
    found.sum_duplicates()
    held = np.bincount(found.indices, minlength=rows)
    rarity = np.log((1 + len(texts)) / (1 + held)) + 1
    weighed = csr_matrix(found @ diags(rarity))
    model = LogisticRegression(C=_PENALTY, max_iter=_ITERATIONS, class_weight="balanced").fit(weighed, targets)
    weights, offsets = model.coef_.T, model.intercept_
    if classes == 2:
        # Two classes have one column in scikit-learn.
        weights, offsets = np.hstack([-weights / 2, weights / 2]), np.concatenate([-offsets / 2, offsets / 2])
    table = np.asarray(rarity[:, None] * weights, np.float32)
    network = Network(rows, classes, Fit(hidden=classes))
    raised = max(float(np.abs(found @ table).max()), 1e-3) * _ROOM
    network.weights = {
        "table": table, "bias": np.full(classes, raised, np.float32),
        "head": np.eye(classes, dtype=np.float32), "last": np.asarray(offsets - raised, np.float32),
    }  # fmt: skip
    network.set_scales(found)
    network.top = 2 * raised
    return integers(network, characters, words)
