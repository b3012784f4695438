"""SNIPS slots on the folds of the intents: F1 of whole slots, with the intent that the fold's student understood."""

from __future__ import annotations

import numpy as np

from benchmarks.language.intents import SIZE, folds, utterances
from benchmarks.language.row import Row
from edgewright.language.intents.integers import size_in_bytes
from edgewright.language.intents.train import How, fit_student, logits_of
from edgewright.language.slots.score import SlotScore, score
from edgewright.language.slots.train import Slotting, train_tagger
from edgewright.runtime.utterance.tagger import Tagger
from edgewright.schema.language import Utterance

LEAST, MOST = 0.93, 1_600_000
TASK = "SNIPS slots, same folds, F1"


def rows() -> list[Row]:
    """The tagger after the student, and alone with the true intents."""
    given = utterances()
    names, targets = np.unique([one.intent for one in given], return_inverse=True)
    understood: list[float] = []
    told: list[float] = []
    size = 0
    for train, test in folds([one.intent for one in given]):
        learnt = [given[k] for k in train]
        spec, arrays = fit_student([one.text for one in learnt], targets[train], len(names), How(size=SIZE))
        tagger_spec, weights = train_tagger(learnt, Slotting(size=MOST))
        size = max(size, size_in_bytes(weights))
        tagger = Tagger(tagger_spec, weights, "the tagger")
        judges = [given[k] for k in test]
        guessed = logits_of(spec, arrays, [one.text for one in judges]).argmax(axis=1)
        understood.append(_score(tagger, judges, [str(names[k]) for k in guessed]).f1)
        told.append(_score(tagger, judges, [one.intent for one in judges]).f1)
    takes = f"{size / 1000:.0f} kB"
    return [
        Row(TASK, "pruned CRF, int8, with the student's intent", _told(understood), takes, "93.0; 1.6 MB",
            float(np.mean(understood)) >= LEAST and size <= MOST),
        Row(TASK, "the same with the true intent", _told(told), takes),
    ]  # fmt: skip


def _score(tagger: Tagger, judges: list[Utterance], intents: list[str]) -> SlotScore:
    pairs = zip(judges, intents, strict=True)
    return score((one.text, one.slots, tagger.slots(one.text, intent)) for one, intent in pairs)


def _told(values: list[float]) -> str:
    return f"{100 * np.mean(values):.2f} ({100 * min(values):.2f} to {100 * max(values):.2f})"
