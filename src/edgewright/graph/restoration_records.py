"""Descriptions and measurements of denoisers and upscalers."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.core.records.trace_flow import Interval

RESTORER_VERSION = 2
"""Version 1 had separate files `denoiser.json` and `upscaler.json`."""


class NoiseRange(msgspec.Struct, frozen=True, kw_only=True):
    """Noise that was mixed in: kinds or names of files, and the ratio to the signal in decibels."""

    kinds: tuple[str, ...]
    snr_low: float
    snr_high: float


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """Training of a network.

    Attributes:
        origin: of the clean signals or pictures.
        held_by: 'group' or 'recording', which a split keeps together.
        trained, validated, held_out: names of the groups or recordings.
        rows: samples or pixels of the training.
        epochs: of both trainings.
        loss, validation_loss: of the kept epoch: 10 log10 of the mean squared error in deviations of a denoiser, the
            mean squared error of an upscaler, 1 for the linear interpolation.
        seed: random seed.
    """

    origin: str
    held_by: str
    trained: tuple[str, ...]
    validated: tuple[str, ...]
    held_out: tuple[str, ...]
    rows: int
    epochs: int
    loss: float
    validation_loss: float
    seed: int


class LearntFrom(Learnt, frozen=True, kw_only=True):
    """Training of a denoiser, and the noise that was mixed in; the noisy signals are synthetic."""

    noise: NoiseRange


class DenoiserSpec(msgspec.Struct, frozen=True, kw_only=True, tag_field="task", tag="denoise"):
    """`restorer.json` of a denoiser.

    Attributes:
        hop: samples that come and leave together.
        delay: samples between input and output, a multiple of `hop`.
        reach: samples that an output depends on.
        window: samples of the window form.
        mean, deviation: of the channels.
        limit: deviations at which samples are clipped before the network.
        macs: multiply-accumulates a sample.
    """

    version: int
    name: str
    rate: float
    columns: tuple[str, ...]
    hop: int
    delay: int
    reach: int
    window: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    limit: float
    rounding: Literal["litert", "tflm"]
    parameters: int
    macs: float
    learnt: LearntFrom


class UpscalerSpec(msgspec.Struct, frozen=True, kw_only=True, tag_field="task", tag="upscale"):
    """`restorer.json` of an upscaler.

    Attributes:
        rate: samples a second of the input; 0 for pictures.
        factor: samples, or rows and columns, of the output for each of the input.
        halo: samples or pixels beyond each end of a window that its output depends on.
        window: samples, or rows and columns, that a call upscales.
        macs: multiply-accumulates for a sample of a channel, or a pixel, of the input.
    """

    version: int
    name: str
    rate: float
    columns: tuple[str, ...]
    factor: Literal[2, 4]
    halo: int
    window: int
    rounding: Literal["litert", "tflm"]
    parameters: int
    macs: float
    learnt: Learnt


class UpscaleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A method over the held-out data: its PSNR in decibels, and by how much int8 is better (None for int8)."""

    method: str
    psnr: Interval
    over: Interval | None = None


class UpscaleScore(msgspec.Struct, frozen=True, kw_only=True):
    """Score of an upscaler on held-out recordings and groups; `rows` by method."""

    name: str
    factor: int
    recordings: int
    groups: int
    rows: tuple[UpscaleRow, ...]


class DenoiseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A method over `pairs` of a held-out recording and a noise (a kind, or 'all').

    Improvements of the signal-to-noise ratio, the scale-invariant signal-to-distortion ratio and the segmental ratio
    are in decibels; `over` is by how much int8 is better in the first, None for int8.
    """

    method: str
    noise: str
    pairs: int
    snr: Interval
    si_sdr: Interval
    segmental: Interval
    over: Interval | None = None


class DenoiseScore(msgspec.Struct, frozen=True, kw_only=True):
    """Score of a denoiser on held-out recordings and groups with noise at ratios of `snr_low` to `snr_high`.

    `loses` and `wins` name noise for which a baseline, or the denoiser, is significantly better.
    """

    name: str
    recordings: int
    groups: int
    snr_low: float
    snr_high: float
    rows: tuple[DenoiseRow, ...]
    loses: tuple[str, ...]
    wins: tuple[str, ...]
