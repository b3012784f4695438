"""The form for gateways, trained: a linear head on an encoder's vectors, judged and calibrated as a student is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.language.intents.parts import Parts, judged
from edgewright.language.intents.teacher import Teacher
from edgewright.language.intents.train import Arrays, How, Made
from edgewright.nlp.utterance.head import STEP
from edgewright.schema.language import HeadSpec


def train_head(parts: Parts, how: How, teacher: Teacher, unlabelled: Sequence[str] = ()) -> Made:
    """Return a head fitted on one part, judged on the other and, where that part was held out, then fitted on both.

    Args:
        parts: of the utterances.
        how: its seed.
        teacher: an encoder; its head is fitted here.
        unlabelled: texts that it learns from by its own surest answers, where they are more than the labelled ones.
    """
    others = teacher.encode(list(unlabelled)) if len(unlabelled) > len(parts.texts) else None

    def fit(texts: list[str], targets: NDArray[np.int64]) -> Arrays:
        vectors = teacher.encode(texts)
        teacher.fit(vectors, targets, seed=how.seed)
        if others is not None:
            teacher.fit_further(others, vectors, targets)
        return {"weights": teacher.weights, "offsets": teacher.bias}

    arrays = fit(parts.texts, parts.targets)
    raw = teacher.logits(teacher.encode(parts.judges)).astype(np.float64)
    outside = teacher.logits(teacher.encode(parts.outside)).astype(np.float64) if parts.outside else raw[:0]
    found, heat = judged(raw, outside, parts.truth, how.reject, parts.held)
    if parts.held:
        arrays = fit([*parts.texts, *parts.judges], np.concatenate([parts.targets, parts.truth]))
    scale = STEP / heat
    spec = HeadSpec(encoder=teacher.encoder.name, dimensions=teacher.encoder.dimensions, scale=scale,
                    threshold=round(found.threshold / scale))  # fmt: skip
    return Made(parts.intents, spec, arrays, found, sum(array.nbytes for array in arrays.values()))
