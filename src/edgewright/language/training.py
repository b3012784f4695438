"""Training of a language model from utterances: intents, slots, gazetteers, test vectors and a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import CheckFailedError, LanguageModelError, UtterancesError
from edgewright.core.records.trace import Interval
from edgewright.data.matching import check_names, find_labels
from edgewright.language.intents.material import Teacher
from edgewright.language.intents.network import is_english
from edgewright.language.intents.parts import FOREIGN, IntentEvaluation, held_sentences, parted
from edgewright.language.intents.train import How, TrainedHead, train_head, train_student
from edgewright.language.slots import SlotScore, Slotting, score, train_tagger
from edgewright.language.utterances import Labelled, check_validation, findings
from edgewright.nlp.records import (
    OUT_OF_SCOPE,
    HeadSpec,
    LanguageSpec,
    Parsed,
    StudentSpec,
    TaggerSpec,
    Utterance,
    Vector,
)
from edgewright.nlp.utterance.parse import Understanding, probabilities
from edgewright.nlp.utterance.student import Head, Student, Tagger
from edgewright.nlp.utterance.values import checked, normalised
from edgewright.training.metrics import (
    SHARE,
    auroc_interval,
    calibration_error,
    class_scores,
    confusion,
    group_interval,
    wilson,
)
from edgewright.workflows.scoring.workflow import Score

_CONFUSED, _WORST, _REFUSED = 5, 5, 10
# Sentences from which on an accuracy that is within a standard error of chance counts as chance.
_TELLING = 10


def measures(trained: TrainedHead, slots: SlotScore | None, utterances: int) -> dict[str, Any]:
    """Count, and shares with intervals of 95 %, on utterances that the judged model was not fitted on."""
    evaluation, names = trained.evaluation, trained.intents
    right = evaluation.truth == evaluation.answer
    matrix = confusion(evaluation.truth, evaluation.answer, len(names))
    recall = class_scores(matrix)[1]
    each = []
    for number, name in enumerate(names):
        count = int(matrix[number].sum())
        share = wilson(int(matrix[number, number]), count)
        each.append({"intent": name, "judged": count, "right": round(float(recall[number]), 4),
                     "low": round(share.low, 4), "high": round(share.high, 4)})  # fmt: skip
    wrong = [
        {"said": names[row], "answered": names[column], "times": int(matrix[row, column])}
        for row, column in np.argwhere(matrix * (1 - np.eye(len(names), dtype=np.int64)) > 0)
    ]
    all_right = wilson(int(right.sum()), len(right))
    answered = wilson(int(evaluation.answered.sum()), len(right))
    area = auroc_interval(evaluation.scores, evaluation.outside)
    return {
        "utterances": utterances,
        "judged": len(right),
        "accuracy": {"value": all_right.value, "low": all_right.low, "high": all_right.high},
        "as_answered": {"value": answered.value, "low": answered.low, "high": answered.high},
        "reject": evaluation.reject,
        "calibration_error": calibration_error(evaluation.confidence, right),
        "kept_in_scope": float(np.mean(~evaluation.refused)),
        "refused_right": float(np.mean(evaluation.refused[right])) if right.any() else 0.0,
        "out_of_scope": None
        if not len(evaluation.outside)
        else {
            "judged": len(evaluation.outside), "auroc": area.value, "low": area.low, "high": area.high,
            "refused": float(np.mean(evaluation.refused_outside)),
        },
        "refused_sentences": [
            {"intent": names[int(evaluation.truth[k])], "text": evaluation.texts[k]}
            for k in np.flatnonzero(evaluation.refused)[:_REFUSED] if evaluation.texts
        ],
        "intents": each,
        "confused": sorted(wrong, key=lambda pair: (-pair["times"], str(pair["said"]))),
        "bytes": trained.bytes,
        "ladder": msgspec.to_builtins(trained.ladder),
        "slots": None if slots is None else {"f1": slots.f1, "right": slots.right, "found": slots.predicted,
                                             "true": slots.true},
    }  # fmt: skip


def lines(record: dict[str, Any]) -> Iterator[str]:
    """Yield the measures as lines: as answered, worst intents, confusions, out of scope, slots."""
    share, refused = record["as_answered"], 1 - record["kept_in_scope"]
    yield (
        f"{100 * share['value']:.1f} % right with refusals ({100 * share['low']:.1f} to {100 * share['high']:.1f}) of "
        f"{record['judged']:,} utterances held out; calibration error {100 * record['calibration_error']:.1f} points"
    )
    yield (
        f"  {100 * refused:.1f} % of them are refused as out of scope, which counts as wrong. Without refusals "
        f"{100 * record['accuracy']['value']:.1f} % are right; {100 * record['refused_right']:.1f} % of these right "
        f"answers are refused ({_limited(record['reject'])})"
    )
    for row in record["refused_sentences"]:
        yield f"  refused when left out: {row['text']!r} ({row['intent']})"
    yield from mistakes(record)
    outside = record["out_of_scope"]
    if outside is None:
        yield "  no example is out of scope, so the share of refused out-of-scope utterances is unknown"
    else:
        yield (
            f"  out of scope: AUROC {outside['auroc']:.3f} ({outside['low']:.3f} to {outside['high']:.3f}) on "
            f"{outside['judged']}; {100 * outside['refused']:.0f} % of these are refused; they also set the limit"
        )
    slots = record["slots"]
    if slots is not None:
        yield f"  slots: F1 {100 * slots['f1']:.1f} on {slots['true']:,} slots held out"


def _limited(reject: float) -> str:
    if reject < 1:
        return f"--reject allows {100 * reject:g} %"
    return f"the limit refuses {100 * FOREIGN:g} % of background sentences; --reject lowers it"


def describe_chance(record: dict[str, Any]) -> str:
    """Return how few answers are right where that is no better than guessing; empty for other models.

    Args:
        record: as of `measures`.
    """
    count = record["judged"]
    expected = max(intent["judged"] for intent in record["intents"])
    right = round(record["accuracy"]["value"] * count)
    if right > expected + ((expected * (1 - expected / count)) ** 0.5 if count >= _TELLING else 0.0):
        return ""
    return f"{right} of {count} left-out sentences are right, where the most frequent intent gives {expected}"


def check_chance(record: dict[str, Any], where: str) -> None:
    """Check that a model answers better than chance.

    Args:
        record: as of `measures`.
        where: of the utterances, for the message.

    Raises:
        CheckFailedError: it does not.
    """
    text = describe_chance(record)
    if not text:
        return
    few = sorted(record["intents"], key=lambda row: (row["right"], row["judged"]))[:_WORST]
    raise CheckFailedError(
        f"{where}: {text}; no model is written",
        f"Add sentences in other words to {', '.join(str(row['intent']) for row in few)}: ten an intent are a good "
        "start, and words that only this intent uses help most. --force writes the model as it is",
    )


def mistakes(record: dict[str, Any]) -> Iterator[str]:
    """Yield the worst intents, and what is confused with what."""
    worst = sorted(record["intents"], key=lambda row: (row["right"], row["intent"]))[:_WORST]
    for row in worst if worst[0]["right"] < 1 else ():
        yield (
            f"  {row['intent']:<28} {100 * row['right']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f}) "
            f"of {row['judged']}"
        )
    for row in record["confused"][:_CONFUSED]:
        times = "once" if row["times"] == 1 else f"{row['times']} times"
        yield f"  {row['said']} was answered as {row['answered']} {times}"


Arrays = dict[str, NDArray[Any]]
# Test vectors of a model: utterances it was trained on, and text that devices get wrong first.
_VECTORS = 24
_ODD = (
    "\U0001f600",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "na\u00efve CAF\u00c9 don\u2019t",
    "12:30",
    "a",
)


class Understood(msgspec.Struct, frozen=True):
    """A trained model, ready to be written."""

    spec: LanguageSpec
    arrays: Arrays
    trained: TrainedHead
    slots: SlotScore | None
    findings: list[str]


def train(
    labelled: Labelled,
    how: How,
    *,
    name: str,
    slots: bool = False,
    slotting: Slotting | None = None,
    teacher: Teacher | None = None,
    gateway: bool = False,
    unlabelled: Sequence[str] = (),
    say: Any = None,  # noqa: ANN401 - a function of text, or None
) -> Understood:
    """Train intents and, where asked, slots.

    Args:
        labelled: utterances, those set apart to judge by, and gazetteers.
        how: of the student.
        name: name of the model.
        slots: whether a tagger is trained, too.
        slotting: how.
        teacher: see `train_student`.
        unlabelled: see `train_student`.
        gateway: the teacher itself is the model, and needs its encoder wherever it runs.
        say: told what is done.

    Raises:
        InputError: utterances that are unfit, or no slot where a tagger was asked for.
        MissingExtraError: python-crfsuite is not installed.
    """
    for text in unlabelled:
        checked(text, "the texts without labels")
    marked = any(utterance.slots for utterance in labelled.utterances)
    if slots and not marked:
        raise UtterancesError("utterances with slots marked", "none", "--slots", "Mark them as [words](slot_name)")
    odd = check_validation(labelled.utterances, labelled.validation)
    parts = parted(labelled.utterances, labelled.validation, how.seed)
    # Sentences that are left out to judge are nowhere learnt from, under the teacher's answers either.
    known = {normalised(utterance.text) for utterance in (*labelled.utterances, *labelled.validation)}
    unlabelled = [text for text in dict.fromkeys(unlabelled) if normalised(text) not in known]
    if say:
        say(f"{len(parts.texts) + len(parts.truth):,} utterances of {len(parts.intents)} intents")
    if gateway and teacher is not None:
        trained = train_head(parts, how, teacher, unlabelled)
    else:
        trained = train_student(parts, how, teacher=teacher, unlabelled=unlabelled, say=say)
    arrays, tagger, slot_score = dict(trained.arrays), None, None
    if slots:
        tagger, weights, slot_score = _tagger(labelled, slotting or Slotting(), how.seed, say)
        arrays |= {f"tagger_{key}": value for key, value in weights.items()}
        if labelled.validation and not any(utterance.slots for utterance in labelled.validation):
            odd.append("the validation has no slots; a fifth of the training tested them")
    odd += [*([trained.note] if trained.note else []), *findings(labelled.utterances)]
    if not is_english([utterance.text for utterance in labelled.utterances]):
        odd.append("sentences of other topics are English here: add some of your language, marked out of scope")
    if marked and not slots:
        odd.append("marked slots were not trained; train them with --slots")
    spec = LanguageSpec(
        name=name,
        intents=trained.intents,
        student=trained.spec if isinstance(trained.spec, StudentSpec) else None,
        head=trained.spec if isinstance(trained.spec, HeadSpec) else None,
        tagger=tagger,
        gazetteers=labelled.gazetteers,
        vectors=vectors(trained, labelled.utterances, teacher),
        trained=measures(trained, slot_score, len(labelled.utterances)),
    )
    return Understood(spec, arrays, trained, slot_score, odd)


def vectors(
    trained: TrainedHead, utterances: Sequence[Utterance], teacher: Teacher | None = None
) -> tuple[Vector, ...]:
    """Test vectors: utterances from all over the training, and odd ones."""
    form: Student | Head
    if isinstance(trained.spec, StudentSpec):
        form = Student(trained.spec, trained.arrays, len(trained.intents), "the student")
    elif teacher is None:
        raise LanguageModelError("the encoder of a head", "none")
    else:
        form = Head(trained.spec, trained.arrays, len(trained.intents), teacher.encoder, "the head")
    texts = [utterance.text for utterance in utterances[:: max(1, len(utterances) // _VECTORS)]][:_VECTORS]
    return tuple(Vector(text=text, logits=tuple(form.logits(text).tolist())) for text in (*texts, *_ODD))


def _tagger(
    labelled: Labelled,
    how: Slotting,
    seed: int,
    say: Any,  # noqa: ANN401 - a function of text, or None
) -> tuple[TaggerSpec, Arrays, SlotScore]:
    """Judged on the validation, or on a fifth and then trained on all; the intent is given, as it is in training."""
    inside = [utterance for utterance in labelled.utterances if utterance.intent != OUT_OF_SCOPE]
    if say:
        say(f"slots from {sum(len(utterance.slots) for utterance in inside):,} marks of {len(inside):,} utterances")
    judges = [
        utterance for utterance in labelled.validation if utterance.intent != OUT_OF_SCOPE and not utterance.synthetic
    ]
    if any(utterance.slots for utterance in judges):
        spec, arrays = train_tagger(inside, how, say)
        return spec, arrays, _slot_score(spec, arrays, judges)
    kinds = np.unique([utterance.intent for utterance in inside], return_inverse=True)[1]
    values = np.array([not utterance.synthetic for utterance in inside], np.bool_)
    held_out = held_sentences([utterance.text for utterance in inside], np.asarray(kinds, np.int64), seed) & values
    spec, arrays = train_tagger(
        [utterance for utterance, out in zip(inside, held_out, strict=True) if not out], how, say
    )
    slot_score = _slot_score(spec, arrays, [utterance for utterance, out in zip(inside, held_out, strict=True) if out])
    if say:
        say(f"slots: F1 {100 * slot_score.f1:.1f} on a fifth held out; fitting on all of them")
    return *train_tagger(inside, how, say), slot_score


def _slot_score(spec: TaggerSpec, arrays: Arrays, judges: Sequence[Utterance]) -> SlotScore:
    tagger = Tagger(spec, arrays, "the tagger")
    return score(
        (utterance.text, utterance.slots, tagger.slots(utterance.text, utterance.intent)) for utterance in judges
    )


def name_of(path: Path) -> str:
    """Return the name of a model, after its file."""
    return path.name.split(".")[0] or "model"


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
        raise UtterancesError("utterances of the model's intents", "none", where)
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
