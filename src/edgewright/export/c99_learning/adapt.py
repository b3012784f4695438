"""NAME_adapt.h and NAME_adapt.c: the last layer learns on the board, byte by byte as `core.adaptation` does."""

from __future__ import annotations

from edgewright.core.adaptation.factory import MEAN_BITS, Factory
from edgewright.core.adaptation.slots import slot_bytes
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, identifier
from edgewright.export.c99_learning.flash import DECLARED, DEFINED

# What NAME.c knows of it.
LAYER = "void @_adapt_layer(const int8_t *hidden, int8_t *out);"

C = parts(__file__, "adapt.c")
HEADER = guarded("@@_ADAPT_H", "<stdint.h>", parts(__file__, "adapt.h")["header"])


def write_adapt_c99(factory: Factory, *, name: str) -> dict[str, str]:
    """Write the C of a layer that learns.

    Args:
        factory: of the package.
        name: prefix of all names.

    Returns:
        Text by file name.
    """
    spec, held = factory.spec, factory.spec.layer == "prototypes"
    arrays = ("prototypes", "center", "precision") if held else ()
    words = {
        **{key: str(getattr(spec, key)) for key in spec.__struct_fields__ if key != "layer"},
        "length": str(slot_bytes(spec) - 20), "identity": str(factory.identity), "vectors": str(len(factory.vectors)),
        "sums": f"    int32_t sums[{spec.classes * spec.width}];\n" if held else "",
        "weights": entries(factory.weights), "bias": entries(factory.bias), "powers": entries(factory.exponentials),
        "hidden": entries(factory.vectors), "expected": entries(factory.expected),
        "tables": "".join(
            f"static const int16_t @_adapt_{array}[{getattr(factory, array).size}] = {{\n"
            f"{entries(getattr(factory, array))}\n}};\n"
            for array in arrays
        ),
        "right_less": str(spec.right - 1), "precision_less": str(spec.precision_right - 1),
        "half": str(1 << (spec.step - 1)), "limit": str(spec.weight_limit), "mean": str(1 << MEAN_BITS),
        "bias_right": str(MEAN_BITS + 1),
    }  # fmt: skip
    blocks = {
        "flash": DECLARED, "kept": DEFINED.replace("$odd", C["odd"]),
        "method": C["discriminant" if held else "step"], "halve": C["halve"] if held else "",
        "learn": C["learn_prototypes" if held else "learn_output"],
    }  # fmt: skip
    words |= {key: filled(text, **words) for key, text in blocks.items()}
    word = identifier(name)
    texts = {f"{word}_adapt.h": HEADER, f"{word}_adapt.c": C["source"]}
    return {file: filled(text, **words).replace("@@", word.upper()).replace("@", word) for file, text in texts.items()}
