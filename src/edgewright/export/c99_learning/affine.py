"""NAME_adapt.h and NAME_adapt.c: a board learns how its sensor is worn, byte by byte as `core.adaptation.affine`."""

from __future__ import annotations

import numpy as np

from edgewright.core.adaptation.affine import (
    ARRAYS,
    DISTANCE_BITS,
    EPSILON,
    FEWEST,
    LOG_BITS,
    MEAN_BITS,
    MOST,
    MOST_COUNTED,
    PARITIES,
    PERMUTATIONS,
    WAYS,
    AffineFactory,
    axes_of,
)
from edgewright.core.adaptation.slots import state_bytes
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, identifier
from edgewright.export.c99_learning.flash import DECLARED, DEFINED

_ODD = f"    const int odd = state->way >= {WAYS} || state->used > 1;\n"
HEADER = guarded("@@_ADAPT_H", "<stdint.h>", parts(__file__, "affine.h")["header"])


def write_affine_c99(factory: AffineFactory, *, name: str) -> dict[str, str]:
    """Write the C of a sensor's axes.

    Args:
        factory: of the package.
        name: prefix of all names.

    Returns:
        Text by file name.
    """
    spec, axes = factory.spec, axes_of(factory.spec)
    words: dict[str, object] = {
        "classes": spec.classes, "channels": len(axes), "samples": spec.samples, "gain": spec.gain, "limit": spec.limit,
        "length": len(state_bytes(factory.fresh())), "identity": factory.identity, "axes": ", ".join(map(str, axes)),
        "orders": ", ".join(f"{{{', '.join(map(str, one))}}}" for one in PERMUTATIONS),
        "parities": ", ".join(map(str, PARITIES)), "most": MOST, "sixteen": 1 << MEAN_BITS, "log_one": 1 << LOG_BITS,
        "right": 20 - DISTANCE_BITS, "epsilon": EPSILON << MEAN_BITS, "ways": WAYS, "fewest": FEWEST,
        "counted": MOST_COUNTED, "acceleration": f"{2.0 ** spec.bits[0]!r}f", "rotation": f"{2.0 ** spec.bits[1]!r}f",
        "tables": "".join(
            f"static const int32_t @_adapt_{array}[{len(axes) * spec.classes}] = {{\n"
            f"{entries(np.asarray(getattr(factory, array)))}\n}};\n"
            for array in ARRAYS
        ),
    }  # fmt: skip
    words |= {"flash": DECLARED, "kept": filled(DEFINED.replace("$odd", _ODD), **words)}
    word = identifier(name)
    source = parts(__file__, "affine.c")["source"]
    texts = {f"{word}_adapt.h": HEADER, f"{word}_adapt.c": source}
    return {file: filled(text, **words).replace("@@", word.upper()).replace("@", word) for file, text in texts.items()}
