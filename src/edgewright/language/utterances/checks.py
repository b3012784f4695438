"""What makes utterances unfit to learn from: said with their places, before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edgewright.nlp.utterance.normalise import checked, normalised
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Utterance

# Two for the fit and one to judge it by is the least that says anything.
FEWEST = 3


def check(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the intents, sorted.

    Raises:
        InputError: an utterance that cannot be one, one intent only, an intent with fewer than `FEWEST` different
            examples, or the same sentence under two intents; with the first place of each and how many there are.
    """
    for utterance in utterances:
        checked(utterance.text, utterance.where or "an utterance")
    _contradictions(utterances)
    kinds = Counter(intent for _, intent in {(normalised(u.text), u.intent) for u in utterances})
    outside = kinds.pop(OUT_OF_SCOPE, 0)
    if len(kinds) < 2:
        got = ", ".join(kinds) or ("none" if not outside else "only utterances out of scope")
        raise InputError("at least two intents", got, do="Add utterances of another intent")
    few = sorted(name for name, count in kinds.items() if count < FEWEST)
    if few:
        raise InputError(
            f"at least {FEWEST} different utterances an intent",
            f"{kinds[few[0]]} of {few[0]!r}" + (f", and {len(few) - 1} more such intents" if few[1:] else ""),
            do="Add examples; about ten per intent plus unlabelled texts (--unlabelled) are often enough",
        )
    return tuple(sorted(kinds))


def check_validation(utterances: Sequence[Utterance], validation: Sequence[Utterance]) -> list[str]:
    """Return what is odd about utterances set apart to judge by; nothing where there are none.

    Raises:
        InputError: one that cannot be one, an intent that the training lacks, none that says anything (all of them
            synthetic or out of scope), or a sentence that the training has under another intent.
    """
    if not validation:
        return []
    for utterance in validation:
        checked(utterance.text, utterance.where or "an utterance of the validation")
    known = {utterance.intent for utterance in utterances} | {OUT_OF_SCOPE}
    strange = next((utterance for utterance in validation if utterance.intent not in known), None)
    if strange is not None:
        raise InputError("intents of the training", repr(strange.intent), strange.where or "the validation",
                         "Remove it, or add training examples of it")  # fmt: skip
    if all(utterance.intent == OUT_OF_SCOPE or utterance.synthetic for utterance in validation):
        raise InputError("real utterances in scope for validation", "none", "the validation")
    _contradictions((*utterances, *validation))
    learnt = {normalised(utterance.text) for utterance in utterances}
    both = sum(normalised(utterance.text) in learnt for utterance in validation)
    lacking = sorted(known - {utterance.intent for utterance in validation} - {OUT_OF_SCOPE})
    notes = [f"{both:,} of {len(validation):,} validation utterances are also in the training"] if both else []
    if lacking:
        more = f" and {len(lacking) - 5} more" * bool(lacking[5:])
        notes.append(f"no validation utterances for {', '.join(lacking[:5])}{more}")
    return notes


def findings(utterances: Sequence[Utterance]) -> list[str]:
    """Return warnings: repeated sentences, intents of very different sizes, no out of scope."""
    notes = []
    texts = Counter(normalised(u.text) for u in utterances)
    repeated = sum(count - 1 for count in texts.values())
    if repeated:
        notes.append(f"{repeated:,} of {len(utterances):,} utterances are repeated")
    sizes = Counter(u.intent for u in utterances)
    outside = sizes.pop(OUT_OF_SCOPE, 0)
    if sizes and max(sizes.values()) > 10 * min(sizes.values()):
        smallest, largest = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
        notes.append(f"{largest} has {sizes[largest]:,} utterances and {smallest} {sizes[smallest]:,}")
    if not outside:
        notes.append("no utterance is marked out of scope; sentences of your users that no intent answers help")
    return notes


def _contradictions(utterances: Sequence[Utterance]) -> None:
    seen: dict[str, Utterance] = {}
    odd: list[tuple[Utterance, Utterance]] = []
    for utterance in utterances:
        first = seen.setdefault(normalised(utterance.text), utterance)
        if first.intent != utterance.intent:
            odd.append((first, utterance))
    if odd:
        first, utterance = odd[0]
        more = f"; {len(odd) - 1} more such sentences" if odd[1:] else ""
        raise InputError(
            "one intent per sentence", f"{utterance.text[:60]!r} as {first.intent!r} and as {utterance.intent!r}{more}",
            f"{first.where} and {utterance.where}".strip(), "Keep one, or drop all with --contradictions drop",
        )  # fmt: skip


def without_contradictions(utterances: Sequence[Utterance]) -> tuple[tuple[Utterance, ...], int]:
    """Return the utterances whose sentence has one intent only, and how many were left out."""
    intents: dict[str, set[str]] = {}
    for utterance in utterances:
        intents.setdefault(normalised(utterance.text), set()).add(utterance.intent)
    kept = tuple(u for u in utterances if len(intents[normalised(u.text)]) == 1)
    return kept, len(utterances) - len(kept)
