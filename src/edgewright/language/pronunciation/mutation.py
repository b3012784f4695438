"""Mistakes through the dictionary: a prompt in which a phone is another one, so that what was read is wrong for it.

A recording whose prompt asks for L where the speaker said R is a recording of a learner who says R for L.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.language.pronunciation.phones import PHONES, Lexicon

Words = tuple[tuple[tuple[int, ...], ...], ...]
_SHARE = 0.2


@dataclass(frozen=True)
class ChangedPrompt:
    """A changed prompt.

    Attributes:
        said: pronunciations of each word; a changed word has one.
        changed: word and place in it of each changed phone.
        truth: the phone that was there, for each of them.
    """

    said: Words
    changed: frozenset[tuple[int, int]]
    truth: Mapping[tuple[int, int], int]


def changed_prompt(said: Words, others: Mapping[int, Sequence[int]] | None, rng: np.random.Generator) -> ChangedPrompt:
    """Change a phone in a fifth of the words, at least in one.

    Args:
        said: pronunciations of each word.
        others: phones that may take the place of each; every other one where None.
        rng: draws.
    """
    count = max(1, round(_SHARE * len(said)))
    words = sorted(rng.permutation(len(said))[:count].tolist())
    made, truth, every = list(said), {}, range(len(PHONES))
    for word in words:
        own = said[word][int(rng.integers(len(said[word])))]
        choices = [[p for p in (every if others is None else others[phone]) if p != phone] for phone in own]
        places = [place for place, choice in enumerate(choices) if choice]
        if not places:
            continue
        place = places[int(rng.integers(len(places)))]
        phone, choice = own[place], choices[place]
        new = (*own[:place], choice[int(rng.integers(len(choice)))], *own[place + 1 :])
        if new in said[word]:
            continue
        made[word], truth[word, place] = (new,), phone
    return ChangedPrompt(tuple(made), frozenset(truth), truth)


def other_word(said: Words, lexicon: Lexicon, rng: np.random.Generator) -> tuple[Words, int]:
    """Put another word of about the same length in place of one.

    Returns:
        The changed prompt, and the number of the changed word.
    """
    word = int(rng.integers(len(said)))
    length = len(said[word][0])
    others = [own for own in lexicon.values() if abs(len(own[0]) - length) <= 1 and not set(own) & set(said[word])]
    if not others:
        return said, -1
    return (*said[:word], others[int(rng.integers(len(others)))], *said[word + 1 :]), word
