"""Every kind of noise: finite, of the asked shape and power, the same for the same generator."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.data.noises import draw_noise, noise_kind, scaled


@pytest.mark.parametrize("kind", sorted(noise_kind.known))
@pytest.mark.parametrize("rate", [50.0, 8000.0])
def test_noise_has_the_asked_ratio(kind: str, rate: float) -> None:
    signal = np.random.default_rng(1).standard_normal((2, 3000)).astype(np.float32) + 5
    noise = draw_noise(kind, (2, 3000), rate, np.random.default_rng(2))
    np.testing.assert_array_equal(noise, draw_noise(kind, (2, 3000), rate, np.random.default_rng(2)))
    assert noise.shape == (2, 3000) and np.isfinite(noise).all() and not np.array_equal(noise[0], noise[1])
    ratio = 10 * np.log10(signal.var(axis=1) / scaled(noise, signal, 6.0).var(axis=1))
    np.testing.assert_allclose(ratio, 6.0, atol=1e-4)
