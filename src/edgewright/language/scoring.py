"""A language model on labelled utterances: what a user gets, refusals included, and slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.matching import check_names, find_labels
from edgewright.language.intents.parts import IntentEvaluation
from edgewright.language.intents.train import TrainedHead
from edgewright.language.slots import SlotScore, score
from edgewright.language.training import measures
from edgewright.nlp.utterance.normalise import normalised
from edgewright.nlp.utterance.parse import Understanding, probabilities
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, LanguageSpec, Parsed, Utterance
from edgewright.schema.score import Score
from edgewright.schema.trace import Interval
from edgewright.training.metrics import SHARE, auroc_interval, group_interval, wilson

_AS_ANSWERED = "accuracy counts refused utterances in scope as wrong"
# A model keeps some odd and short texts as well, which may stand anywhere.
_FEW = 3


def score_language(
    understanding: Understanding, utterances: Sequence[Utterance], names: Mapping[str, str], where: str
) -> Score:
    """Return figures of intents, of scope, and of slots where utterances mark them and the model has a tagger.

    `accuracy` counts what a user gets: an utterance in scope that is refused is wrong. `argmax` counts the likeliest
    intent, refused or not. `whole` counts utterances whose intent and slots are all right.

    Args:
        understanding: of the model.
        utterances: labelled.
        names: intents of the data by other names.
        where: of the utterances, for messages.

    Raises:
        InputError: an intent that the model does not know, or no utterance in scope.
    """
    spec = understanding.spec
    form = spec.student or spec.head
    record = {OUT_OF_SCOPE: OUT_OF_SCOPE, **names}
    check_names(names, (utterance.intent for utterance in utterances), (*spec.intents, OUT_OF_SCOPE))
    kinds = find_labels(
        (*spec.intents, OUT_OF_SCOPE), sorted({utterance.intent for utterance in utterances}), record, where
    )
    kept = [(utterance, kinds[utterance.intent]) for utterance in utterances if kinds[utterance.intent]]
    inside = [(utterance, intent) for utterance, intent in kept if intent != OUT_OF_SCOPE]
    if not inside or form is None:
        raise InputError("utterances of the model's intents", "none", where)
    logits = _logits(understanding, [utterance.text for utterance, _ in inside])
    outside = _logits(understanding, [utterance.text for utterance, intent in kept if intent == OUT_OF_SCOPE])
    truth = np.array([spec.intents.index(intent) for _, intent in inside], np.int64)
    answer, best, out = logits.argmax(axis=1), logits.max(axis=1), outside.max(axis=1, initial=np.iinfo(np.int64).min)
    limits, right = understanding.limits, answer == truth
    refused, refused_outside = best < limits[answer], out < limits[outside.argmax(axis=1)]
    evaluation = IntentEvaluation(
        truth, answer, np.array([float(probabilities(row, form.scale).max()) for row in logits]), best * form.scale,
        out * form.scale, refused, refused_outside, form.threshold * form.scale,
        float(spec.trained.get("reject", 0.0)), False,
    )  # fmt: skip
    figures = {
        "accuracy": wilson(int(evaluation.answered.sum()), len(truth)),
        "argmax": wilson(int(right.sum()), len(truth)),
        "refused_in_scope": wilson(int(refused.sum()), len(truth)),
    }
    if len(out):
        figures["auroc"] = auroc_interval(evaluation.scores, evaluation.outside)
        figures["refused_out_of_scope"] = wilson(int(refused_outside.sum()), len(out))
    slots = None
    if spec.tagger is not None and any(utterance.slots for utterance, _ in inside):
        slots, figures["slot_f1"], figures["whole"] = _slots(understanding, inside)
    trained = TrainedHead(spec.intents, form, {}, evaluation, 0)
    details: dict[str, Any] = measures(trained, slots, len(utterances))
    return Score(
        kind="language", name=spec.name, data=where, samples=len(kept), unit="utterance", figures=figures,
        details=details,
        notes=(_AS_ANSWERED, *_flattered(spec, kept)),
    )  # fmt: skip


def _flattered(spec: LanguageSpec, kept: Sequence[tuple[Utterance, str]]) -> tuple[str, ...]:
    """Return whether the model was trained on some of the utterances, by the ones that it keeps as test vectors."""
    there = {normalised(utterance.text) for utterance, _ in kept}
    known = sum(normalised(vector.text) in there for vector in spec.vectors)
    if known < _FEW:
        return ()
    return (f"{known} of the {len(spec.vectors)} stored training sentences are in this data, so the score is too high",)


def _logits(understanding: Understanding, texts: Sequence[str]) -> NDArray[np.int64]:
    """Integer logits, shape (n, intents); of a text without a word the smallest there are, because it is refused."""
    nothing = np.full(len(understanding.spec.intents), np.iinfo(np.int32).min, np.int64)
    rows = [nothing if normalised(text) == " " else understanding.intent(text)[1] for text in texts]
    return np.array(rows, np.int64).reshape(len(texts), -1) if texts else np.empty((0, len(nothing)), np.int64)


def _slots(
    understanding: Understanding, inside: Sequence[tuple[Utterance, str]]
) -> tuple[SlotScore, Interval, Interval]:
    """Slots as a user gets them from the tagger: F1 with its interval, and utterances that are right as a whole."""
    each, whole = [], 0
    for utterance, intent in inside:
        parsed = _tagged(understanding.parse(utterance.text, where=utterance.where or "an utterance"))
        count = score([(utterance.text, utterance.slots, parsed.slots)])
        each.append((count.right, count.predicted, count.true))
        whole += parsed.intent == intent and count.right == count.predicted == count.true
    counts = np.array(each, np.int64)
    f1 = group_interval(np.arange(len(counts)), lambda rows: _f1(counts[rows]), by="utterance", within=SHARE)
    right, found_slots, true = (int(number) for number in counts.sum(axis=0))
    return SlotScore(right, found_slots, true), f1, wilson(whole, len(inside))


def _tagged(parsed: Parsed) -> Parsed:
    """Without values by rule and entries of gazetteers, which nobody marked."""
    return msgspec.structs.replace(parsed, slots=tuple(slot for slot in parsed.slots if slot.by == "tagger"))


def _f1(counts: NDArray[np.int64]) -> float:
    right, predicted, true = (int(number) for number in counts.sum(axis=0))
    return SlotScore(right, predicted, true).f1
