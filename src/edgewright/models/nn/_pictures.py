"""What layers over pictures share: where a square kernel stands, and cutting a picture for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from edgewright.core.errors import LayerSettingsError
from edgewright.core.operators._attributes import same_padding
from edgewright.graph.builder import Builder
from edgewright.graph.stage import Layer, LayerConfig, Parameters, Shape
from edgewright.models.nn._windows import Positive
from edgewright.training.backend import jnp, lax

K = TypeVar("K", bound="SquareConfig")


class SquareConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A square kernel that moves over rows and columns.

    Attributes:
        kernel: rows and columns it covers.
        stride: rows and columns from one place to the next.
        padding: 'same' adds zeros so that there is an output for each stride, 'valid' adds none.
    """

    kernel: Positive
    stride: Positive = 1
    padding: Literal["same", "valid"] = "same"


def picture_shape(shape: Shape, kind: str) -> tuple[int, int, int]:
    """Return channels, rows and columns.

    Raises:
        InputError: when what arrives is not a picture.
    """
    if len(shape) != 3:
        raise LayerSettingsError(
            "pictures of shape (channels, height, width)", f"shape {shape}", f"model.layers {kind}",
            "Load pictures with [data] kind = 'pictures'",
        )  # fmt: skip
    return shape[0], shape[1], shape[2]


def places(config: SquareConfig, shape: Shape, kind: str) -> tuple[int, int]:
    """Return rows and columns of the output.

    Raises:
        InputError: when the kernel is larger than the picture.
    """
    _, height, width = picture_shape(shape, kind)
    if config.padding == "same":
        return -(-height // config.stride), -(-width // config.stride)
    if config.kernel > min(height, width):
        raise LayerSettingsError(
            f"a kernel of at most {min(height, width)} samples", str(config.kernel), f"model.layers {kind}",
            "Use a smaller kernel, or padding = 'same'",
        )  # fmt: skip
    return (height - config.kernel) // config.stride + 1, (width - config.kernel) // config.stride + 1


def margins(config: SquareConfig, shape: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return rows and columns of zeros: (above, below), (left, right), the smaller half first as in TensorFlow."""
    if config.padding == "valid":
        return (0, 0), (0, 0)
    above, left = (same_padding(length, config.kernel, config.stride) for length in shape[1:])
    return above, left


def taps(config: SquareConfig, x: Any, kind: str, fill: float = 0.0) -> list[Any]:  # noqa: ANN401 - JAX arrays
    """For each place in the kernel, row by row, the pixels it meets.

    Args:
        config: the kernel.
        x: shape (batch, height, width, channels).
        kind: kind of the layer, for messages.
        fill: what stands in the padding.

    Returns:
        kernel * kernel arrays of shape (batch, rows, columns, channels).
    """
    shape = (x.shape[3], x.shape[1], x.shape[2])
    rows, columns = places(config, shape, kind)
    around = margins(config, shape)
    padded = jnp.pad(x, ((0, 0), *around, (0, 0)), constant_values=fill) if any(map(any, around)) else x
    tall, wide = (rows - 1) * config.stride + 1, (columns - 1) * config.stride + 1
    return [
        lax.slice(
            padded,
            (0, down, right, 0),
            (x.shape[0], down + tall, right + wide, x.shape[3]),
            (1, config.stride, config.stride, 1),
        )
        for down in range(config.kernel)
        for right in range(config.kernel)
    ]


def attributes(config: SquareConfig, shape: Shape) -> dict[str, tuple[int, ...]]:
    """ONNX attributes of a convolution or a pool."""
    (above, below), (left, right) = margins(config, shape)
    side = (config.kernel, config.kernel)
    return {"kernel_shape": side, "strides": (config.stride, config.stride), "pads": (above, left, below, right)}


def channels_last(x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, height, width) -> (batch, height, width, channels)."""
    return jnp.transpose(x, (0, 2, 3, 1))


def channels_first(x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, height, width, channels) -> (batch, channels, height, width)."""
    return jnp.transpose(x, (0, 3, 1, 2))


def pool_layer(
    config: type[K], kind: str, operator: str, apply: Callable[[K, Any], Any], formula: str, **extra: int
) -> Layer[K]:
    """Return the layer of a pool with a moving kernel.

    Args:
        config: of the layer.
        kind: kind of the layer, for messages.
        operator: of ONNX.
        apply: (config, x of shape (batch, height, width, channels)) -> (batch, rows, columns, channels), in JAX.
        formula: how an output is computed from the pixels that the kernel covers.
        **extra: attributes of the operator, beside those of the kernel.
    """

    def to_graph(config: K, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
        return builder.op(operator, value, **extra, **attributes(config, shape))

    return Layer(
        config=config,
        out_shape=lambda config, shape: (picture_shape(shape, kind)[0], *places(config, shape, kind)),
        apply=lambda config, parameters, x: channels_first(apply(config, channels_last(x))),
        to_graph=to_graph,
        formula=lambda config: f"{formula} of {config.kernel} x {config.kernel} pixels",
        integer=lambda config: True,
    )
