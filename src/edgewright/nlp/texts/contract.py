"""What every model of text offers."""

from __future__ import annotations

from typing import Any, Protocol

from edgewright.nlp.texts.alphabet import Codes, Floats


class TextModel(Protocol):
    """A model that tells what follows a text; a state is a value and never changes.

    Attributes:
        kind: 'ngram' or 'gru'.
        parameters: numbers that were fitted.
        bytes: of its arrays on a device.
    """

    kind: str
    parameters: int
    bytes: int

    def start(self) -> Any:  # noqa: ANN401 - a state of the model
        """Return the state before any text."""
        ...

    def step(self, state: Any, symbol: int) -> Any:  # noqa: ANN401 - a state of the model
        """Return the state after one more symbol."""
        ...

    def probabilities(self, state: Any) -> Floats:  # noqa: ANN401 - a state of the model
        """Return the probability of every symbol that may follow, shape (96,), sum 1."""
        ...

    def bits(self, codes: Codes) -> float:
        """Return the mean bits that a symbol of a text takes, its bits per byte.

        Args:
            codes: symbols, shape (n,), n of at least 1.
        """
        ...
