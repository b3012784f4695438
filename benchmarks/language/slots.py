"""SNIPS slots on the folds of the intents: F1 of whole slots, with the intent that the fold's student understood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.language.intents import SIZE, folds, utterances
from benchmarks.language.row import Row
from edgewright.language.intents.network import size_in_bytes
from edgewright.language.intents.train import How, fit_student, logits_of
from edgewright.language.slots import Slotting, score, train_tagger
from edgewright.nlp.records import Utterance
from edgewright.nlp.utterance.student import Tagger

MIN_F1, MAX_BYTES, DRAWS = 0.93, 1_600_000, 500
TASK = "SNIPS slots, same folds, F1"
Counts = NDArray[np.int64]


def rows() -> list[Row]:
    """Return the tagger after the student, and alone with the true intents."""
    given = utterances()
    names, targets = np.unique([one.intent for one in given], return_inverse=True)
    understood: list[Counts] = []
    reported: list[Counts] = []
    size = 0
    for train, test in folds([one.intent for one in given]):
        learnt = [given[k] for k in train]
        spec, arrays = fit_student([one.text for one in learnt], targets[train], len(names), How(size=SIZE))
        tagger_spec, weights = train_tagger(learnt, Slotting(size=MAX_BYTES))
        size = max(size, size_in_bytes(weights))
        tagger = Tagger(tagger_spec, weights, "the tagger")
        judges = [given[k] for k in test]
        guessed = logits_of(spec, arrays, [one.text for one in judges]).argmax(axis=1)
        understood.append(_counts(tagger, judges, [str(names[k]) for k in guessed]))
        reported.append(_counts(tagger, judges, [one.intent for one in judges]))
    takes = f"{size / 1000:.0f} kB"
    return [
        Row(TASK, "pruned CRF, int8, with the student's intent", _summary(understood), takes, "93.0; 1.6 MB",
            float(np.mean([_f1(fold) for fold in understood])) >= MIN_F1 and size <= MAX_BYTES),
        Row(TASK, "the same with the true intent", _summary(reported), takes),
    ]  # fmt: skip


def _counts(tagger: Tagger, judges: list[Utterance], intents: list[str]) -> Counts:
    """Right, found and true slots of each utterance, shape (n, 3)."""
    each = (score([(one.text, one.slots, tagger.slots(one.text, k))]) for one, k in zip(judges, intents, strict=True))
    return np.array([(one.right, one.predicted, one.true) for one in each], np.int64)


def _f1(counts: Counts) -> float:
    right, predicted, true = counts.sum(axis=0)
    return float(2 * right / max(predicted + true, 1))


def _summary(folds_found: list[Counts]) -> str:
    """Return mean of the folds with the interval of 95 % that drawing utterances anew gives, and the folds."""
    each = [_f1(fold) for fold in folds_found]
    pooled, random = np.concatenate(folds_found), np.random.default_rng(0)
    resampled = [_f1(pooled[random.integers(len(pooled), size=len(pooled))]) for _ in range(DRAWS)]
    low, high = np.quantile(resampled, (0.025, 0.975))
    return (
        f"{100 * np.mean(each):.2f} (95 % {100 * low:.2f} to {100 * high:.2f}; folds {100 * min(each):.2f} to "
        f"{100 * max(each):.2f})"
    )
