"""What layers over windows share: where a kernel stands, and cutting a window for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from edgewright.core.errors import LayerSettingsError
from edgewright.graph.builder import Builder
from edgewright.graph.stage import Layer, LayerConfig, Parameters, Shape
from edgewright.training.backend import jnp, lax

Padding = Literal["same", "valid", "causal"]
Positive = Annotated[int, msgspec.Meta(gt=0)]
K = TypeVar("K", bound="KernelConfig")
G = TypeVar("G", bound=LayerConfig)


class KernelConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kernel that moves over the samples.

    Attributes:
        kernel: samples it covers.
        stride: samples from one place to the next.
        padding: 'same' adds zeros so that the first output stands on the first sample, 'valid' adds none, 'causal' adds
            them before the window alone, so that no output depends on a later sample.
    """

    kernel: Positive
    stride: Positive = 1
    padding: Padding = "same"


class DilatedConfig(KernelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kernel whose samples may lie apart.

    Attributes:
        dilation: samples from one of the kernel to the next.
    """

    dilation: Positive = 1


def reach(config: KernelConfig) -> int:
    """Return samples from the first to the last that a kernel covers."""
    return (config.kernel - 1) * _dilation(config) + 1


def _dilation(config: KernelConfig) -> int:
    return config.dilation if isinstance(config, DilatedConfig) else 1


def window_shape(shape: Shape, kind: str) -> tuple[int, int]:
    """Return channels and samples.

    Raises:
        InputError: when what arrives is not a window.
    """
    if len(shape) != 2:
        raise LayerSettingsError(
            "windows of shape (channels, samples)",
            f"shape {shape}",
            f"model.layers {kind}",
            "Cut recordings into windows",
        )
    return shape[0], shape[1]


def span(config: KernelConfig, shape: Shape, kind: str) -> tuple[int, int, int]:
    """Return the number of outputs, and zeros before and after, for a window of shape (channels, samples).

    'same' gives ceil(samples / stride) outputs with the smaller half of the zeros before, as in TensorFlow; 'causal'
    gives an output for every `stride` samples that are whole, which ends on the last of them.

    Raises:
        InputError: when the kernel is longer than the window.
    """
    samples, covered = window_shape(shape, kind)[1], reach(config)
    if config.padding == "same":
        places = -(-samples // config.stride)
        missing = max((places - 1) * config.stride + covered - samples, 0)
        return places, missing // 2, missing - missing // 2
    if config.padding == "causal":
        if config.stride > min(samples, covered):
            raise LayerSettingsError(
                f"a stride of at most {min(samples, covered)} samples", str(config.stride), f"model.layers {kind}",
                "A causal kernel must cover every sample, and the window at least one stride",
            )  # fmt: skip
        return samples // config.stride, covered - config.stride, 0
    if covered > samples:
        raise LayerSettingsError(
            f"a kernel of at most {samples} samples",
            str(covered),
            f"model.layers {kind}",
            "Use a shorter kernel, or padding = 'same'",
        )
    return (samples - covered) // config.stride + 1, 0, 0


def taps(config: KernelConfig, x: Any, kind: str, fill: float = 0.0) -> list[Any]:  # noqa: ANN401 - JAX arrays
    """For each place in the kernel the samples it meets: `kernel` arrays of shape (batch, places, channels).

    Args:
        config: the kernel.
        x: shape (batch, samples, channels).
        kind: kind of the layer, for messages.
        fill: what stands in the padding.
    """
    places, before, after = span(config, (x.shape[2], x.shape[1]), kind)
    padded = jnp.pad(x, ((0, 0), (before, after), (0, 0)), constant_values=fill) if before + after else x
    length, dilation = (places - 1) * config.stride + 1, _dilation(config)
    starts = range(0, config.kernel * dilation, dilation)
    return [lax.slice_in_dim(padded, k, k + length, config.stride, 1) for k in starts]


def conv_attributes(config: KernelConfig, shape: Shape, kind: str) -> dict[str, tuple[int, ...]]:
    """ONNX attributes of a convolution or a pool."""
    _, before, after = span(config, shape, kind)
    attributes = {"kernel_shape": (config.kernel,), "strides": (config.stride,), "pads": (before, after)}
    return attributes if _dilation(config) == 1 else {**attributes, "dilations": (_dilation(config),)}


def pool_layer(
    config: type[K], kind: str, operator: str, apply: Callable[[K, Any], Any], formula: str, **attributes: int
) -> Layer[K]:
    """Return the layer of a pool with a moving kernel.

    Args:
        config: of the layer.
        kind: kind of the layer, for messages.
        operator: of ONNX.
        apply: (config, x of shape (batch, channels, samples)) -> (batch, channels, places), in JAX.
        formula: how an output is computed from the samples that the kernel covers.
        **attributes: of the operator, beside those of the kernel.
    """

    def to_graph(config: K, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
        return builder.op(operator, value, **attributes, **conv_attributes(config, shape, kind))

    return Layer(
        config=config,
        out_shape=lambda config, shape: (window_shape(shape, kind)[0], span(config, shape, kind)[0]),
        apply=lambda config, parameters, x: apply(config, x),
        to_graph=to_graph,
        formula=lambda config: f"{formula} of {config.kernel} samples",
        integer=lambda config: True,
    )


def global_pool_layer(
    config: type[G], kind: str, operator: str, reduce: Callable[[Any], Any], formula: str
) -> Layer[G]:
    """Return the layer of a pool over the whole window or picture: (channels, ...) -> (channels,).

    Args:
        config: of the layer.
        kind: kind of the layer, for messages.
        operator: of ONNX; a Flatten takes off the axes of one sample that it leaves.
        reduce: (batch, channels, samples) -> (batch, channels), in JAX.
        formula: how an output is computed.
    """
    return Layer(
        config=config,
        out_shape=lambda config, shape: (shape[0] if len(shape) == 3 else window_shape(shape, kind)[0],),
        apply=lambda config, parameters, x: reduce(x.reshape(*x.shape[:2], -1)),
        to_graph=lambda config, parameters, builder, value, shape: builder.op(
            "Flatten", builder.op(operator, value), axis=1
        ),
        formula=lambda config: formula,
        integer=lambda config: True,
    )
