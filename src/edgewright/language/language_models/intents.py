"""Intents and slots by a language model, which can write nothing but one of the intents and words of the utterance.

A grammar for each utterance allows JSON alone: an intent or `none`, and for each slot of that intent `null` or
consecutive words that were said. The most similar examples are shown to the model as earlier turns. Where the user
gives none out of scope, sentences of other topics take their place.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import msgspec

from edgewright.core.errors import LanguageModelMissingError, OutputError
from edgewright.language.intents.network import outside_of
from edgewright.language.language_models.client import LanguageModelClient, ModelReply, served
from edgewright.language.utterances import Labelled
from edgewright.nlp.records import OUT_OF_SCOPE, LanguageSpec, Parsed, Slot, TaggerSpec, Utterance
from edgewright.nlp.utterance.parse import with_entries_and_rules
from edgewright.nlp.utterance.values import Gazetteers, checked, normalised, tokens

NONE = "none"
SECONDS = 300.0
"""For loading a model, and for one utterance: a small board reads some tokens a second."""
_EXAMPLES, _EXAMPLE_CHARACTERS = 8, 3000
_FOREIGN = 200
_ORDER = (
    "You label what people say to a machine. Reply in JSON with the intent and its slots; a slot holds the words that"
    f' were said, or null. Use the intent "{NONE}" for everything else.'
)


class _Answer(msgspec.Struct, frozen=True):
    """What the grammar allows; another server than llama.cpp's may not hold a model to it."""

    intent: str
    slots: dict[str, str | None] = {}


class LanguageModelParser:
    """Parses utterances by a language model that is served; to callers it is what `Understanding` is.

    Args:
        address: of the server.
        labelled: utterances of each intent; their marked slots can be filled.
        name: of the language model, for messages.
        where: of the utterances, for messages.

    Raises:
        InputError: no intents, or one that is called 'none'.
    """

    def __init__(self, address: str, labelled: Labelled, name: str, where: str) -> None:
        inside = [utterance for utterance in labelled.utterances if utterance.intent != OUT_OF_SCOPE]
        self._slots: dict[str, tuple[str, ...]] = {}
        for utterance in inside:
            names = (*self._slots.get(utterance.intent, ()), *(slot.name for slot in utterance.slots))
            self._slots[utterance.intent] = tuple(dict.fromkeys(names))
        if not self._slots or NONE in self._slots:
            got = f"one called {NONE!r}" if self._slots else "none"
            raise LanguageModelMissingError(f"utterances with intents, none of them {NONE!r}", got, where)
        labels = dict.fromkeys(f"B-{slot}" for slots in self._slots.values() for slot in slots)
        self.spec = LanguageSpec(
            name=Path(where).name, intents=tuple(self._slots), student=None, gazetteers=labelled.gazetteers,
            tagger=TaggerSpec(labels=tuple(labels), scale=1.0),
        )  # fmt: skip
        self._client, self._name = LanguageModelClient(address, where), name
        self._gazetteers = Gazetteers(labelled.gazetteers)
        self._examples = labelled.utterances
        if len(inside) == len(labelled.utterances):
            foreign = outside_of([utterance.text for utterance in inside])[:_FOREIGN]
            self._examples += tuple(Utterance(text=text, intent=OUT_OF_SCOPE) for text in foreign)

    def parse(
        self, text: str, *, today: date | None = None, where: str = "the utterance", left_out: bool = False
    ) -> Parsed:
        """Return what an utterance says.

        Args:
            text: a sentence or two.
            today: what "tomorrow" counts from; without it such words keep themselves as their value.
            where: what it is called when it is refused.
            left_out: show no example of the same text, so that the answer does not rest on it.

        Raises:
            InputError: nothing but space, beyond 1,000 characters, or half a character.
            OutputError: the server fails, or there is no room for the answer behind the examples.
        """
        text = checked(text, where)
        words = [span for span in tokens(text) if normalised(text[slice(*span)]) != " "]
        if not words:
            return Parsed(
                text=text, intent=OUT_OF_SCOPE, confidence=0.0, score=0.0, why="it has no words, only punctuation"
            )
        grammar, longest = grammar_of(text, words, self._slots)
        examples = [given for given in self._examples if not left_out or normalised(given.text) != normalised(text)]
        messages = [
            {"role": "system", "content": _ORDER},
            *_turns(_nearest(examples, text), self._slots),
            {"role": "user", "content": text},
        ]
        deadline = time.monotonic() + SECONDS
        reply = self._client.chat(messages, deadline, max_tokens=longest, grammar=grammar, logprobs=True)
        try:
            answer = msgspec.json.decode(reply.text, type=_Answer)
        except msgspec.DecodeError:
            raise OutputError("a whole answer of the language model", repr(reply.text[-60:]), where,
                              "Use fewer or shorter examples") from None  # fmt: skip
        intent = answer.intent
        if intent != NONE and intent not in self._slots:
            raise OutputError("an intent that the grammar allows, of the language model", repr(intent[:60]), where,
                              "Use a llama.cpp that holds a model to grammars")  # fmt: skip
        score = _log_chance(reply, json.dumps(intent, ensure_ascii=False))
        chance = math.exp(score)
        if intent == NONE:
            why = f"{self._name} gave it none of the {len(self._slots)} intents"
            return Parsed(text=text, intent=OUT_OF_SCOPE, confidence=chance, score=score, why=why)
        marked = _marked_slots(text, words, answer.slots)
        return Parsed(
            text=text, intent=intent, confidence=chance, score=score,
            slots=with_entries_and_rules(text, marked, self._gazetteers, self.spec.gazetteers, today),
            why=f"{self._name} wrote this intent, with {100 * chance:.0f} % of its probability before the grammar",
        )  # fmt: skip


@contextmanager
def language_model_parser(model: Path, labelled: Labelled, where: str) -> Iterator[LanguageModelParser]:
    """Serve a language model and yield what parses utterances by it.

    Args:
        model: GGUF file.
        labelled: utterances of each intent, as `language train` takes them.
        where: of the utterances, for messages.

    Raises:
        InputError: of the examples, or no engine is installed.
        OutputError: the model cannot be loaded.
    """
    with served(model, SECONDS) as running:
        yield LanguageModelParser(running.address, labelled, model.stem, where)


def grammar_of(text: str, words: Sequence[tuple[int, int]], slots: Mapping[str, Sequence[str]]) -> tuple[str, int]:
    """Return the GBNF grammar of the answers to an utterance, and the most bytes that one of them has.

    Args:
        text: the utterance.
        words: where each word begins and ends.
        slots: of each intent.
    """
    rules = [_alternative(NONE, ())] + [_alternative(intent, names) for intent, names in slots.items()]
    lines = [f"root ::= {' | '.join(rules)}"]
    spans = " | ".join(f"w{number}" for number in range(len(words)))
    lines.append(f"value ::= {_literal('null')} | {_literal(chr(34))} ({spans})")
    for number, (begin, end) in enumerate(words):
        following = ""
        if number + 1 < len(words):
            between = text[end : words[number + 1][0]]
            following = f" | {_literal(_escaped(between))} w{number + 1}"
        lines.append(f"w{number} ::= {_literal(_escaped(text[begin:end]))} ({_literal(chr(34))}{following})")
    longest = max(
        len(_answer(intent, dict.fromkeys(names, text)).encode()) for intent, names in ((NONE, ()), *slots.items())
    )
    return "\n".join(lines) + "\n", longest


def _alternative(intent: str, slots: Sequence[str]) -> str:
    """Return the part of the grammar for an intent: `_answer` with any values."""
    if not slots:
        return _literal(_answer(intent, {}))
    begin = f'{{"intent": {_quoted(intent)}, "slots": {{'
    parts = [_literal(begin)]
    for number, slot in enumerate(slots):
        parts += [_literal(f"{', ' if number else ''}{_quoted(slot)}: "), "value"]
    return " ".join([*parts, _literal("}}")])


def _answer(intent: str, values: Mapping[str, str | None]) -> str:
    record = {"intent": intent, **({"slots": values} if values else {})}
    return json.dumps(record, ensure_ascii=False)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> str:
    """Return text as it stands between the quotes of JSON."""
    return _quoted(text)[1:-1]


def _literal(text: str) -> str:
    """Return text of one line as a literal of GBNF."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _nearest(utterances: Sequence[Utterance], text: str) -> list[Utterance]:
    """Return examples for a text, the nearest last: of each intent the nearest, then others of all intents."""
    grams = _grams(text)

    def likeness(utterance: Utterance) -> float:
        other = _grams(utterance.text)
        return len(grams & other) / max(1, len(grams | other))

    ordered = sorted(utterances, key=likeness, reverse=True)
    first = {utterance.intent: utterance for utterance in reversed(ordered)}
    candidates = [*first.values(), *(utterance for utterance in ordered if utterance is not first[utterance.intent])]
    kept, left = [], _EXAMPLE_CHARACTERS
    for utterance in candidates[: max(len(first), _EXAMPLES)]:
        left -= 2 * len(utterance.text) + len(utterance.intent)
        if left >= 0:
            kept.append(utterance)
    return sorted(kept, key=likeness)


def _grams(text: str) -> set[str]:
    """Return the words and the threes of neighbouring characters of a text."""
    plain = normalised(text)
    return {*plain.split(), *(plain[begin : begin + 3] for begin in range(len(plain) - 2))}


def _turns(utterances: Sequence[Utterance], slots: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Yield examples as turns of a conversation."""
    for utterance in utterances:
        values: dict[str, str | None] = dict.fromkeys(slots.get(utterance.intent, ()))
        values |= {slot.name: slot.text for slot in reversed(utterance.slots) if slot.name in values}
        yield {"role": "user", "content": utterance.text}
        answer = _answer(NONE if utterance.intent == OUT_OF_SCOPE else utterance.intent, values)
        yield {"role": "assistant", "content": answer}


def _marked_slots(text: str, words: Sequence[tuple[int, int]], values: Mapping[str, str | None]) -> tuple[Slot, ...]:
    """Return the slots that were filled; the same words fill one slot, and the first place that has them counts."""
    slots: list[Slot] = []
    for name, value in values.items():
        begin = next((begin for begin, _ in words if value and text.startswith(value, begin)), -1)
        end = begin + len(value or "")
        if begin >= 0 and all(end <= slot.begin or slot.end <= begin for slot in slots):
            slots.append(Slot(name=name, begin=begin, end=end, text=text[begin:end], by="language model"))
    return tuple(slots)


def _log_chance(reply: ModelReply, name: str) -> float:
    """Return the logarithm of the probability of the tokens that hold a name, which stands once at the beginning."""
    begin = reply.text.encode().find(name.encode())
    end, at, total = begin + len(name.encode()), 0, 0.0
    for token, chance in reply.chances:
        if at < end and at + len(token) > begin:
            total += chance
        at += len(token)
    return min(0.0, total)
