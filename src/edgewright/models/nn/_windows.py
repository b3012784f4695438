"""What layers over windows share: where a kernel stands, and cutting a window for it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import jax.numpy as jnp
import msgspec
from jax import lax

from edgewright.graph.layer import LayerConfig, Shape
from edgewright.schema.errors import InputError

Padding = Literal["same", "valid"]
Positive = Annotated[int, msgspec.Meta(gt=0)]


class KernelConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kernel that moves over the samples.

    Attributes:
        kernel: samples it covers.
        stride: samples from one place to the next.
        padding: 'same' adds zeros so that the first output stands on the first sample, 'valid' adds none.
    """

    kernel: Positive
    stride: Positive = 1
    padding: Padding = "same"


def window_shape(shape: Shape, kind: str) -> tuple[int, int]:
    """Channels and samples.

    Raises:
        InputError: when what arrives is not a window.
    """
    if len(shape) != 2:
        raise InputError(
            "windows of shape (channels, samples)",
            f"shape {shape}",
            f"model.layers {kind}",
            "Cut recordings to windows",
        )
    return shape[0], shape[1]


def span(config: KernelConfig, shape: Shape, kind: str) -> tuple[int, int, int]:
    """Number of outputs, and zeros before and after, for a window of shape (channels, samples).

    'same' gives ceil(samples / stride) outputs with the smaller half of the zeros before, as in TensorFlow.

    Raises:
        InputError: when the kernel is longer than the window.
    """
    samples = window_shape(shape, kind)[1]
    if config.padding == "same":
        places = -(-samples // config.stride)
        missing = max((places - 1) * config.stride + config.kernel - samples, 0)
        return places, missing // 2, missing - missing // 2
    if config.kernel > samples:
        raise InputError(
            f"a kernel of at most {samples} samples",
            str(config.kernel),
            f"model.layers {kind}",
            "Take a shorter kernel, or padding = 'same'",
        )
    return (samples - config.kernel) // config.stride + 1, 0, 0


def taps(config: KernelConfig, x: Any, kind: str, fill: float = 0.0) -> list[Any]:  # noqa: ANN401 - JAX arrays
    """For each place in the kernel the samples it meets: `kernel` arrays of shape (batch, places, channels).

    Args:
        config: the kernel.
        x: shape (batch, samples, channels).
        kind: of the layer, for messages.
        fill: what stands in the padding.
    """
    places, before, after = span(config, (x.shape[2], x.shape[1]), kind)
    padded = jnp.pad(x, ((0, 0), (before, after), (0, 0)), constant_values=fill) if before + after else x
    reach = (places - 1) * config.stride + 1
    return [lax.slice_in_dim(padded, k, k + reach, config.stride, 1) for k in range(config.kernel)]


def conv_attributes(config: KernelConfig, shape: Shape, kind: str) -> dict[str, tuple[int, ...]]:
    """ONNX attributes of a convolution or a pool."""
    _, before, after = span(config, shape, kind)
    return {"kernel_shape": (config.kernel,), "strides": (config.stride,), "pads": (before, after)}
