"""A model of text in generated C: chances and completions after a text, as a model that Python can ask."""

from __future__ import annotations

import ctypes

import numpy as np

from edgewright.export.c99_host.probe import Files, compiled, driver, pointer
from edgewright.nlp.texts.alphabet import SYMBOLS, Codes, Floats, decode

_ROOM = 64


class CText:
    """A compiled model of text; its state is the text so far.

    Args:
        files: as `text_files` gives them.
        name: prefix of their names.
        compiler: its command.

    Raises:
        InputError: the compiler refuses the code.
    """

    kind = "c99"
    parameters = bytes = 0

    def __init__(self, files: Files, name: str, compiler: str) -> None:
        probe = driver("probe_text.c", name, room=_ROOM)
        with compiled({**files, "probe.c": probe}, compiler, []) as path:
            self._run = ctypes.CDLL(str(path)).probe_text

    def start(self) -> str:
        """Return the empty text."""
        return ""

    def step(self, state: str, symbol: int) -> str:
        """Return the text with one more symbol."""
        return state + decode(symbol)

    def probabilities(self, state: str) -> Floats:
        """Return the chances of every symbol, shape (96,)."""
        return self._asked(state, 0)[0]

    def completion(self, text: str, rank: int) -> str:
        """Return the rest of the word that C suggests at a rank."""
        return self._asked(text, rank)[1]

    def bits(self, codes: Codes) -> float:
        """Return the mean bits of a text."""
        text = "".join(map(decode, codes.tolist()))
        found = [self.probabilities(text[:place])[code] for place, code in enumerate(codes.tolist())]
        return float(-np.log2(found).mean())

    def _asked(self, text: str, rank: int) -> tuple[Floats, str]:
        chances, word = np.zeros(SYMBOLS, np.float32), ctypes.create_string_buffer(_ROOM)
        data = text.encode("ascii")
        self._run(data, len(data), pointer(chances), rank, word)
        return chances.astype(np.float64), word.value.decode()
