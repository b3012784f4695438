"""The slot tagger is trained by CRFsuite, and its weights are taken over as arrays of our own: the largest, in int8.

The learner is CRFsuite's (Okazaki, 2007) L-BFGS with L1 and L2 penalties; L1 leaves most weights at nothing.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import LanguageModelError, MissingExtraError, UtterancesError
from edgewright.nlp.records import OUT_OF_SCOPE, Slot, TaggerSpec, Utterance
from edgewright.nlp.utterance.student import attributes, keys
from edgewright.nlp.utterance.values import tokens


class SlotScore(msgspec.Struct, frozen=True):
    """Counts of slots, and the shares they make."""

    right: int
    predicted: int
    true: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where there is no slot."""
        return 2 * self.right / max(self.predicted + self.true, 1)


def score(pairs: Iterable[tuple[str, Sequence[Slot], Sequence[Slot]]]) -> SlotScore:
    """Count over (text, true slots, found slots).

    Ends are compared by tokens, so that a comma or space at the end of what somebody marked makes no difference.
    """
    right = predicted = true = 0
    for text, wanted, got in pairs:
        spans = tokens(text)
        first, second = _whole(wanted, spans), _whole(got, spans)
        right, predicted, true = right + len(first & second), predicted + len(second), true + len(first)
    return SlotScore(right, predicted, true)


def _whole(slots: Sequence[Slot], spans: list[tuple[int, int]]) -> set[tuple[str, int, int]]:
    spans_of_slots = set()
    for slot in slots:
        inside = [k for k, (begin, end) in enumerate(spans) if begin < slot.end and slot.begin < end]
        if inside:
            spans_of_slots.add((slot.name, inside[0], inside[-1]))
    return spans_of_slots


_BEGUN = re.compile(r"\*{5} Iteration #(\d+) \*{5}")
_LOSS = re.compile(r"Loss: ([\d.]+)")
# Between two lines; a training that is over before has none.
_SILENT_S = 10.0
# Iteration from which on the time left is said.
_STEADY = 10


class Iterations:
    """Hears CRFsuite's messages and tells of some iterations.

    Args:
        maximum: iterations at most; L-BFGS may end before.
        say: told.
        clock: seconds.
    """

    def __init__(self, maximum: int, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._maximum, self._say, self._clock = maximum, say, clock
        self._number, self._begun, self._reported = 0, clock(), clock()

    def hear(self, message: str) -> None:
        """Take one message."""
        if match := _BEGUN.search(message):
            self._number = int(match[1])
        elif self._number and (match := _LOSS.search(message)):
            self._ended(float(match[1]))

    def _ended(self, loss: float) -> None:
        """Tell of the first iteration of a long training, and of one every so many seconds."""
        now, number = self._clock(), self._number
        left = (now - self._begun) / number * (self._maximum - number)
        if now - self._reported < _SILENT_S and (number > 1 or left < _SILENT_S):
            return
        self._reported = now
        # The first iterations take longer than the others.
        soon = f", at most {left:.0f} s left" if number >= _STEADY or number == self._maximum else ""
        self._say(f"  slots: iteration {number} of {self._maximum}, loss {loss:,.0f}{soon}")


Arrays = dict[str, NDArray[Any]]
# The score of a path is lowered by this where a slot begins right behind another of its name and no utterance has that.
_FORBIDDEN = -1e4
_BYTES_A_KEY, _BYTES_A_WEIGHT = 5, 2
_STEPS = 127
# Penalties.
_L1, _L2 = 0.1, 0.02


class Slotting(msgspec.Struct, frozen=True):
    """How the tagger is trained.

    Attributes:
        size: bytes that its arrays may take.
        iterations: of L-BFGS at most.
    """

    size: int = 1_600_000
    iterations: int = 80


def train_tagger(
    utterances: Sequence[Utterance], how: Slotting, say: Callable[[str], None] | None = None
) -> tuple[TaggerSpec, Arrays]:
    """Return a tagger from utterances with slots; those without any are examples of O.

    Args:
        utterances: with their slots and intents.
        how: size, penalties and iterations.
        say: told every ten seconds how far it is.

    Raises:
        InputError: no slot in any of them, more than 127 names, or a name that cannot be one.
        MissingExtraError: python-crfsuite is not installed.
    """
    try:
        import pycrfsuite  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        raise MissingExtraError("language", "python-crfsuite, which trains slots,") from None
    names = {slot.name for utterance in utterances for slot in utterance.slots}
    if not names or len(names) > 127:
        raise UtterancesError("1 to 127 names of slots", str(len(names)), do="Mark slots as [words](name)")

    class Trainer(pycrfsuite.Trainer):  # type: ignore[misc] # untyped
        """CRFsuite's, which tells of its iterations line by line."""

        def message(self, message: str) -> None:
            if reported is not None:
                reported.hear(message)

    reported = None if say is None else Iterations(how.iterations, say)
    trainer = Trainer("lbfgs", verbose=False)
    trainer.set_params({"c1": _L1, "c2": _L2, "max_iterations": how.iterations})
    neighbours: set[tuple[str, str]] = set()
    for utterance in utterances:
        spans = tokens(utterance.text)
        if spans and utterance.intent != OUT_OF_SCOPE:
            labels = labels_of(utterance.slots, spans)
            trainer.append(attributes(utterance.text, spans, utterance.intent), labels)
            neighbours.update(pairwise(labels))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "tagger.crf")
        trainer.train(path)
        tagger = pycrfsuite.Tagger()
        tagger.open(path)
        info = tagger.info()
        tagger.close()
    moves = {**dict.fromkeys(_unseen(names, neighbours), _FORBIDDEN), **info.transitions}
    return _arrays(list(info.labels), info.state_features, moves, how.size)


def _unseen(names: set[str], neighbours: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return labels that would make two slots of one name out of adjacent tokens, where no utterance does so.

    A few dozen utterances say too little about such pairs: of "a cold coffee" the tagger would make two drinks.
    """
    pairs = [(f"{mark}-{name}", f"B-{name}") for name in sorted(names) for mark in "BI"]
    return [pair for pair in pairs if pair not in neighbours]


def labels_of(slots: Sequence[Slot], spans: list[tuple[int, int]]) -> list[str]:
    """B-name, I-name or O of every token; a token that a slot touches belongs to it."""
    labels = ["O"] * len(spans)
    for slot in slots:
        inside = "B-"
        for number, (begin, end) in enumerate(spans):
            if begin < slot.end and slot.begin < end:
                labels[number] = f"{inside}{slot.name}"
                inside = "I-"
    return labels


def _arrays(
    labels: list[str], states: dict[tuple[str, str], float], moves: dict[tuple[str, str], float], size: int
) -> tuple[TaggerSpec, Arrays]:
    # O first: what is told where nothing is known.
    order = sorted(labels, key=lambda label: (label != "O", label))
    order = order if "O" in order else ["O", *order]
    number = {label: k for k, label in enumerate(order)}
    table = np.zeros((len(order), len(order)), np.float32)
    for (before, after), weight in moves.items():
        if before in number and after in number:
            table[number[before], number[after]] = weight
    kept = _kept(states, size - table.nbytes)
    largest = max((abs(weight) for *_, weight in kept), default=1.0)
    step = largest / _STEPS
    rows = sorted((key, number[label], round(weight / step)) for key, label, weight in kept)
    rows = [row for row in rows if row[2]]
    unique_keys, counts = np.unique(np.array([key for key, *_ in rows], np.uint32), return_counts=True)
    if len(counts) and counts.max() > 255:
        raise LanguageModelError("at most 255 labels an attribute", str(counts.max()))
    arrays: Arrays = {
        "keys": unique_keys, "counts": counts.astype(np.uint8),
        "labels": np.array([label for _, label, _ in rows], np.uint8),
        "weights": np.array([weight for *_, weight in rows], np.int8), "moves": table,
    }  # fmt: skip
    return TaggerSpec(labels=tuple(order), scale=float(step)), arrays


def _kept(states: dict[tuple[str, str], float], room: int) -> list[tuple[int, str, float]]:
    """Return the largest weights that fit, by the CRC-32 of their attribute; equal CRCs share their sum."""
    names = sorted({name for name, _ in states})
    hashed = dict(zip(names, keys([names]).tolist(), strict=True)) if names else {}
    summed: dict[tuple[int, str], float] = {}
    for (name, label), weight in states.items():
        location = (hashed[name], label)
        summed[location] = summed.get(location, 0.0) + weight
    chosen: list[tuple[int, str, float]] = []
    seen: set[int] = set()
    for (key, label), weight in sorted(summed.items(), key=lambda item: (-abs(item[1]), item[0])):
        room -= _BYTES_A_WEIGHT + (0 if key in seen else _BYTES_A_KEY)
        if room < 0:
            break
        seen.add(key)
        chosen.append((key, label, weight))
    return chosen
