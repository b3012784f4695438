"""The self-test of encoders of text."""

from __future__ import annotations

import numpy as np

from edgewright.language.own_models import Figures
from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.errors import InputError

# A sentence and the same in other words.
_PAIRS = (
    ("The battery is empty.", "There is no charge left in the cell."),
    ("Turn on the light, please.", "Could you switch on the lamp?"),
    ("The door does not close.", "The gate stays open."),
    ("It is raining outside.", "The weather is wet today."),
    ("Somebody is playing the piano.", "A musician plays a keyboard instrument."),
    ("The engine is too hot.", "The motor overheats."),
    ("How much does it cost?", "What is the price?"),
    ("A dog runs over the meadow.", "An animal is running across the grass."),
)
# By which vectors may differ that were computed with other texts beside.
_TOLERANCE = 0.02


def test_text(encoder: Encodes, where: str) -> Figures:
    """Encode sentences together, alone and again, and count paraphrases that lie nearest to their sentence.

    Raises:
        InputError: vectors that are not finite, depend on other texts beside, or are the same for all.
    """
    sentences, others = zip(*_PAIRS, strict=True)
    together = encoder.encode([*sentences, *others])
    if not np.isfinite(together).all():
        raise InputError("finite vectors", "some that are not", where)
    alone = np.concatenate([encoder.encode([text]) for text in (*sentences, *others)])
    difference = float(np.abs(alone - together).max())
    if difference > _TOLERANCE:
        raise InputError("the same vector of a text, whatever is encoded with it", f"{difference:.3f} off", where,
                         "Export it with an attention_mask")  # fmt: skip
    cosines = together[: len(_PAIRS)] @ together[len(_PAIRS) :].T
    if float(np.ptp(cosines)) < 1e-6:
        raise InputError("vectors that differ between texts", "the same for all", where,
                         "Check that the tokenizer.json belongs to the model")  # fmt: skip
    nearest = int((cosines.argmax(axis=1) == np.arange(len(_PAIRS))).sum())
    return {"dimensions": encoder.dimensions, "english_paraphrases_nearest": f"{nearest} of {len(_PAIRS)}"}
