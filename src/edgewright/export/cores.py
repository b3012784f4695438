"""What the code of a core is written for: nothing but C99, two 16-bit multipliers, or vectors (ADR 66, 71)."""

from __future__ import annotations

from edgewright.schema.integer import IntegerNetwork

# Cores with the DSP extension of Arm.
_TWO_MULTIPLIERS = frozenset({"cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"})
# Those with vector instructions, and how they are called.
_VECTORS = {"cortex-m55": "helium", "riscv32v": "rvv"}
# Those that nobody has measured, and the core whose code an estimate counts.
_COUNTED_AS = {"cortex-m55": "cortex-m33"}
# Loops that are unrolled four times instead of twice take some hundred bytes more: a hundredth of what they read.
_LARGE = 16384
# Bytes of flash up to which every one counts.
_SMALL_FLASH = 65536
SHORT, LONG = 2, 4
"""How often a loop is unrolled, for size and for speed."""


def vectors_of(core: str) -> str:
    """Return how a core's vector instructions are called: `helium`, `rvv`; empty where it has none."""
    return _VECTORS.get(core, "")


def counted_as(core: str) -> str:
    """Return the core whose code an estimate counts: one without vectors where nobody has measured those."""
    return _COUNTED_AS.get(core, core)


def unrolled(network: IntegerNetwork | None, core: str, flash: float = 0.0) -> int:
    """Return how often loops are unrolled for a core with two multipliers; 0 for portable code.

    Args:
        network: the integers of a pipeline; None for a float one, which is portable.
        core: as profiles name it; empty for any.
        flash: bytes of the device; 0 where they are not known.
    """
    if network is None or core not in _TWO_MULTIPLIERS:
        return 0
    weights = sum(operator.arrays["weights"].size for operator in network.operators if "weights" in operator.arrays)
    return SHORT if weights < _LARGE or 0 < flash <= _SMALL_FLASH else LONG


def own_code(network: IntegerNetwork | None, core: str) -> bool:
    """Return whether estimates count code that a core has of its own for an integer network."""
    return bool(unrolled(network, core)) or (network is not None and counted_as(core) == core and core in _VECTORS)


def has_floats(core: str) -> bool:
    """Return whether a core may have float instructions, which the compiler says for certain.

    Args:
        core: as profiles name it; empty for any.
    """
    return core in _TWO_MULTIPLIERS
