"""From a file of utterances to the file of a model: intents, slots, gazetteers, test vectors and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.language.intents.gateway import train_head
from edgewright.language.intents.parts import held_sentences, parted
from edgewright.language.intents.teacher import Teacher
from edgewright.language.intents.train import How, Made, train_student
from edgewright.language.slots.score import SlotScore, score
from edgewright.language.slots.train import Slotting, train_tagger
from edgewright.language.training_report import measures
from edgewright.language.utterances import Labelled, check_validation, findings
from edgewright.nlp.utterance.head import Head
from edgewright.nlp.utterance.limits import checked
from edgewright.nlp.utterance.student import Student
from edgewright.nlp.utterance.tagger import Tagger
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, HeadSpec, LanguageSpec, StudentSpec, TaggerSpec, Utterance, Vector

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
    made: Made
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
    """Trains intents and, where asked, slots.

    Args:
        labelled: utterances, those set apart to judge by, and gazetteers.
        how: of the student.
        name: of the model.
        slots: whether a tagger is trained, too.
        slotting: how.
        teacher, unlabelled: as `train_student` takes them.
        gateway: the teacher itself is the model, and needs its encoder wherever it runs.
        say: told what is done.

    Raises:
        InputError: utterances that are unfit, or no slot where a tagger was asked for.
        MissingExtraError: python-crfsuite is not installed.
    """
    for text in unlabelled:
        checked(text, "the texts without labels")
    marked = any(one.slots for one in labelled.utterances)
    if slots and not marked:
        raise InputError("utterances with slots marked", "none", "--slots", "Mark them as [words](slot_name)")
    odd = check_validation(labelled.utterances, labelled.validation)
    parts = parted(labelled.utterances, labelled.validation, how.seed)
    if say:
        say(f"{len(parts.texts) + len(parts.truth):,} utterances of {len(parts.intents)} intents")
    if gateway and teacher is not None:
        made = train_head(parts, how, teacher, unlabelled)
    else:
        made = train_student(parts, how, teacher=teacher, unlabelled=unlabelled, say=say)
    arrays, tagger, judged = dict(made.arrays), None, None
    if slots:
        tagger, weights, judged = _tagger(labelled, slotting or Slotting(), how.seed, say)
        arrays |= {f"tagger_{key}": value for key, value in weights.items()}
        if labelled.validation and not any(one.slots for one in labelled.validation):
            odd.append("the validation marks no slots: they were judged on a fifth of the training")
    odd += findings(labelled.utterances)
    if marked and not slots:
        odd.append("slots are marked and were not learnt: --slots trains them")
    spec = LanguageSpec(
        name=name, intents=made.intents, student=made.spec if isinstance(made.spec, StudentSpec) else None,
        head=made.spec if isinstance(made.spec, HeadSpec) else None, tagger=tagger, gazetteers=labelled.gazetteers,
        vectors=vectors(made, labelled.utterances, teacher), trained=measures(made, judged, len(labelled.utterances)),
    )  # fmt: skip
    return Understood(spec, arrays, made, judged, odd)


def vectors(made: Made, utterances: Sequence[Utterance], teacher: Teacher | None = None) -> tuple[Vector, ...]:
    """Test vectors: utterances from all over the training, and odd ones."""
    form: Student | Head
    if isinstance(made.spec, StudentSpec):
        form = Student(made.spec, made.arrays, len(made.intents), "the student")
    elif teacher is None:
        raise InputError("the encoder of a head", "none")
    else:
        form = Head(made.spec, made.arrays, len(made.intents), teacher.encoder, "the head")
    texts = [one.text for one in utterances[:: max(1, len(utterances) // _VECTORS)]][:_VECTORS]
    return tuple(Vector(text=text, logits=tuple(form.logits(text).tolist())) for text in (*texts, *_ODD))


def _tagger(
    labelled: Labelled,
    how: Slotting,
    seed: int,
    say: Any,  # noqa: ANN401 - a function of text, or None
) -> tuple[TaggerSpec, Arrays, SlotScore]:
    """Judged on the validation, or on a fifth and then trained on all; the intent is given, as it is in training."""
    inside = [one for one in labelled.utterances if one.intent != OUT_OF_SCOPE]
    if say:
        say(f"slots from {sum(len(one.slots) for one in inside):,} marks of {len(inside):,} utterances")
    judges = [one for one in labelled.validation if one.intent != OUT_OF_SCOPE and not one.synthetic]
    if any(one.slots for one in judges):
        spec, arrays = train_tagger(inside, how, say)
        return spec, arrays, _judged(spec, arrays, judges)
    kinds = np.unique([one.intent for one in inside], return_inverse=True)[1]
    said = np.array([not one.synthetic for one in inside], np.bool_)
    held = held_sentences([one.text for one in inside], np.asarray(kinds, np.int64), seed) & said
    spec, arrays = train_tagger([one for one, out in zip(inside, held, strict=True) if not out], how, say)
    found = _judged(spec, arrays, [one for one, out in zip(inside, held, strict=True) if out])
    if say:
        say(f"slots: F1 {100 * found.f1:.1f} on a fifth held out; fitting on all of them")
    return *train_tagger(inside, how, say), found


def _judged(spec: TaggerSpec, arrays: Arrays, judges: Sequence[Utterance]) -> SlotScore:
    tagger = Tagger(spec, arrays, "the tagger")
    return score((one.text, one.slots, tagger.slots(one.text, one.intent)) for one in judges)


def name_of(path: Path) -> str:
    """The name of a model, after its file."""
    return path.name.split(".")[0] or "model"
