"""Where in a recording each phone of a known prompt lies: the best path through its phones, found while one speaks.

A prompt is a chain of words with pauses that may be left out between them, and a word is one of its pronunciations.
A phone lasts at least `SHORTEST` steps, which are as many states. The best path (A. Viterbi, 1967) is extended with
every step; a word is finished as soon as the best path has stood behind it for `CERTAIN` steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.core.records.data import Floats
from phones import SILENCE

SHORTEST, CERTAIN = 2, 2
# Cost of leaving out a pause is nothing, of making one a little: noise between words is no pause.
_PAUSE = 1.0
_NEVER = np.float32(-1e30)


@dataclass(frozen=True)
class Segment:
    """A phone of the prompt in a recording.

    Attributes:
        word: number of its word.
        phone: its number.
        begin, end: steps; `end` is the first that is no longer its.
    """

    word: int
    phone: int
    begin: int
    end: int


class Prompt:
    """The states of a prompt.

    Args:
        words: pronunciations of each word, each a row of phones.

    Raises:
        InputError: no word, or a word without a pronunciation.

    Attributes:
        phone: of each state.
        word: of each state; -1 for a pause.
        position: number that the states of one phone share.
        before: states from which each may be reached, itself among them, shape (states, most); filled with itself.
        cost: of reaching it from there.
    """

    def __init__(self, words: Sequence[Sequence[Sequence[int]]]) -> None:
        if not words or not all(pronunciations and all(pronunciations) for pronunciations in words):
            raise InputError("words with pronunciations", "none", "a prompt")
        self.words = words
        self._phones: list[int] = []
        self._word: list[int] = []
        self._position: list[int] = []
        self._before: list[list[int]] = []
        pause = self._chain([SILENCE], -1, [])
        self.first = [0]
        ends = [pause]
        for number, pronunciations in enumerate(words):
            finished = []
            for phones in pronunciations:
                begin = len(self._phones)
                finished.append(self._chain(phones, number, ends))
                if number == 0:
                    self.first.append(begin)
            pause = self._chain([SILENCE], -1, finished)
            ends = [*finished, pause]
        self.last = ends
        self.phone, self.word, self.position = (np.array(part) for part in (self._phones, self._word, self._position))
        widest = max(map(len, self._before))
        self.before = np.array([[*b, *[b[0]] * (widest - len(b))] for b in self._before])
        entering = (self.phone[:, None] == SILENCE) & (self.word[self.before] >= 0)
        self.cost = np.where(entering, np.float32(_PAUSE), np.float32(0.0))

    def _chain(self, phones: Sequence[int], word: int, ends: Sequence[int]) -> int:
        """Append the states of phones after others; give the last."""
        before = list(ends)
        for phone in phones:
            index_of_phone = self._position[-1] + 1 if self._position else 0
            for index in range(1 if phone == SILENCE else SHORTEST):
                state = len(self._phones)
                self._phones.append(phone)
                self._word.append(word)
                self._position.append(index_of_phone)
                stays = index == (1 if phone == SILENCE else SHORTEST) - 1
                self._before.append([*([state] if stays else []), *before] or [state])
                before = [state]
        return before[0]


class Alignment:
    """The best path of a prompt, step by step.

    Args:
        prompt: that is spoken.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self._score = np.full(len(prompt.phone), _NEVER, np.float32)
        self._back: list[NDArray[np.int64]] = []
        self._rows = np.arange(len(prompt.phone))
        self.finished = 0
        self._behind = 0

    def push(self, steps: Floats) -> list[int]:
        """Take logarithms of how well each phone fits, shape (steps, phones + 1); give words that are finished now."""
        finished = []
        prompt = self.prompt
        for scores in np.asarray(steps, np.float32):
            fits = scores[prompt.phone]
            if not self._back:
                self._score[prompt.first] = fits[prompt.first]
                self._back.append(self._rows)
            else:
                every = self._score[prompt.before] - prompt.cost
                chosen = every.argmax(axis=1)
                self._back.append(prompt.before[self._rows, chosen])
                self._score = every[self._rows, chosen] + fits
            finished += self._now_finished()
        return finished

    def _now_finished(self) -> list[int]:
        """Return words behind which the best path has stood for some steps."""
        best = int(self._score.argmax())
        word = int(self.prompt.word[best])
        # A pause stands behind the word before it.
        passed = word if word >= 0 else self._word_before(best)
        if passed <= self.finished:
            self._behind = 0
            return []
        self._behind += 1
        if self._behind < CERTAIN:
            return []
        words = list(range(self.finished, passed))
        self.finished, self._behind = passed, 0
        return words

    def _word_before(self, pause: int) -> int:
        """Return the number of the first word that does not lie before a pause."""
        return int(self.prompt.word[:pause].max(initial=-1)) + 1

    def path(self, *, whole: bool = True) -> NDArray[np.int64]:
        """Return the state at each step, of the best path; of one that ends the prompt where it is `whole`."""
        if not self._back:
            return np.zeros(0, np.int64)
        ends = np.array(self.prompt.last)
        state = int(ends[self._score[ends].argmax()]) if whole else int(self._score.argmax())
        states = np.empty(len(self._back), np.int64)
        for step in range(len(self._back) - 1, -1, -1):
            states[step] = state
            state = int(self._back[step][state])
        return states

    def segments(self, *, whole: bool = True) -> list[Segment]:
        """Return the phones of the best path in order, pauses left out."""
        path = self.path(whole=whole)
        if not len(path):
            return []
        phone_index = self.prompt.position[path]
        cuts = [0, *(np.flatnonzero(np.diff(phone_index)) + 1).tolist(), len(phone_index)]
        every = [
            Segment(int(self.prompt.word[path[a]]), int(self.prompt.phone[path[a]]), a, b) for a, b in pairwise(cuts)
        ]
        return [segment for segment in every if segment.word >= 0]

    @property
    def fits(self) -> bool:
        """Whether the sound was long enough for the whole prompt."""
        return bool(self._score[self.prompt.last].max() > _NEVER / 2)


def align(scores: Floats, prompt: Prompt) -> list[Segment]:
    """Return the phones of a whole recording.

    Raises:
        InputError: it is shorter than the prompt.
    """
    alignment = Alignment(prompt)
    alignment.push(scores)
    if not alignment.fits:
        raise InputError("a recording as long as its prompt", f"{len(scores)} steps of 20 ms", "a recording")
    return alignment.segments()
