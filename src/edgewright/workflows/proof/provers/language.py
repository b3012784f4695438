"""A language model's file: n-grams, logits, intents and slots of utterances in Python and in compiled C."""

from __future__ import annotations

import importlib
import math
import random
import zlib
from collections.abc import Sequence
from datetime import date
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import CsvEmptyError, ProofError
from edgewright.core.records.proof import ProofRecord
from edgewright.nlp.records import OUT_OF_SCOPE, Slot, StudentSpec
from edgewright.nlp.utterance.parse import MOST_SLOTS, SPEC, Understanding, read_language
from edgewright.nlp.utterance.student import rows_of
from edgewright.nlp.utterance.values import DAYS, LARGE, LONGEST, SMALL, UNITS, compose, normalised
from edgewright.proof.stream import Rule, StreamSubject
from edgewright.proof.tolerance import Stages
from edgewright.workflows.proof.artifacts import in_child, prove_compiled
from edgewright.workflows.proof.provers import ProofRequest, Prover

_NAME = "language"
GRAMS, LOGITS, INTENT, CONFIDENCE, SLOTS = "hashed n-grams", "logits", "intent", "confidence", "slots"
# Words from which numbers, times and days are read, letters of other scripts, and signs without a word.
_ODD_WORDS = (
    *(f"{word} {unit}s" for word, unit in zip(SMALL, cycle(UNITS), strict=False)),
    *(f"{number} {word} {unit}" for number, word, unit in zip(range(2, 30), cycle(LARGE), cycle(UNITS), strict=False)),
    *(f"on {day} at {hour}:0{hour} pm" for hour, day in enumerate(DAYS, 1)),
    *("two and a half hours", "tomorrow at 7:30 pm", "on friday for 90 minutes", "2026-02-28", "one hundred and five"),
    *(f"{word} {small}" for word in SMALL if SMALL[word] >= 10 for small in ("one", "ten")),
    *("two hundred and twenty five", "ninety nine thousand", "one hundred hundred", "zero", "a hundred twenty one"),
    *("caf\u00e9 CAFE\u0301 \u00c5\u212b", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u4e2d\u6587"),
    *("\u0130stanbul \u1e9e \u01c5", "don\u2019t DON'T", "?!", " ", "a", "x" * LONGEST, "1 2 3 " * (LONGEST // 6)),
)
# Numbers of every shape, times and days, each alone: a tagger takes one of many words.
_VALUES = (
    *(f"{word} {large}" for word in ("one", "nine", "ten", "ninety") for large in LARGE),
    *(
        f"{word} hundred {joint}{small}"
        for word in ("one", "six")
        for joint in ("", "and ")
        for small in ("two", "ten")
    ),
    *("three thousand four hundred", "six hundred thousand", "eight thousand and one", "two thousand thousand"),
    *("hundred", "thousand five", "and two", "twenty one hundred", "forty-two", "thirteen", "0.5", "12 34"),
    *(*DAYS, "today", "tomorrow", "2026-02-28", "2026-02-29", "7:30", "12 am", "12:05 pm", "24:00", "half an hour"),
)
# Utterances that stand before words or behind them, until neither tagger nor list takes one of the words.
_CONTEXTS = 24
_BY = {"tagger": 0, "gazetteer": 1, "rule": 2}
_EPOCH = date(1970, 1, 1).toordinal()
# A Saturday in spring, whose tomorrow and weekdays are other days.
_TODAY = date(2026, 3, 28)
# Utterances of words that stand in others in another order, and words of each at most.
_SHUFFLED, _WORDS = 400, 8
# Fields of a slot as they are compared, and slots of an utterance that are.
_FIELDS = ("name", "begin", "end", "finder", "value")


def prove_language(request: ProofRequest) -> ProofRecord:
    """Compare what is hashed, the logits, the intent and the slots of utterances.

    Raises:
        InputError: a file that is no language model, or one without a student for devices.
    """
    spec, arrays = read_language(request.path)
    student = spec.student
    if student is None:
        raise ProofError("a student", "a head for gateways", str(request.path), "C has students only: --for device")
    understanding = Understanding(spec, arrays, str(request.path))
    c99: Any = importlib.import_module("edgewright.export.c99_language.student")
    files = request.changed(c99.write_language_c99(spec, arrays, name=_NAME))
    names = importlib.import_module("edgewright.export.c99_language.student").Slots(spec, arrays).names
    texts, source = _texts(understanding, request)
    probe: Any = importlib.import_module("edgewright.export.c99_host.probe")

    @cache
    def expected() -> Stages:
        return _in_python(understanding, student, texts, names)

    def run(command: str) -> tuple[Stages, Stages]:
        model = probe.CLanguage(files, _NAME, len(spec.intents), MOST_SLOTS, command)
        return expected(), in_child(lambda: _in_c(model, texts))

    exact = Rule("integers: the same", numbers="label")
    about = StreamSubject(
        name=spec.name,
        path=str(request.path),
        source=source,
        origins=tuple(f"utterance {number + 1} ({_short(text)})" for number, text in enumerate(texts)),
        reference="Python",
        numbers="int8",
        rules={
            GRAMS: exact,
            LOGITS: exact,
            INTENT: exact,
            CONFIDENCE: Rule("exp in float32 against float64: relative 1e-4", relative=1e-4),
            SLOTS: Rule("the same slots with the same values", numbers="label", kinds=True),
        },
        names={
            GRAMS: ("number of n-grams", "sum of their rows"),
            LOGITS: spec.intents,
            INTENT: ("status", "intent", "nearest"),
            CONFIDENCE: ("confidence",),
            SLOTS: ("number of slots", *(f"{field} of slot {i + 1}" for i in range(MOST_SLOTS) for field in _FIELDS)),
        },
        shape=(1,),
    )
    return prove_compiled(about, run)


def _texts(understanding: Understanding, request: ProofRequest) -> tuple[list[str], str]:
    """Utterances of a file, one a line; else the model's own test vectors, entries of its lists, and made ones."""
    if request.data:
        try:
            lines = Path(request.data).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CsvEmptyError("a text file, one utterance a line", str(error), request.data) from None
        composed = [compose(line)[:LONGEST] for line in lines if line.strip()][: request.rows]
        if not composed:
            raise CsvEmptyError("one utterance a line", "none", request.data)
        return composed, f"utterances of {request.data}"
    spec = understanding.spec
    own = [vector.text for vector in spec.vectors]
    listed = [entry for entries in spec.gazetteers.values() for entry in entries]
    # Behind the model's own utterances, whose intents are in scope: slots of what is refused are not compared.
    first, second = cycle(own), cycle(listed or [""])
    mixed = [f"{next(first)} {next(second)} {words}" for words in _ODD_WORDS]
    contexts = [*own, *_shuffled([*own, *listed])][:_CONTEXTS]
    read = [_left_to_rules(understanding, contexts, words) for words in (*_ODD_WORDS, *_VALUES)]
    texts = [*own, *mixed, *filter(None, read), *_ODD_WORDS, *_shuffled([*own, *listed, *_ODD_WORDS])]
    return [compose(text)[:LONGEST] for text in texts][: request.rows], "its own test vectors, and made utterances"


def _left_to_rules(understanding: Understanding, contexts: Sequence[str], words: str) -> str:
    """Return an utterance in scope with words that no tagger and no list takes, so that rules read them; or nothing."""
    ways = [(f"{text} {words}", len(text) + 1) for text in contexts]
    for utterance, begin in [*ways, *((f"{words} {text}", 0) for text in contexts)]:
        parsed = understanding.parse(compose(utterance)[:LONGEST], today=_TODAY)
        if parsed.intent != OUT_OF_SCOPE and all(
            slot.by == "rule" or slot.end <= begin or slot.begin >= begin + len(words) for slot in parsed.slots
        ):
            return utterance
    return ""


def _shuffled(texts: Sequence[str]) -> list[str]:
    """Return utterances of words that stand in texts, in drawn order: other neighbours reach other weights."""
    chance, words = random.Random(0), sorted({word for text in texts for word in text.split()})  # noqa: S311 - no secret
    return [" ".join(chance.choices(words, k=chance.randrange(1, _WORDS + 1))) for _ in range(_SHUFFLED)]


def _in_python(
    understanding: Understanding, student: StudentSpec, texts: Sequence[str], names: Sequence[str]
) -> Stages:
    stages = _empty(len(texts), len(understanding.spec.intents))
    for row, text in enumerate(texts):
        plain = normalised(text)
        if plain == " ":
            stages[INTENT][row, 0] = 1
            continue
        grams = rows_of(plain, student.characters, student.words, student.rows)
        stages[GRAMS][row] = len(grams), int(grams.sum()) % (1 << 32)
        number, logits = understanding.intent(text)
        stages[LOGITS][row] = logits
        best = int(logits.argmax())
        stages[INTENT][row] = 0, number, best
        powers = np.exp((logits - logits.max()) * student.scale)
        stages[CONFIDENCE][row] = 1 / powers.sum()
        slots = understanding.parse(text, today=_TODAY).slots if number >= 0 else ()
        _put(stages[SLOTS][row], [_slot(slot, text, names) for slot in slots])
    return stages


def _in_c(model: Any, texts: Sequence[str]) -> Stages:  # noqa: ANN401 - `probe_language.CLanguage`
    stages: Stages = {}
    for row, text in enumerate(texts):
        parsed = model.parse(text, _TODAY.toordinal() - _EPOCH)
        stages = stages or _empty(len(texts), len(parsed.logits))
        stages[INTENT][row, 0] = parsed.status
        if parsed.status:
            continue
        stages[GRAMS][row] = parsed.grams
        stages[LOGITS][row] = parsed.logits
        stages[INTENT][row] = 0, parsed.intent, parsed.nearest
        stages[CONFIDENCE][row] = parsed.confidence
        _put(stages[SLOTS][row], [(*numbers, _number(value)) for *numbers, value in parsed.slots])
    return stages


def _empty(count: int, intents: int) -> Stages:
    sizes = {GRAMS: 2, LOGITS: intents, INTENT: 3, CONFIDENCE: 1, SLOTS: 1 + MOST_SLOTS * len(_FIELDS)}
    return {stage: np.zeros((count, size)) for stage, size in sizes.items()}


def _slot(slot: Slot, text: str, names: Sequence[str]) -> tuple[float, ...]:
    begin, end = (len(text[:at].encode()) for at in (slot.begin, slot.end))
    return names.index(slot.name), begin, end, _BY[slot.by], _number(slot.value)


def _number(value: str | float | None) -> float:
    """Return a value as a number: words by their checksum."""
    if value is None:
        return math.nan
    return float(zlib.crc32(value.encode())) if isinstance(value, str) else float(value)


def _put(row: Any, slots: Sequence[tuple[float, ...]]) -> None:  # noqa: ANN401 - a row of an array
    row[0] = len(slots)
    flat = [value for slot in slots for value in slot]
    row[1 : 1 + len(flat)] = flat


def _short(text: str, maximum: int = 30) -> str:
    return text if len(text) <= maximum else f"{text[: maximum - 3]}..."


PROVER = Prover(SPEC, prove_language)
