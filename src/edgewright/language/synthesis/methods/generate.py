"""Windows drawn from a model that was fitted on those of a class."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.language.synthesis.methods import Method, MethodConfig, Windows, method
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

_FEWEST = 5
_FLOOR = 1e-6


class GenerateConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model.

    Attributes:
        variance: share of the variance that the components carry.
        components: of them at most.
    """

    variance: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.95
    components: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 32


def apply_generate(config: GenerateConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Generate as many windows of each class as there were, from a model that was fitted on them.

    The model of a class holds, for each channel, the mean and the logarithm of the amplitude of every frequency;
    principal components that carry `variance` of it, and a normal distribution along them. A generated window has the
    phases of a window of its class, so that channels stay in step with one another.

    Raises:
        InputError: for a class of fewer than five windows, or values that are missing.
    """
    if not np.isfinite(windows.x).all():
        raise InputError("windows without missing values", "some", "synth generate", "Impute them first")
    generated = np.empty_like(windows.x)
    for label in np.unique(windows.y):
        rows = np.flatnonzero(windows.y == label)
        if len(rows) < _FEWEST:
            raise InputError(f"at least {_FEWEST} windows of a class", f"{len(rows)} of {str(label)!r}",
                             "synth generate")  # fmt: skip
        generated[rows] = _generated(config, windows.x[rows], rng)
    return generated


def _generated(config: GenerateConfig, x: Floats, rng: np.random.Generator) -> Floats:
    count, channels, samples = x.shape
    parts = np.fft.rfft(x.astype(np.float64), axis=2)
    means, sizes = parts[:, :, :1].real, np.log(np.abs(parts[:, :, 1:]) + _FLOOR)
    flat = np.concatenate([means / samples, sizes], axis=2).reshape(count, -1)
    middle = flat.mean(axis=0)
    _, scale, basis = np.linalg.svd(flat - middle, full_matrices=False)
    carried = np.cumsum(scale**2) / max(float((scale**2).sum()), 1e-30)
    kept = int(min(config.components, np.searchsorted(carried, config.variance) + 1, count - 1))
    along = rng.standard_normal((count, kept)) * (scale[:kept] / np.sqrt(count - 1))
    spectra = (middle + along @ basis[:kept]).reshape(count, channels, -1)
    phases = np.angle(parts[rng.integers(0, count, count), :, 1:])
    complex_spectra = np.concatenate(
        [spectra[:, :, :1] * samples + 0j, np.exp(spectra[:, :, 1:]) * np.exp(1j * phases)], axis=2
    )
    return np.asarray(np.fft.irfft(complex_spectra, n=samples, axis=2), np.float32)


method("generate")(Method(GenerateConfig, apply_generate, fitted=True))
