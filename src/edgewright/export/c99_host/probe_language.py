"""A language model in generated C: what it hashes, its logits, intent and slots, utterance by utterance."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_host.probe import Files, compiled, driver, pointer

# Number of a slot's name, begin and end in bytes, who found it, and its value.
Found = tuple[int, int, int, int, str | float | None]


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
        text = driver("probe_language.c", name)
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
