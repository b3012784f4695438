"""A language model in generated C: what it hashes, its logits, intent and slots, utterance by utterance."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_probe import Files, compiled, filled, pointer

# Number of a slot's name, begin and end in bytes, who found it, and its value.
Found = tuple[int, int, int, int, str | float | None]
_LANGUAGE = """\
#include "$.h"
#include <string.h>
extern uint32_t $_grams[2];
typedef struct {
    double numbers[6];
    const char *said;
} probe_slot;
int probe_language(const char *text, size_t bytes, int32_t today, double *told, int32_t *logits, probe_slot *found) {
    static $_context context;
    static $_slot slots[$$_MOST_SLOTS];
    $_answer answer;
    int32_t count = 0;
    $_grams[0] = $_grams[1] = 0u;
    told[0] = (double)$_parse(&context, text, bytes, &answer);
    if (told[0] != 0.0) {
        return 0;
    }
    told[1] = (double)answer.intent;
    told[2] = (double)answer.nearest;
    told[3] = (double)answer.confidence;
    told[4] = (double)$_grams[0];
    told[5] = (double)$_grams[1];
    memcpy(logits, $_logits(&context), sizeof(int32_t) * $$_INTENTS);
    if (answer.intent >= 0) {
        count = $_find_slots(&context, text, bytes, answer.intent, today, slots);
    }
    for (int32_t i = 0; i < count; ++i) {
        const double numbers[6] = {slots[i].name, slots[i].begin, slots[i].end, slots[i].by, slots[i].kind,
                                   slots[i].number};
        memcpy(found[i].numbers, numbers, sizeof numbers);
        found[i].said = slots[i].entry ? slots[i].entry : slots[i].kind == $$_WORD ? slots[i].word : 0;
    }
    return (int)count;
}
"""


@dataclass(frozen=True)
class Understood:
    """What a language model in C says of an utterance.

    Attributes:
        status: 0, or why it is none.
        intent: number, -1 out of scope; `nearest` whether in scope or not.
        confidence: of the nearest.
        grams: how many hashed n-grams there are, and the sum of their rows modulo 2^32.
        logits: shape (intents,).
        slots: number of its name, begin and end in bytes, who found it, and its value.
    """

    status: int
    intent: int
    nearest: int
    confidence: float
    grams: tuple[int, int]
    logits: NDArray[np.int32]
    slots: tuple[Found, ...]


class CLanguage:
    """A compiled language model.

    Args:
        files: as `write_language_c99` gives them.
        name: prefix of their names.
        intents: how many it knows.
        most: slots of an utterance.
        compiler: its command.

    Raises:
        InputError: the compiler refuses the code.
    """

    def __init__(self, files: Files, name: str, intents: int, maximum: int, compiler: str) -> None:
        text = filled(_LANGUAGE, {"$$": name.upper(), "$": name})
        with compiled({**files, "probe.c": text}, compiler, [f"-D{name.upper()}_TAPS"]) as path:
            self._run = ctypes.CDLL(str(path)).probe_language
        self._intents, self._slots = intents, (_Slot * maximum)()

    def parse(self, text: str, today: int) -> Understood:
        """Return what it says of an utterance; `today` counts days since 1970-01-01."""
        data, values, logits = text.encode(), np.zeros(6), np.zeros(self._intents, np.int32)
        count = self._run(
            data, ctypes.c_size_t(len(data)), ctypes.c_int32(today), pointer(values), pointer(logits), self._slots
        )
        slots = tuple(_found(slot) for slot in self._slots[: max(0, count)])
        status, intent, nearest, confidence, *grams = values.tolist()
        return Understood(
            int(status), int(intent), int(nearest), confidence, (int(grams[0]), int(grams[1])), logits, slots
        )  # fmt: skip


class _Slot(ctypes.Structure):
    _fields_ = (("numbers", ctypes.c_double * 6), ("said", ctypes.c_char_p))


def _found(slot: _Slot) -> Found:
    name, begin, end, by, kind, number = slot.numbers
    # 1 is a number, by the header.
    value = slot.said.decode() if slot.said is not None else number if kind == 1 else None
    return int(name), int(begin), int(end), int(by), value
