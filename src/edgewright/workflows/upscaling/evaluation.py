"""An upscaler on signals or pictures that were held out, beside cubic and linear interpolation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from edgewright.graph.upscaling import UpscalerFile
from edgewright.models.upscaler import Factors, shown
from edgewright.schema.data import DataSet, Floats
from edgewright.schema.denoise import UpscaleRow, UpscalerSpec, UpscaleScore
from edgewright.schema.errors import InputError
from edgewright.schema.trace import Interval
from edgewright.training.metrics import interval_of
from edgewright.workflows.upscaling.training import BASELINES, PEAK, lowered, originals

INT8 = "int8"
_TINY = 1e-12


def psnr(original: Floats, given: Floats, factors: Factors) -> float:
    """Return the peak signal-to-noise ratio in decibels.

    Of a picture it is that of the luminance of whole bytes, whose peak is 255; of a signal the mean over its channels,
    whose peak is the span of each.
    """
    if factors[0] > 1:
        error = shown(original).astype(np.float64) - shown(np.clip(np.rint(given), 0, PEAK))
        return float(10.0 * np.log10(PEAK**2 / (np.mean(error**2) + _TINY)))
    # A channel that never changes has no peak.
    moving = np.ptp(original, axis=1) > 0
    error = np.mean((original[moving].astype(np.float64) - given[moving]) ** 2, axis=1)
    peak = np.ptp(original[moving], axis=1).astype(np.float64)
    return float(np.mean(10.0 * np.log10((peak**2 + _TINY) / (error + _TINY * peak**2))))


def score_upscaler(upscaler: UpscalerFile, data: DataSet) -> UpscaleScore:
    """Measure an upscaler and interpolations on everything that took no part in its training.

    Args:
        upscaler: the upscaler.
        data: signals at the higher rate, or pictures.

    Raises:
        InputError: another rate or other channels, or nothing that is held out.
    """
    spec = upscaler.spec
    check_fits(spec, data)
    items, _, _, factors = originals(data, spec.factor)
    known = {*spec.learnt.trained, *spec.learnt.validated}
    held_out = [item for item in items if item.unit not in known]
    if not held_out:
        raise InputError("recordings or pictures that the upscaler was not trained on", "none", data.name,
                         f"Held out were: {', '.join(spec.learnt.held_out[:8])}")  # fmt: skip
    methods: dict[str, Callable[[Floats], Floats]] = {
        INT8: upscaler.start().whole, "float": upscaler.start("float").whole,
        **{name: partial(raised, factors=factors) for name, raised in BASELINES.items()},
    }  # fmt: skip
    figures: dict[str, list[float]] = {name: [] for name in methods}
    for item in held_out:
        low = lowered(item.values, factors)
        for name, method in methods.items():
            figures[name].append(psnr(item.values, method(low), factors))
    units = np.array([item.unit for item in held_out])
    rows = [_row(name, figures, units) for name in methods]
    return UpscaleScore(
        name=spec.name, factor=spec.factor, recordings=len(held_out), groups=len(set(units.tolist())), rows=tuple(rows)
    )


def _row(name: str, figures: dict[str, list[float]], units: np.ndarray) -> UpscaleRow:
    def interval(values: Sequence[float]) -> Interval:
        numbers = np.asarray(values, np.float64)
        return interval_of(units, len(numbers), lambda rows: float(numbers[rows].mean()), by="recording")

    own, ours = figures[name], figures[INT8]
    over = None if name == INT8 else interval([a - b for a, b in zip(ours, own, strict=True)])
    return UpscaleRow(method=name, psnr=interval(own), over=over)


def check_fits(spec: UpscalerSpec, data: DataSet) -> None:
    """Refuse signals of another rate or other channels.

    Raises:
        InputError: naming both.
    """
    wanted = spec.rate * spec.factor
    if float(data.rate or 0.0) != wanted:
        names = [f"{rate:g} samples a second" if rate else "pictures" for rate in (wanted, float(data.rate or 0.0))]
        raise InputError(f"{names[0]}, as the upscaler was trained", names[1], data.name)
    columns = tuple(column.name for column in data.columns)
    if columns != spec.columns:
        raise InputError(f"the channels {', '.join(spec.columns)}", ", ".join(columns), data.name,
                         f"Choose them in this order with --columns {','.join(spec.columns)}")  # fmt: skip
