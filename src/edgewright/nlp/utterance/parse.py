"""A sentence understood: intent with a calibrated probability or 'out of scope', slots with values, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.errors import LanguageModelError, UtterancesError
from edgewright.core.files import write_atomic
from edgewright.nlp.records import LANGUAGE_VERSION, OUT_OF_SCOPE, LanguageSpec, Parsed, Ranked, Slot
from edgewright.nlp.utterance.student import STEP, TOLERANCE, Encodes, Head, Student, Tagger
from edgewright.nlp.utterance.values import Gazetteers, checked, normalised, values

SPEC = "language.json"
_DAMAGED = "Download the file again; it was damaged or changed"
_MAKE = "Make one with: edgewright language train UTTERANCES --out MODEL"
Arrays = dict[str, NDArray[Any]]


def language_bytes(spec: LanguageSpec, arrays: Arrays) -> bytes:
    """Return the bytes of a model's file; the same model gives the same bytes.

    Args:
        spec: its `arrays` are filled in here.
        arrays: of the student, and of the tagger with `tagger_` before their names.
    """
    whole = msgspec.structs.replace(spec, arrays=tuple(sorted(arrays)))
    return pack_parts(SPEC, whole, arrays)


def write_language(path: Path, spec: LanguageSpec, arrays: Arrays) -> int:
    """Write a model's file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, language_bytes(spec, arrays))


def read_language(path: Path) -> tuple[LanguageSpec, Arrays]:
    """Read and check a model's file; `Understanding` proves it.

    Raises:
        InputError: missing, damaged, altered, too large, or of a newer format.
    """
    return parse_language(read_file(path, "the file of a language model", absent=_MAKE, unread=_MAKE), str(path))


def parse_language(data: bytes, where: str) -> tuple[LanguageSpec, Arrays]:
    """Read a language model from bytes; `where` names them in messages."""
    spec, files = unpack_parts(data, where, SPEC, LanguageSpec, LANGUAGE_VERSION, "language model", _DAMAGED)
    if len(set(spec.intents)) != len(spec.intents) or len(spec.intents) < 2 or OUT_OF_SCOPE in spec.intents:
        raise UtterancesError("two or more intents, each once", str(len(spec.intents)), where, _DAMAGED)
    return spec, unpack_arrays(files, spec.arrays, where, _DAMAGED)


def form_of(spec: LanguageSpec, arrays: Arrays, where: str, encoder: Encodes | None) -> Student | Head:
    """Return the student, or the head on an encoder.

    Raises:
        InputError: neither of them, arrays that do not fit, a head without its encoder, or a student with one.
    """
    student = student_of(spec, arrays, where)
    if student is not None:
        if encoder is not None:
            raise LanguageModelError(
                "no encoder, because this model reads words itself", "one", where, "Omit --encoder"
            )
        return student
    if spec.head is None:
        raise LanguageModelError("a model with a student or a head", "one without", where)
    if encoder is None:
        raise LanguageModelError(
            f"the encoder {spec.head.encoder}, which this model needs", "none", where, "Set it with --encoder DIR"
        )
    return Head(spec.head, arrays, len(spec.intents), encoder, where)


def student_of(spec: LanguageSpec, arrays: Arrays, where: str) -> Student | None:
    """Return the student, where there is one.

    Raises:
        InputError: arrays that do not fit.
    """
    return None if spec.student is None else Student(spec.student, arrays, len(spec.intents), where)


def tagger_of(spec: LanguageSpec, arrays: Arrays, where: str) -> Tagger | None:
    """Return the slot tagger, where there is one; errors as of `student_of`."""
    if spec.tagger is None:
        return None
    begin = "tagger_"
    return Tagger(spec.tagger, {n[len(begin) :]: a for n, a in arrays.items() if n.startswith(begin)}, where)


def prove(spec: LanguageSpec, form: Student | Head, where: str) -> None:
    """Compute the test vectors: to the bit by a student, within `TOLERANCE` by a head.

    Raises:
        InputError: a logit differs, or there is no vector to prove it by.
    """
    if not spec.vectors:
        raise LanguageModelError("test vectors in the model", "none", where, _DAMAGED)
    allowed = round(TOLERANCE / STEP) if isinstance(form, Head) else 0
    for vector in spec.vectors:
        logits, wanted = form.logits(vector.text), np.array(vector.logits, np.int64)
        if logits.shape != wanted.shape or np.abs(logits - wanted).max() > allowed:
            do = "Use the encoder that it was trained with" if allowed else _DAMAGED
            raise UtterancesError(f"the model's own answer to {vector.text[:40]!r}", "another", where, do)


_OTHERS = 2
# Slots of an utterance at most, the first of the text: as many as a device has room for.
MOST_SLOTS = 32


class Understands(Protocol):
    """What parses utterances: a model of `language train`, or a language model with examples.

    Attributes:
        spec: intents, slots and gazetteers.
    """

    spec: LanguageSpec

    def parse(self, text: str, *, today: date | None = None, where: str = "the utterance") -> Parsed:
        """Return what an utterance says; `Understanding.parse` describes the arguments."""
        ...


class Understanding:
    """A model that was read and proven; `parse` is what a device calls, `limits` are those of its student or head.

    Args:
        spec, arrays: as `read_language` gives them.
        where: of the file, for messages.
        encoder: of a model that is a head on one.

    Raises:
        InputError: arrays that do not fit, a head without its encoder, or test vectors that it does not give again.
    """

    def __init__(
        self, spec: LanguageSpec, arrays: Arrays, where: str = "the model", encoder: Encodes | None = None
    ) -> None:
        self.spec = spec
        self._logits = form_of(spec, arrays, where, encoder)
        self.limits = self._logits.limits
        form = spec.student or spec.head
        if form is None:
            raise LanguageModelError("a model with a student or a head", "one without", where)
        self._form = form
        self._tagger = tagger_of(spec, arrays, where)
        self._gazetteers = Gazetteers(spec.gazetteers)
        prove(spec, self._logits, where)

    @classmethod
    def load(cls, path: Path, encoder: Encodes | None = None) -> Understanding:
        """Of a file; `encoder` for a model that is a head on one.

        Raises:
            InputError: as `read_language`, or as the class.
        """
        return cls(*read_language(path), where=str(path), encoder=encoder)

    def intent(self, text: str) -> tuple[int, NDArray[np.int64]]:
        """Return the number of the likeliest intent, -1 for out of scope, and the integer logits."""
        logits = self._logits.logits(text)
        best = int(logits.argmax())
        return (best if logits[best] >= self.limits[best] else -1), logits

    def parse(self, text: str, *, today: date | None = None, where: str = "the utterance") -> Parsed:
        """Return what an utterance says.

        Args:
            text: a sentence or two.
            today: what "tomorrow" counts from; without it such words keep themselves as their value.
            where: what it is called when it is refused.

        Raises:
            InputError: nothing but space, beyond 1,000 characters, or half a character.
        """
        text = checked(text, where)
        if normalised(text) == " ":
            return Parsed(
                text=text, intent=OUT_OF_SCOPE, confidence=0.0, score=0.0, why="it has no words, only punctuation"
            )
        number, logits = self.intent(text)
        chances = probabilities(logits, self._form.scale)
        others = self._likeliest(chances)
        scale, best = self._form.scale, others[0]
        score, limit = float(logits.max()) * scale, float(self.limits[int(logits.argmax())]) * scale
        if number < 0:
            why = f"unlike the examples of every intent; {best.intent} is closest"
            return Parsed(
                text=text, intent=OUT_OF_SCOPE, confidence=best.confidence, score=score, limit=limit, others=others,
                why=why,
            )  # fmt: skip
        return Parsed(
            text=text, intent=best.intent, confidence=best.confidence, score=score, limit=limit,
            slots=self._slots(text, best.intent, today), others=others[1:],
            why=f"similar to the examples of {best.intent}; second is {others[1].intent} with "
                f"{100 * others[1].confidence:.0f} %",
        )  # fmt: skip

    def _likeliest(self, chances: NDArray[np.float64]) -> tuple[Ranked, ...]:
        """Return the first few intents; of equals the first."""
        left, intents = chances.copy(), []
        for _ in range(min(_OTHERS + 1, len(left))):
            k = int(left.argmax())
            intents.append(Ranked(intent=self.spec.intents[k], confidence=float(chances[k])))
            left[k] = -1.0
        return tuple(intents)

    def _slots(self, text: str, intent: str, today: date | None) -> tuple[Slot, ...]:
        tagged = self._tagger.slots(text, intent) if self._tagger else ()
        return with_entries_and_rules(text, tagged, self._gazetteers, self.spec.gazetteers, today)


def with_entries_and_rules(
    text: str,
    tagged: tuple[Slot, ...],
    gazetteers: Gazetteers,
    lists: Mapping[str, Mapping[str, str]],
    today: date | None,
) -> tuple[Slot, ...]:
    """Return slots with their values, and what entries and rules find beside them, in the order of the text.

    Args:
        text: the utterance.
        tagged: slots that a tagger or a language model marks.
        gazetteers: entries of all slots, to search.
        lists: the same as they were given.
        today: what "tomorrow" counts from.
    """
    listed, ruled = gazetteers.find(text), values(text, today)
    slots = [_valued(slot, listed, ruled, lists) for slot in tagged]
    for slot in (*listed, *ruled):
        if all(slot.end <= other.begin or other.end <= slot.begin for other in slots):
            slots.append(slot)
    return tuple(sorted(slots, key=lambda slot: slot.begin)[:MOST_SLOTS])


def probabilities(logits: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """Softmax of integer logits times their scale, shape (k,)."""
    powers = np.exp((logits - logits.max()) * scale)
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def _valued(
    slot: Slot, listed: tuple[Slot, ...], ruled: tuple[Slot, ...], lists: Mapping[str, Mapping[str, str]]
) -> Slot:
    """Return the slot with the value of an entry or rule that has just its words."""
    if slot.name in lists:
        for other in listed:
            if other.name == slot.name and slot.begin <= other.begin and other.end <= slot.end:
                return msgspec.structs.replace(slot, value=other.value)
    for other in ruled:
        if (other.begin, other.end) == (slot.begin, slot.end):
            return msgspec.structs.replace(slot, value=other.value)
    return slot
