"""NAME_adapt.h and NAME_adapt.c: the last layer or the axes that a board learns, as `core.adaptation`, byte by byte.

Two slots of flash hold what it learns: a power cut during a write leaves the state before.
"""

from __future__ import annotations

import numpy as np

from edgewright.core.adaptation.affine import (
    ARRAYS,
    DISTANCE_BITS,
    EPSILON,
    FEWEST,
    LIMIT,
    LOG_BITS,
    MOST_COUNTED,
    PARITIES,
    PERMUTATIONS,
    WAYS,
    AffineFactory,
    axes_of,
    slot_bytes,
    state_bytes,
)
from edgewright.core.adaptation.affine import (
    MEAN_BITS as AXES_MEAN_BITS,
)
from edgewright.core.adaptation.learner import FEWEST_COMPARED, LEADS, MEAN_BITS, Factory
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, identifier

DECLARED = parts(__file__, "adapt_flash.h")["declared"]
"""What NAME_adapt.h says of them."""
DEFINED = parts(__file__, "adapt_flash.c")["defined"]
"""Functions; `$identity` is the checksum of the factory's numbers, `$odd` refuses impossible states."""
_REPLAYED = '#include "learning_adapt.h"\n#include "learning_replay.h"\n#include <string.h>\n\n'
REPLAY_LAYER = _REPLAYED + parts(__file__, "replay_layer.c")["layer"]
"""`$count` examples through a layer that learns, for a proof; REPLAY_WINDOWS is the same of `$size` values and axes."""
REPLAY_WINDOWS = _REPLAYED + parts(__file__, "replay_windows.c")["windows"]


C = parts(__file__, "adapt.c")
LAYER_HEADER = guarded("@@_ADAPT_H", "<stdint.h>", parts(__file__, "adapt.h")["header"])


def write_adapt_c99(factory: Factory, *, name: str) -> dict[str, str]:
    """Write the C of a layer that learns.

    Args:
        factory: of the package.
        name: prefix of all names.

    Returns:
        Text by file name.
    """
    spec, prototypes = factory.spec, factory.spec.layer == "prototypes"
    limits = LEADS[spec.layer]
    arrays = ("prototypes", "center", "precision") if prototypes else ()
    words = {
        **{key: str(getattr(spec, key)) for key in spec.__struct_fields__ if key != "layer"},
        "length": str(slot_bytes(spec) - 20), "identity": str(factory.identity), "vectors": str(len(factory.vectors)),
        "sums": f"    int32_t sums[{spec.classes * spec.width}];\n" if prototypes else "",
        "weights": entries(factory.weights), "bias": entries(factory.bias), "powers": entries(factory.exponentials),
        "hidden": entries(factory.vectors), "expected": entries(factory.expected),
        "tables": "".join(
            f"static const int16_t @_adapt_{array}[{getattr(factory, array).size}] = {{\n"
            f"{entries(getattr(factory, array))}\n}};\n"
            for array in arrays
        ),
        "right_less": str(spec.right - 1), "precision_less": str(spec.precision_right - 1),
        "half": str(1 << (spec.step - 1)), "limit": str(spec.weight_limit), "mean": str(1 << MEAN_BITS),
        "bias_right": str(MEAN_BITS + 1), "compared": str(FEWEST_COMPARED), "lead": str(limits.needed),
        "sure": str(limits.sure), "full": str(limits.full),
    }  # fmt: skip
    blocks = {
        "flash": DECLARED, "kept": DEFINED.replace("$odd", C["odd"]),
        "method": C["discriminant" if prototypes else "step"], "halve": C["halve"] if prototypes else "",
        "learn": C["learn_prototypes" if prototypes else "learn_output"],
    }  # fmt: skip
    words |= {key: filled(text, **words) for key, text in blocks.items()}
    word = identifier(name)
    texts = {f"{word}_adapt.h": LAYER_HEADER, f"{word}_adapt.c": C["source"]}
    return {file: filled(text, **words).replace("@@", word.upper()).replace("@", word) for file, text in texts.items()}


_ODD_AXES = f"    const int odd = state->way >= {WAYS} || state->used > 1;\n"
AXES_HEADER = guarded("@@_ADAPT_H", "<stdint.h>", parts(__file__, "affine.h")["header"])


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
        "orders": ", ".join(f"{{{', '.join(map(str, order))}}}" for order in PERMUTATIONS),
        "parities": ", ".join(map(str, PARITIES)), "most": LIMIT,
        "sixteen": 1 << AXES_MEAN_BITS, "log_one": 1 << LOG_BITS,
        "right": 20 - DISTANCE_BITS, "epsilon": EPSILON << AXES_MEAN_BITS, "ways": WAYS, "fewest": FEWEST,
        "counted": MOST_COUNTED, "acceleration": f"{2.0 ** spec.bits[0]!r}f", "rotation": f"{2.0 ** spec.bits[1]!r}f",
        "tables": "".join(
            f"static const int32_t @_adapt_{array}[{len(axes) * spec.classes}] = {{\n"
            f"{entries(np.asarray(getattr(factory, array)))}\n}};\n"
            for array in ARRAYS
        ),
    }  # fmt: skip
    words |= {"flash": DECLARED, "kept": filled(DEFINED.replace("$odd", _ODD_AXES), **words)}
    word = identifier(name)
    source = parts(__file__, "affine.c")["source"]
    texts = {f"{word}_adapt.h": AXES_HEADER, f"{word}_adapt.c": source}
    return {file: filled(text, **words).replace("@@", word.upper()).replace("@", word) for file, text in texts.items()}
