"""The form for gateways: a linear head on the vector of an encoder that the gateway holds anyway."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError
from edgewright.schema.language import HeadSpec

# Logits are told as whole steps of this size, as a student's are.
STEP = 1e-3
# By which the test vectors may differ on another processor: encoders compute in floats.
TOLERANCE = 0.05


class Encodes(Protocol):
    """What a head needs of an encoder."""

    name: str
    dimensions: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (n, d)."""
        ...


class Head:
    """Text to logits in whole steps, through an encoder; `limits`, shape (k,), from which on each intent is answered.

    Args:
        spec: which encoder, and the scale of a step.
        arrays: `weights` float32 (d, k), `offsets` float32 (k,).
        classes: number k of intents.
        encoder: that it was trained on.
        where: of the file, for messages.

    Raises:
        InputError: arrays of another shape, or another encoder.
    """

    def __init__(
        self, spec: HeadSpec, arrays: dict[str, NDArray[Any]], classes: int, encoder: Encodes, where: str
    ) -> None:
        shapes = {"weights": (spec.dimensions, classes), "offsets": (classes,)}
        for name, shape in shapes.items():
            array = arrays.get(name)
            if array is None or array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
                got = "none" if array is None else f"{array.dtype} {array.shape}"
                raise InputError(f"an array {name} of float32 {shape}", got, where)
        if encoder.dimensions != spec.dimensions:
            raise InputError(
                f"the encoder {spec.encoder} with vectors of {spec.dimensions}",
                f"{encoder.name} with {encoder.dimensions}", where, "Pass the directory used in training",
            )  # fmt: skip
        if not math.isfinite(spec.scale) or spec.scale <= 0:
            raise InputError("a positive scale", str(spec.scale), where)
        self._encoder, self._weights, self._offsets = encoder, arrays["weights"], arrays["offsets"]
        self.limits: NDArray[np.int64] = np.full(classes, spec.threshold, np.int64)

    def logits(self, text: str) -> NDArray[np.int64]:
        """Logits in steps of `STEP`, shape (k,)."""
        raw = self._encoder.encode([text])[0] @ self._weights + self._offsets
        rounded: NDArray[np.int64] = np.rint(raw.astype(np.float64) / STEP).astype(np.int64)
        return rounded
