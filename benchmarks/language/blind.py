"""Few sentences as users start with: five sets of intents with paraphrases, and 100 sentences that belong to none.

`blind.toml` was written before the rejection that it judges. The background, the weights and the limit were chosen on
`choosing.toml`, on five domains of CLINC150 and on SNIPS (docs/adr/0106-rejection.md).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.language.row import Row, encoder_directory, left_out
from edgewright.language.embedding import load
from edgewright.language.embedding.contract import Remembering
from edgewright.language.intents.material import Teacher
from edgewright.language.intents.parts import parted
from edgewright.language.intents.train import How, TrainedHead, train_head, train_student
from edgewright.nlp.utterance.head import Head
from edgewright.nlp.utterance.student import Student
from edgewright.schema.language import StudentSpec, Utterance
from edgewright.training.metrics import wilson

MIN_ANSWERED, MIN_TAUGHT, MIN_REFUSED = 0.75, 0.90, 0.90
HERE = Path(__file__).parent
TASK = "five sets of 2 to 8 intents with 4 to 10 sentences, right as answered / foreign refused"


class Intent(msgspec.Struct):
    """What a user writes down, and what people say then."""

    sentences: list[str]
    paraphrases: list[str]


class IntentSet(msgspec.Struct):
    """Intents of one device."""

    name: str
    intents: dict[str, Intent]


class Sets(msgspec.Struct):
    """Several devices, and sentences that belong to none of them."""

    sets: list[IntentSet]
    foreign: list[str] = []


Trains = Callable[[list[Utterance]], tuple[TrainedHead, Student | Head]]


def read(name: str = "blind") -> Sets:
    """Return the sets of a file of this folder; without foreign sentences, those of the other sets are foreign."""
    return msgspec.convert(tomllib.loads((HERE / f"{name}.toml").read_text("utf-8")), Sets)


def rows() -> list[Row]:
    """Return the student alone, taught by an encoder, and the head of a gateway."""
    rows_made = [row("int8 student", MIN_ANSWERED, lambda given: student_of(given, None))]
    path = encoder_directory()
    if path is None:
        return [*rows_made, left_out(TASK, "with MiniLM", "no encoder; EDGEWRIGHT_ENCODER names one")]
    encoder = Remembering(load(path))
    return [
        *rows_made,
        row("int8 student, taught by MiniLM where that pays", MIN_TAUGHT, lambda given: student_of(given, encoder)),
        row("head on MiniLM (gateway)", MIN_TAUGHT, lambda given: head_of(given, encoder)),
    ]


def row(model: str, minimum: float, trains: Trains, name: str = "blind") -> Row:
    """Return shares of all paraphrases and of all pairs of a set and a foreign sentence."""
    sets = read(name)
    right, lost, refused, each = [], [], [], []
    for one in sets.sets:
        given = [Utterance(text=t, intent=key) for key, intent in one.intents.items() for t in intent.sentences]
        trained, form = trains(given)
        for key, intent in one.intents.items():
            for text in intent.paraphrases:
                logits = form.logits(text)
                best = int(logits.argmax())
                known = trained.intents[best] == key
                right.append(known and logits[best] >= form.limits[best])
                lost.append(known and not right[-1])
        own = sum(len(intent.paraphrases) for intent in one.intents.values())
        others = sets.foreign or [
            text for other in sets.sets if other is not one for i in other.intents.values() for text in i.paraphrases
        ]
        gone = [bool(np.all(form.logits(text) < form.limits)) for text in others]
        refused += gone
        each.append(f"{one.name} {100 * np.mean(right[-own:]):.0f}/{100 * np.mean(gone):.0f}")
    share = wilson(sum(right), len(right))
    reached = (
        f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f}) of {len(right)} / "
        f"{100 * np.mean(refused):.1f} %; {100 * np.sum(lost) / max(np.sum(right) + np.sum(lost), 1):.1f} % of right "
        f"answers refused; {', '.join(each)}"
    )
    within = share.value >= minimum and float(np.mean(refused)) >= MIN_REFUSED
    return Row(TASK, model, reached, "64 kB", f"{100 * minimum:.0f} % / {100 * MIN_REFUSED:.0f} %", within)


def student_of(given: list[Utterance], encoder: Remembering | None) -> tuple[TrainedHead, Student]:
    """Return a student of these sentences as `language train` makes it, taught by an encoder if there is one."""
    trained = train_student(parted(given, (), 0), How(), teacher=Teacher(encoder) if encoder else None)
    if not isinstance(trained.spec, StudentSpec):
        raise TypeError("a student")
    return trained, Student(trained.spec, trained.arrays, len(trained.intents), "the student")


def head_of(given: list[Utterance], encoder: Remembering) -> tuple[TrainedHead, Head]:
    """Return the head of a gateway."""
    trained = train_head(parted(given, (), 0), How(), Teacher(encoder))
    if isinstance(trained.spec, StudentSpec):
        raise TypeError("a head")
    return trained, Head(trained.spec, trained.arrays, len(trained.intents), encoder, "the head")
