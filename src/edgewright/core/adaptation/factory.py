"""What a package holds of its learned layer: the factory's numbers and the limits of what a device may learn."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import from_npy, to_npy
from edgewright.schema.adapt import AdaptSpec
from edgewright.schema.errors import InputError

Numbers = NDArray[np.int64]
_MOST_CLASSES, _MOST_WIDTH, _MOST_POOL, _MOST_REPLAYS = 64, 1024, 255, 64
_PREFIX = "adapt/"
# A mean of a class is kept in sixteenths of a step of the hidden layer.
MEAN_BITS = 4


@dataclass
class State:
    """What a device has learned; every field is a fixed number of bytes.

    Attributes:
        weights: int16, (classes, width); bias: int32, (classes,).
        counts: examples of each class, uint16; sums: of their hidden bytes, int32, (classes, width), 'prototypes' only.
        owners: class of each kept example, plus 128 where the factory's layer answered it right; uint8, (pool,).
        pool: their hidden bytes less the zero point, uint8, (pool, width).
        seed: of the generator; cursor: class of the last replay; kept: examples in the pool.
        examples: learned so far.
        lead: examples that only the learned layer answered right, before it learned from them, less those that only
            the factory's layer did; never below 0 nor above 8 (12 of 'prototypes'), so that it forgets; uint16.
        behind: 0; a state of version 0.2 has a count here that is taken off `lead` at the next example; uint16.
        used: 1 where the learned layer answers, 0 where the factory's does.
    """

    # Fields with their types, wide ones first: a C struct in this order has no holes.
    KINDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("bias", "<i4"), ("sums", "<i4"), ("seed", "<u4"), ("examples", "<u4"), ("weights", "<i2"), ("counts", "<u2"),
        ("kept", "<u2"), ("lead", "<u2"), ("behind", "<u2"), ("cursor", "u1"), ("used", "u1"), ("owners", "u1"),
        ("pool", "u1"),
    )  # fmt: skip
    weights: Numbers
    bias: Numbers
    counts: Numbers
    sums: Numbers
    owners: Numbers
    pool: Numbers
    seed: int = 0
    cursor: int = 0
    kept: int = 0
    examples: int = 0
    lead: int = 0
    behind: int = 0
    used: int = 0


@dataclass(frozen=True)
class Factory:
    """The factory's layer.

    Attributes:
        spec: limits and scales.
        weights: int16, shape (classes, width).
        bias: int32, shape (classes,).
        exponentials: exp(-k * step of an output byte) in 1/2**15, int32, shape (256,).
        vectors: hidden bytes of the package's test vectors less the zero point, uint8, shape (n, width).
        expected: label that the factory gives to each, uint8, shape (n,).
        prototypes: means of the classes in sixteenths, int16, shape (classes, width); of 'prototypes' only, as are
        center: their mean, int16, shape (width,), and
        precision: inverse of the scatter within people and classes, int16, shape (width, width).
    """

    spec: AdaptSpec
    weights: NDArray[np.int16]
    bias: NDArray[np.int32]
    exponentials: NDArray[np.int32]
    vectors: NDArray[np.uint8]
    expected: NDArray[np.uint8]
    prototypes: NDArray[np.int16]
    center: NDArray[np.int16]
    precision: NDArray[np.int16]

    @property
    def identity(self) -> int:
        """Checksum of the factory's numbers: a learned state of another model is refused."""
        return zlib.crc32(b"".join(data for _, data in sorted(arrays_of(self).items())))

    def fresh(self) -> State:
        """Return the state of a device that has learned nothing."""
        spec = self.spec
        classes = spec.classes if spec.layer == "prototypes" else 0
        return State(
            weights=self.weights.astype(np.int64),
            bias=self.bias.astype(np.int64),
            counts=np.zeros(spec.classes, np.int64),
            sums=np.zeros((classes, spec.width), np.int64),
            owners=np.zeros(spec.pool, np.int64),
            pool=np.zeros((spec.pool, spec.width), np.int64),
        )

    def holds(self, state: State) -> bool:
        """Return whether a state that was read can be one of this model."""
        if state.kept > self.spec.pool or state.cursor >= self.spec.classes:
            return False
        return not ((state.owners[: state.kept] & 127) >= self.spec.classes).any()


def arrays_of(factory: Factory) -> dict[str, bytes]:
    """Return the files of a package that hold the layer, by name."""
    return {f"{_PREFIX}{name}.npy": to_npy(getattr(factory, name)) for name in _shapes(factory.spec)}


def read_factory(spec: AdaptSpec, files: Mapping[str, bytes], where: str) -> Factory:
    """Return the layer of a package.

    Args:
        spec: of its manifest.
        files: of the package, by name.
        where: names the package in messages.

    Raises:
        InputError: limits that no device keeps, or arrays that are missing or of another shape or type.
    """
    _check(spec, where)
    arrays: dict[str, Any] = {}
    for name, (dtype, shape) in _shapes(spec).items():
        file = f"{_PREFIX}{name}.npy"
        if file not in files:
            raise InputError(f"the file {file}", "none", where)
        array = from_npy(files[file], f"{where}, {file}")
        fits = len(array.shape) == len(shape) and all(n in (-1, m) for n, m in zip(shape, array.shape, strict=True))
        if array.dtype != dtype or not fits:
            raise InputError(f"{dtype} of shape {shape}", f"{array.dtype} of shape {array.shape}", f"{where}, {file}")
        arrays[name] = array
    factory = Factory(spec=spec, **arrays)
    if (
        not len(factory.vectors)
        or len(factory.vectors) != len(factory.expected)
        or (factory.expected >= spec.classes).any()
    ):
        raise InputError("a label of a class for each test vector", "others", f"{where}, {_PREFIX}expected.npy")
    for name in ("prototypes", "center"):
        means = getattr(factory, name)
        if means.size and (means.min() < 0 or means.max() > 255 << MEAN_BITS):
            raise InputError("means of bytes, in sixteenths", "others", f"{where}, {_PREFIX}{name}.npy")
    reach = min(1 << 15, int(np.abs(factory.weights.astype(np.int64)).max()) + spec.weight_limit)
    sums = spec.width * reach * 255 + int(np.abs(factory.bias.astype(np.int64)).max()) + spec.bias_limit
    if sums >= 1 << 31:
        raise InputError("a layer whose scores stay within 32 bits", f"{spec.width} inputs, sums to {sums}", where)
    if (factory.exponentials < 0).any() or (factory.exponentials > 1 << 15).any() or factory.exponentials[0] != 1 << 15:
        raise InputError("exponentials from 2**15 down to 0", "others", f"{where}, {_PREFIX}exponentials.npy")
    return factory


def _shapes(spec: AdaptSpec) -> dict[str, tuple[Any, tuple[int, ...]]]:
    classes, width = spec.classes, spec.width
    some = (classes, width) if spec.layer == "prototypes" else (0, 0)
    return {
        "weights": (np.dtype(np.int16), (classes, width)),
        "bias": (np.dtype(np.int32), (classes,)),
        "exponentials": (np.dtype(np.int32), (256,)),
        "vectors": (np.dtype(np.uint8), (-1, width)),
        "expected": (np.dtype(np.uint8), (-1,)),
        "prototypes": (np.dtype(np.int16), some),
        "center": (np.dtype(np.int16), some[1:]),
        "precision": (np.dtype(np.int16), (some[1], some[1])),
    }


def _check(spec: AdaptSpec, where: str) -> None:
    ranges = {
        "classes": (2, _MOST_CLASSES), "width": (1, _MOST_WIDTH), "zero": (-128, 127), "multiplier": (1, 2**31 - 1),
        "right": (1, 62), "out_zero": (-128, 127), "step": (1, 30), "bias_step": (0, 2**15 - 1),
        "weight_limit": (0, 2**15 - 1), "bias_limit": (0, 2**29), "prior": (0, 1000), "precision_right": (1, 40),
        "pool": (2, _MOST_POOL), "replays": (0, _MOST_REPLAYS), "gain": (0, 100), "drop": (0, 100),
    }  # fmt: skip
    for name, value in msgspec.structs.asdict(spec).items():
        if name in ranges and not ranges[name][0] <= value <= ranges[name][1]:
            low, high = ranges[name]
            raise InputError(f"{name} from {low} to {high}", str(value), f"{where}, adapt")
