"""A power law fitted to few points says as much as they do, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.errors import LayerSettingsError
from edgewright.training.power_law import fit_power_law

SIZES = 1000 * np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0])


def _curve(sizes: np.ndarray, exponent: float, floor: float) -> np.ndarray:
    errors: np.ndarray = 0.1 * (floor + (1 - floor) * (sizes / 1000) ** -exponent)
    return errors


def test_a_clean_curve_is_continued() -> None:
    errors = _curve(SIZES, 0.3, 0.0)
    law = fit_power_law(SIZES, errors, 0.005 * errors)
    prediction, truth = law.at(2000.0), float(_curve(np.array([2000.0]), 0.3, 0.0)[0])
    assert prediction.low < truth < prediction.high
    assert abs(prediction.value / truth - 1) < 0.05
    low, high = law.exponents()
    assert low <= 0.31
    assert high >= 0.3


@pytest.mark.slow
def test_intervals_hold_on_noisy_curves_of_many_kinds() -> None:
    rng = np.random.default_rng(1)
    inside, widths = 0, []
    for _ in range(100):
        exponent, floor = rng.uniform(0.05, 0.7), rng.uniform(0.0, 0.7)
        relative = 0.04 / np.sqrt(np.array([5, 5, 5, 3, 2]))
        errors = _curve(SIZES, exponent, floor) * np.exp(rng.normal(0, relative))
        prediction = fit_power_law(SIZES, errors, relative * errors).at(2000.0)
        truth = float(_curve(np.array([2000.0]), exponent, floor)[0] * np.exp(rng.normal(0, relative[-1])))
        inside += prediction.low <= truth <= prediction.high
        widths.append((prediction.high - prediction.low) / prediction.value)
    assert inside >= 85
    assert np.mean(widths) < 1 / 3


def test_more_noise_and_further_sizes_make_it_wider() -> None:
    errors = _curve(SIZES, 0.3, 0.2)

    def width(deviation: float, size: float) -> float:
        prediction = fit_power_law(SIZES, errors, deviation * errors).at(size)
        return prediction.high / prediction.low

    assert width(0.01, 2000) < width(0.1, 2000)
    assert width(0.01, 2000) < width(0.01, 16_000)


def test_a_flat_curve_promises_little_and_a_falling_one_more() -> None:
    flat = fit_power_law(SIZES, np.full(5, 0.1), np.full(5, 0.002))
    assert flat.at(2000.0).value > 0.095
    falling = _curve(SIZES, 0.5, 0.0)
    assert fit_power_law(SIZES, falling, 0.02 * falling).at(2000.0).high < 0.09


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(LayerSettingsError):
        fit_power_law(np.array([1.0, 2.0]), np.array([0.2, 0.1]), np.array([0.01, 0.01]))
    with pytest.raises(LayerSettingsError):
        fit_power_law(np.array([1.0, 2.0, 4.0]), np.array([0.2, 0.1, 0.0]), np.full(3, 0.01))
