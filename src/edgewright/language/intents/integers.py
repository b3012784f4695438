"""A trained network as the integers of the device, and what size it may have."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.language.intents.network import TOP, Network
from edgewright.nlp.utterance.student import FRACTION
from edgewright.schema.errors import InputError
from edgewright.schema.language import StudentSpec

SHIFT = 24
_SIZE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?(kB|KB|kb|MB|mb|B)?")
# Below them a table is all collisions; beyond, another model does better.
SMALLEST, LARGEST = 2_000, 8_000_000


def size_of(text: str) -> int:
    """Return bytes of a size as people write it: 64kB, 0.5 MB; a kilobyte is 1,000 bytes.

    Raises:
        InputError: another text, or a size beyond what a student can have.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InputError("a size such as 64kB", repr(text[:40]), "--size")
    size = int(float(match[1]) * {"k": 1000, "m": 1_000_000}.get((match[2] or "B")[0].lower(), 1))
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"a size of {SMALLEST // 1000} kB to {LARGEST // 1_000_000} MB", text, "--size")
    return size


def shape_for(size: int, classes: int) -> tuple[int, int]:
    """Return rows and hidden units of a student of at most so many bytes.

    The width grows with the classes and is at most 64: beyond it, more rows did better on held-out training texts.

    Raises:
        InputError: the logits alone take more than half of it.
    """
    hidden = next((width for width in (64, 48, 32, 16, 8) if width <= max(8, classes)), 8)
    while hidden > 8 and size < 300 * hidden + hidden * classes:
        hidden -= 8
    rest = size - hidden * classes - 4 * (classes + hidden)
    if rest < size // 2:
        raise InputError(f"room for {classes} intents", f"{size} bytes", "--size", "Allow more bytes")
    return rest // hidden, hidden


def integers(
    network: Network, characters: tuple[int, ...], words: tuple[int, ...], heat: float = 1.0
) -> tuple[StudentSpec, dict[str, NDArray[Any]]]:
    """Return the arrays of a device and how they are read; the threshold lets everything through.

    Args:
        network: trained.
        characters: sizes of the n-grams of characters that it was trained on.
        words: sizes of the n-grams of words that it was trained on.
        heat: temperature that the logits are divided by.
    """
    weights = network.weights
    unit = network.top / TOP
    arrays: dict[str, NDArray[Any]] = {
        "table": np.clip(np.rint(weights["table"] / np.float32(network.table_step)), -TOP, TOP).astype(np.int8),
        "bias": np.rint(weights["bias"] / unit * (1 << FRACTION)).astype(np.int32),
        "head": np.clip(np.rint(weights["head"] / np.float32(network.head_step)), -TOP, TOP).astype(np.int8),
        "last": np.rint(weights["last"] / (unit * network.head_step)).astype(np.int32),
    }
    rows, hidden = arrays["table"].shape
    spec = StudentSpec(
        characters=characters, words=words, rows=rows, hidden=hidden, shift=SHIFT,
        # 256 for the eight bits of fraction that the integer square root has.
        factor=max(1, round(network.table_step / unit * 256 * (1 << SHIFT))),
        scale=unit * network.head_step / heat, threshold=-(1 << 31),
    )  # fmt: skip
    return spec, arrays


def size_in_bytes(arrays: dict[str, NDArray[Any]]) -> int:
    """Return bytes of the arrays as a device holds them."""
    return sum(array.nbytes for array in arrays.values())
