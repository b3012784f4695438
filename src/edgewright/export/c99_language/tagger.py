"""The slot tagger of `nlp/utterance/tagger` as C99: hashed attributes, integer scores, the Viterbi algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, smallest
from edgewright.nlp.utterance.tagger import FRACTION, MOST_TOKENS, integer_moves
from edgewright.schema.errors import InputError
from edgewright.schema.language import TaggerSpec

# Attributes between two places that are written down; between them counts are added up.
EVERY = 16


def tagger(spec: TaggerSpec, arrays: dict[str, NDArray[Any]]) -> str:
    """Return a block of C; the functions of `letters` are expected before them.

    Args:
        spec: labels and scale.
        arrays: of the tagger, without `tagger_` before their names.

    Raises:
        InputError: a tagger without a weight.
    """
    names = arrays["keys"]
    if not len(names):
        raise InputError("a slot tagger with weights", "none", "c99", "Train it with more marked utterances")
    places = _places(arrays)
    moves = smallest(integer_moves(spec, arrays["moves"]))
    numbers = {
        "keys": len(names), "key_table": _indented(names.astype(np.int64)),
        "count_table": entries(arrays["counts"]), "every": EVERY, "places": len(places),
        "place_type": f"{places.dtype}_t", "place_table": entries(places), "weights": len(arrays["weights"]),
        "label_table": entries(arrays["labels"]), "weight_table": entries(arrays["weights"]),
        "labels": len(spec.labels), "tokens": MOST_TOKENS, "step": 1 << FRACTION, "move_type": f"{moves.dtype}_t",
        "move_table": ",\n".join(f"    {{\n{entries(row)}\n    }}" for row in moves),
    }  # fmt: skip
    return filled(parts(__file__, "tagger.c")["tagger"], **numbers)


def tagger_flash(spec: TaggerSpec, arrays: dict[str, NDArray[Any]]) -> int:
    """Return bytes of its tables in C."""
    counts = arrays["counts"]
    places = _places(arrays)
    moves = smallest(integer_moves(spec, arrays["moves"]))
    return int(arrays["keys"].nbytes + counts.nbytes + 2 * arrays["weights"].nbytes + places.nbytes + moves.nbytes)


def tagger_ram(spec: TaggerSpec) -> int:
    """Return bytes of its memory."""
    labels = len(spec.labels)
    return 12 * labels + MOST_TOKENS * labels


def _places(arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Where the weights of every so manyth attribute begin."""
    starts = np.concatenate([[0], np.cumsum(arrays["counts"], dtype=np.int64)])
    return starts[:-1:EVERY].astype(np.uint16 if starts[-1] < 1 << 16 else np.uint32)


def _indented(array: NDArray[Any]) -> str:
    cells = [f"0x{value:X}u" for value in array.tolist()]
    rows = [", ".join(cells[k : k + 8]) for k in range(0, len(cells), 8)]
    return ",\n".join(" " * 4 + row for row in rows)
