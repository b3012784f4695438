"""Slots as C99: tagger, gazetteers and rules joined as `nlp/utterance/parse` joins them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries
from edgewright.export.c99_language.gazetteer import gazetteers, key_room, text
from edgewright.export.c99_language.letters import letters
from edgewright.export.c99_language.rules import rules
from edgewright.export.c99_language.tagger import tagger, tagger_flash, tagger_ram
from edgewright.nlp.utterance.gazetteer import Gazetteers
from edgewright.nlp.utterance.normalise import LONGEST
from edgewright.nlp.utterance.parse import MOST_SLOTS
from edgewright.nlp.utterance.tagger import MOST_TOKENS
from edgewright.nlp.utterance.values import NAMES
from edgewright.schema.language import LanguageSpec

C = parts(__file__, "slots.c")


class Slots:
    """The parts of a model that find slots, as text.

    Args:
        spec, arrays: as `read_language` gives them.
    """

    def __init__(self, spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> None:
        self._spec, self._lists = spec, Gazetteers(spec.gazetteers)
        begin = "tagger_"
        self._arrays = {key[len(begin) :]: array for key, array in arrays.items() if key.startswith(begin)}
        labels = spec.tagger.labels if spec.tagger else ()
        tagged = {label[2:] for label in labels if label[2:]}
        self.names = sorted(tagged | {slot for slot, _ in self._lists.entries.values()} | set(NAMES))
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def header(self) -> str:
        """Return what NAME.h says of slots."""
        sizes = {"slots": len(self.names), "most": MOST_SLOTS}
        return "\n" + filled(parts(__file__, "slots.h")["header"], **sizes)

    def fields(self) -> list[str]:
        """Return what they keep during a call: members of the context."""
        made = ["uint32_t length"]
        tail = ["uint8_t marks[@@_LONGEST]"]
        if self._spec.tagger:
            labels = len(self._spec.tagger.labels)
            made += [f"int32_t {name}[{labels}]" for name in ("row_scores", "best", "ahead")]
            made += ["int32_t tokens", f"uint16_t begins[{MOST_TOKENS}]", f"uint16_t ends[{MOST_TOKENS}]"]
            tail += [f"uint8_t path[{MOST_TOKENS}]", f"uint8_t back[{MOST_TOKENS}][{labels}]"]
        if self._lists.entries:
            tail.append(f"unsigned char key[{key_room(self._lists)}]")
        return [*made, *tail]

    def blocks(self) -> list[str]:
        """Return blocks of C after those of `hashing`."""
        spec, marks, has_lists = self._spec, "", bool(self._lists.entries)
        tagged = spec.tagger is not None
        made = [self._state(), *letters(tokens=tagged or has_lists, small=tagged), rules()]
        if has_lists:
            made.append(gazetteers(self._lists, self._numbers))
        made.append(filled(C["mark"], rules=len(NAMES)))
        if spec.tagger:
            made += [self._tokens(), tagger(spec.tagger, self._arrays)]
            lists = C["fill_lists"] if has_lists else ""
            made.append(filled(C["mark_tags"], tokens=MOST_TOKENS, fill_lists=lists))
            marks += "    @_mark_tags(context, intent);\n"
        if has_lists:
            made.append(C["mark_lists"])
            marks += "    @_mark_lists(context);\n"
        find = {"tag": C["tag"] if spec.tagger else "", "list": C["list"] if has_lists else "", "marks": marks}
        return [*made, filled(C["find"], **find)]

    def flash(self) -> int:
        """Return bytes of the tagger's tables."""
        return tagger_flash(self._spec.tagger, self._arrays) if self._spec.tagger else 0

    def ram(self) -> int:
        """Return bytes of memory."""
        made = LONGEST + 4
        if self._lists.entries:
            made += key_room(self._lists)
        return made + (tagger_ram(self._spec.tagger) + 5 * MOST_TOKENS + 4 if self._spec.tagger else 0)

    def _state(self) -> str:
        return filled(
            C["state"],
            names=",\n".join(f"    {text(name)}" for name in self.names), rules=len(NAMES),
            rule_names=", ".join(str(self._numbers[name]) for name in NAMES),
        )  # fmt: skip

    def _tokens(self) -> str:
        labels = self._spec.tagger.labels if self._spec.tagger else ()
        names = np.array([self._numbers[label[2:]] + 1 if label[2:] else 0 for label in labels], np.uint8)
        goes_on = np.array([label.startswith("I-") for label in labels], np.uint8)
        return filled(
            C["tokens"],
            tokens=MOST_TOKENS, labels=len(labels), label_names=entries(names), goes_on=entries(goes_on),
        )  # fmt: skip
