"""Utterances with intents and slots, what is made of one, and the files of models of language and of text."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

LANGUAGE_VERSION = 1
OUT_OF_SCOPE = "out of scope"


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an utterance that has a name.

    Attributes:
        name: name of the slot.
        begin, end: code points of the text, the end not included.
        text: as it was said.
        value: what it stands for: the entry of a gazetteer, a number, seconds, an ISO date; None where it is the text.
        by: 'tagger', 'gazetteer', 'rule' or 'language model'.
    """

    name: str
    begin: int
    end: int
    text: str
    value: Any = None
    by: Literal["tagger", "gazetteer", "rule", "language model", ""] = ""


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence that somebody labelled; `intent` is `OUT_OF_SCOPE` for one that none of the intents answers.

    Attributes:
        synthetic: nobody said it, a grammar made it: it is learnt from and never judged by.
        author: who said it; empty where nobody wrote that down.
    """

    text: str
    intent: str
    slots: tuple[Slot, ...] = ()
    where: str = ""
    synthetic: bool = False
    author: str = ""


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """An intent with its probability."""

    intent: str
    confidence: float


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What was understood.

    Attributes:
        text: as it was read.
        intent: one of the model's, or `OUT_OF_SCOPE`.
        confidence: calibrated probability of the likeliest intent: of 100 answers at .85, 85 are right in scope.
        score: largest logit; below `limit` an utterance is out of scope.
        limit: of the likeliest intent; 0 where there was no word to judge.
        slots: in the order of the text.
        others: the next likeliest intents.
        why: in words, what the answer rests on.
    """

    text: str
    intent: str
    confidence: float
    score: float
    limit: float = 0.0
    slots: tuple[Slot, ...] = ()
    others: tuple[Ranked, ...] = ()
    why: str = ""


class StudentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How the int8 student reads its arrays; its arithmetic is written down in `nlp/utterance/student.py`.

    Attributes:
        characters: lengths of the n-grams of characters.
        words: numbers of words of the n-grams of words.
        rows, hidden: of the table.
        factor, shift: fixed-point scale from sums of rows to the hidden layer.
        scale: of a logit of integers, with the temperature in it.
        threshold: integer logit below which an utterance is out of scope; an intent also needs a larger logit than
            a text without a known n-gram gives it.
    """

    characters: tuple[int, ...]
    words: tuple[int, ...]
    rows: int
    hidden: int
    factor: int
    shift: int
    scale: float
    threshold: int


class HeadSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A linear head on an encoder's vectors.

    Attributes:
        encoder: name of its directory, for people.
        encoder_sha256: SHA-256 of the encoder, where it is a registered model.
        dimensions: of its vectors.
        scale: of a step of the logits, with the temperature in it.
        threshold: logit in steps below which an utterance is out of scope.
    """

    encoder: str
    dimensions: int
    scale: float
    threshold: int
    encoder_sha256: str | msgspec.UnsetType = msgspec.UNSET


class TaggerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The slot tagger: a linear chain over `labels` (BIO), weights by hashed attribute."""

    labels: tuple[str, ...]
    scale: float


class Vector(msgspec.Struct, frozen=True, kw_only=True):
    """A test vector: the text, and the integer logits or labels that a device must get."""

    text: str
    logits: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()


class LanguageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`language.json` of a model's file; the arrays lie beside it.

    Attributes:
        version: version of the format; a newer one is refused by name.
        intents: in the order of the logits.
        student: for devices; None where there is a `head`, for gateways that hold an encoder.
        tagger: None for one without slots.
        gazetteers: entries of each slot, and what each stands for.
        vectors: which the device computes before it believes the file.
        trained: counts and measures of the training, for people.
    """

    version: int = LANGUAGE_VERSION
    task: str = "language"
    name: str
    intents: tuple[str, ...]
    student: StudentSpec | None
    head: HeadSpec | None = None
    tagger: TaggerSpec | None = None
    gazetteers: dict[str, dict[str, str]] = {}
    arrays: tuple[str, ...] = ()
    vectors: tuple[Vector, ...] = ()
    trained: dict[str, Any] = {}


TEXT_VERSION = 1


class TextVector(msgspec.Struct, frozen=True, kw_only=True):
    """A text and the bits per byte that the model gives it."""

    text: str
    bits: float


class TextSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model of text.

    Attributes:
        name: name of the file.
        kind: 'ngram' or 'gru'.
        arrays: names of its arrays.
        vectors: that prove it.
        trained: on what, and how well, for people.
    """

    version: int = TEXT_VERSION
    name: str
    kind: str
    arrays: tuple[str, ...] = ()
    vectors: tuple[TextVector, ...] = ()
    trained: dict[str, Any] = {}
