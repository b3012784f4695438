"""Students of sentences: tables of hashed n-grams, as `language train` makes them for a device."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edgewright.export.c99_language.student import write_language_c99
from edgewright.language.distillation.contract import Fitted, Judges, Say
from edgewright.language.embedding import Encoder
from edgewright.language.embedding.contract import Remembering
from edgewright.language.intents.material import Teacher
from edgewright.language.intents.network import size_of
from edgewright.language.intents.train import How
from edgewright.language.training import train
from edgewright.language.utterances.read import read, read_judged
from edgewright.nlp.utterance.model_file import read_language, write_language
from edgewright.nlp.utterance.parse import Understanding
from edgewright.schema.language import OUT_OF_SCOPE
from edgewright.schema.trace import Interval
from edgewright.training.metrics import wilson

SIZES = ("4kB", "8kB", "16kB", "32kB", "64kB")


class TextStudents:
    """Students of the sentences of a project.

    Args:
        encoder: that gave the labels and is the teacher; None where there is none.
        unsure: sentences without a label, which only a teacher can use.
        seed: of the fits.
        say: told what is done.
    """

    sizes: tuple[str, ...] = SIZES

    def __init__(self, encoder: Encoder | None, unsure: Sequence[str], seed: int, say: Say) -> None:
        # What one size asks of the encoder, the next one need not ask again.
        self._teacher = None if encoder is None else Teacher(Remembering(encoder))
        self._unsure, self._seed, self._say = unsure if encoder else (), seed, say

    def fit(self, size: str, labels: Path, folder: Path, *, whole: bool) -> Fitted:
        """Write `SIZE.language`; it is always fitted on all labels, and judged by fits without a fifth of them.

        Raises:
            InputError: an intent with too few sentences, or a size without room.
        """
        how = How(size=size_of(size), seed=self._seed)
        understood = train(read(labels), how, name=size, teacher=self._teacher, unlabelled=self._unsure)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{size}.language"
        write_language(path, understood.spec, understood.arrays)
        share = understood.spec.trained["as_answered"]
        own = wilson(round(share["value"] * understood.spec.trained["judged"]), understood.spec.trained["judged"])
        return Fitted(path, understood.trained.bytes, own)

    def accuracy(self, path: Path, judges: Judges) -> Interval:
        """Return the share of right answers; a refusal is right where the sentence is none of the classes only."""
        understanding = Understanding.load(path)
        answers = (understanding.parse(text).intent for text in judges.things)
        right = sum((answer if answer != OUT_OF_SCOPE else "") == truth
                    for answer, truth in zip(answers, judges.truth, strict=True))  # fmt: skip
        return wilson(right, len(judges.things))

    def code(self, path: Path, name: str) -> dict[str, bytes]:
        """Return NAME.h and NAME.c: the whole model."""
        spec, arrays = read_language(path)
        word = re.sub(r"\W", "_", name, flags=re.ASCII)[:40]
        word = word if word[:1].isalpha() else f"m_{word}"[:40]
        return {file: text.encode() for file, text in write_language_c99(spec, arrays, name=word).items()}

    def judges(self, path: Path) -> Judges:
        """Read a file of utterances, in each form that `language train` reads."""
        utterances, _ = read_judged(path)
        truth = ("" if utterance.intent == OUT_OF_SCOPE else utterance.intent for utterance in utterances)
        return Judges(str(path), tuple(utterance.text for utterance in utterances), tuple(truth))
