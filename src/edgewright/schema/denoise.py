"""What the file of a denoiser says of itself, and what a measurement of one says."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.schema.trace_flow import Interval

DENOISER_VERSION = 1
UPSCALER_VERSION = 1


class NoiseRange(msgspec.Struct, frozen=True, kw_only=True):
    """Noise that was mixed in: kinds or names of files, and the ratio to the signal in decibels."""

    kinds: tuple[str, ...]
    snr_low: float
    snr_high: float


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What trained.

    Attributes:
        origin: of the clean signals or pictures.
        held_by: 'group' or 'recording': what stands on one side only.
        trained, validated, held_out: names of the groups or recordings; nothing held out ever trained.
        rows: samples of clean signal, or pixels, in the training.
        epochs: passes that were made.
        loss, validation_loss: of the epoch that was kept.
        seed: of all that was drawn.
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
    """What trained a denoiser; its losses are 10 log10 of the mean squared error in deviations.

    Attributes:
        noise: mixed in; the noisy signals are synthetic.
    """

    noise: NoiseRange


class DenoiserSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`denoiser.json`.

    Attributes:
        version: version of the format.
        name: name of the denoiser.
        rate: samples a second.
        columns: channels in order.
        hop: samples that come and leave together.
        delay: samples that what leaves is late, a multiple of `hop`.
        reach: samples that an answer depends on.
        window: samples of the window form.
        mean, deviation: of the channels.
        limit: deviations beyond which a sample is cut off before the network.
        rounding: which kernels the integers equal.
        parameters: numbers of the network.
        macs: multiply-accumulates a sample.
        learnt: what trained.
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


class UpscalerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`upscaler.json`.

    Attributes:
        version: version of the format.
        name: name of the upscaler.
        rate: samples a second of what comes in; 0 for pictures.
        columns: channels in order.
        factor: samples, or rows and columns, that come out for each.
        halo: samples or pixels beyond each end of a window that its answer depends on.
        window: samples, or rows and columns, of which a call gives more.
        rounding: which kernels the integers equal.
        parameters: numbers of the network.
        macs: multiply-accumulates for a sample of a channel, or a pixel, that comes in.
        learnt: what trained; its losses are mean squared errors, 1 for the linear interpolation.
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
    """A way to upscale over what was held out.

    Attributes:
        method: 'int8', 'float', 'cubic' or 'linear'.
        psnr: peak signal-to-noise ratio in decibels; the interval draws whole groups anew.
        over: PSNR of int8 less that of this method, paired; None for int8 itself.
    """

    method: str
    psnr: Interval
    over: Interval | None = None


class UpscaleScore(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement.

    Attributes:
        name: name of the upscaler.
        factor: of samples, or of rows and columns.
        recordings, groups: held out.
        rows: by method.
    """

    name: str
    factor: int
    recordings: int
    groups: int
    rows: tuple[UpscaleRow, ...]


class DenoiseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A way to denoise over the held-out recordings, in decibels; intervals draw whole groups anew.

    Attributes:
        method: 'int8', 'float', 'identity' or the name of a baseline.
        noise: kind, or 'all'.
        pairs: of a recording and a noise.
        snr: improvement of the signal-to-noise ratio.
        si_sdr: improvement of the scale-invariant signal-to-distortion ratio.
        segmental: improvement of the segmental signal-to-noise ratio.
        over: improvement of the SNR by int8 less that by this method, paired; None for int8 itself.
    """

    method: str
    noise: str
    pairs: int
    snr: Interval
    si_sdr: Interval
    segmental: Interval
    over: Interval | None = None


class DenoiseScore(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement.

    Attributes:
        name: name of the denoiser.
        recordings, groups: held out.
        snr_low, snr_high: ratio at which noise was mixed in.
        rows: by noise and method.
        loses: where int8 is worse than a baseline and the interval says so, in words.
        wins: where it is better than every baseline and the intervals say so.
    """

    name: str
    recordings: int
    groups: int
    snr_low: float
    snr_high: float
    rows: tuple[DenoiseRow, ...]
    loses: tuple[str, ...]
    wins: tuple[str, ...]
