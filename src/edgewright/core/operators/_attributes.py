"""Attributes and constant inputs of a node, checked, and the windows of convolutions and pools that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgewright.core.errors import OnnxError
from edgewright.core.operators import where
from edgewright.core.records.network import Array, Node


def integer(node: Node, name: str, default: int) -> int:
    """Return an integer attribute."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int):
        raise OnnxError(f"an integer for {name!r}", repr(value), where(node))
    return value


def number(node: Node, name: str, default: float) -> float:
    """Return a float attribute."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int | float):
        raise OnnxError(f"a number for {name!r}", repr(value), where(node))
    return float(value)


def text(node: Node, name: str, default: str) -> str:
    """Return a text attribute."""
    value = node.attributes.get(name, default)
    if not isinstance(value, str):
        raise OnnxError(f"text for {name!r}", repr(value), where(node))
    return value


def integers(node: Node, name: str) -> tuple[int, ...] | None:
    """Return an attribute that is a list of integers; None when it is left out."""
    value = node.attributes.get(name)
    if value is None:
        return None
    if not isinstance(value, tuple):
        raise OnnxError(f"integers for {name!r}", repr(value), where(node))
    return tuple(int(v) for v in value)


def given(node: Node, index: int) -> bool:
    """Return whether the input `index` is not left out."""
    return len(node.inputs) > index and node.inputs[index] != ""


def constant_integers(
    node: Node, constants: Sequence[Array | None], index: int, attribute: str = ""
) -> tuple[int, ...] | None:
    """Return integers that older opsets give as an attribute and newer ones as an input; None when left out.

    Raises:
        InputError: when the input is computed by the graph, which the dialect does not allow here.
    """
    if not given(node, index):
        return integers(node, attribute) if attribute else None
    constant = constants[index]
    if constant is None:
        raise OnnxError("a constant", f"the computed value {node.inputs[index]!r}", f"{where(node)}, input {index}")
    return tuple(int(v) for v in constant.ravel())


Lengths = tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """Kernel, strides, dilations and padding of a node; `pads` is None where `auto_pad` works it out."""

    kernel: Lengths
    strides: Lengths
    dilations: Lengths
    pads: tuple[tuple[int, int], ...] | None
    upper: bool
    ceil: bool

    def padding(self, shape: Lengths) -> list[tuple[int, int]]:
        """Return values added before and after each spatial axis of these lengths."""
        if self.pads is not None:
            return list(self.pads)
        around = []
        for length, kernel, stride, dilation in zip(shape, self.kernel, self.strides, self.dilations, strict=True):
            less, more = same_padding(length, kernel, stride, dilation)
            around.append((less, more) if self.upper else (more, less))
        return around

    def overhang(self, shape: Lengths) -> list[int]:
        """With `ceil_mode`: how far the last window reaches beyond axes of these (padded) lengths.

        A last window that would begin beyond the values and their leading padding is not made.
        """
        beyond = []
        around = self.padding(shape)
        for i, length in enumerate(shape):
            extent = (self.kernel[i] - 1) * self.dilations[i] + 1
            padded = length + sum(around[i])
            windows = -(-(padded - extent) // self.strides[i]) + 1
            if (windows - 1) * self.strides[i] >= length + around[i][0]:
                windows -= 1
            beyond.append(max(0, (windows - 1) * self.strides[i] + extent - padded) if self.ceil else 0)
        return beyond

    def windows(self, x: Array) -> Array:
        """View of padded `x` (n, c, *spatial) as (n, c, *positions, *kernel)."""
        extents = tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))
        if any(length < extent for length, extent in zip(x.shape[2:], extents, strict=True)):
            raise OnnxError(f"at least {extents} values under the kernel", f"{x.shape[2:]}")
        view = sliding_window_view(x, extents, axis=tuple(range(2, x.ndim)))
        positions = tuple(slice(None, None, s) for s in self.strides)
        inside = tuple(slice(None, None, d) for d in self.dilations)
        return np.asarray(view[(slice(None), slice(None), *positions, *inside)])


def same_padding(length: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Values before and after an axis for SAME_UPPER of ONNX and SAME of .tflite: an output for each `stride`."""
    total = max(0, (-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length)
    return total // 2, total - total // 2


def geometry(node: Node, kernel: Lengths) -> Geometry:
    """Read the attributes that convolution and pooling have in common.

    Raises:
        InputError: for attributes that do not fit the kernel's rank or are out of range.
    """
    rank, auto = len(kernel), text(node, "auto_pad", "NOTSET")
    strides = integers(node, "strides") or (1,) * rank
    dilations = integers(node, "dilations") or (1,) * rank
    widths = integers(node, "pads") or (0,) * (2 * rank)
    fits = len(strides) == len(dilations) == rank and len(widths) == 2 * rank
    if not fits or min(*kernel, *strides, *dilations, 1) < 1 or min(*widths, 0) < 0:
        raise OnnxError(
            f"strides, dilations and pads for a kernel {kernel}", f"{strides}, {dilations}, {widths}", where(node)
        )
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise OnnxError("auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER", auto, where(node))
    around = tuple(zip(widths[:rank], widths[rank:], strict=True))
    pads = None if auto.startswith("SAME") else ((0, 0),) * rank if auto == "VALID" else around
    return Geometry(kernel, strides, dilations, pads, auto == "SAME_UPPER", bool(integer(node, "ceil_mode", 0)))


def padded(x: Array, around: list[tuple[int, int]], fill: float) -> Array:
    """`x` (n, c, *spatial) with `fill` around its spatial axes; `x` itself when nothing is added."""
    if not any(before or after for before, after in around):
        return x
    lengths = tuple(length + sum(ends) for length, ends in zip(x.shape[2:], around, strict=True))
    # Much faster than np.pad on the small arrays of one prediction.
    out = np.full((*x.shape[:2], *lengths), fill, x.dtype)
    inner = tuple(slice(before, before + length) for (before, _), length in zip(around, x.shape[2:], strict=True))
    out[(slice(None), slice(None), *inner)] = x
    return out
