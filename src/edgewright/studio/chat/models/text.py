"""A model of text: continues what the last message begins, character by character."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgewright.nlp.texts.contract import decode, encode
from edgewright.nlp.texts.model_file import SPEC, read_text_model
from edgewright.nlp.texts.suggest import suggest
from edgewright.studio.chat.models import Message, Reply, Sampling, ServedKind

_BEFORE = 1000


class ServedText:
    """Continues a text; a piece is a character.

    Args:
        path: path of the model.
        other: none.
    """

    completes = True

    def __init__(self, path: Path, other: Path | None) -> None:
        del other
        spec, self._model = read_text_model(path)
        self.title = f"continues a text ({spec.kind}, {self._model.bytes:,} bytes)"

    def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Continue the last message; suggestions of the next word are in the details."""
        text = messages[-1].text
        words = [{"word": word.word, "probability": word.chance} for word in suggest(self._model, text)]
        return Reply(self._pieces(text, sampling), {"suggestions": words})

    def _pieces(self, text: str, sampling: Sampling) -> Iterator[str]:
        rng = np.random.default_rng(sampling.seed)
        state = self._model.start()
        for symbol in encode(text)[-_BEFORE:]:
            state = self._model.step(state, int(symbol))
        while True:
            chances = self._model.probabilities(state)
            if sampling.temperature:
                logs = np.log(np.maximum(chances, 1e-30)) / sampling.temperature
                powers = np.exp(logs - logs.max())
                symbol = int(rng.choice(len(powers), p=powers / powers.sum()))
            else:
                symbol = int(chances.argmax())
            yield decode(symbol)
            state = self._model.step(state, symbol)

    def close(self) -> None:
        """Everything is in memory."""


KIND = ServedKind("a model of text", SPEC, "", ServedText)
