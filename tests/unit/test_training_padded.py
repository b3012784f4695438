"""Networks filled up with zeros are trained as those that were not."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.models.architecture import architecture, function
from edgewright.training.loop import Sampled, Settings, outputs, train
from edgewright.training.numpy_program import always_compiled
from edgewright.training.padded import fit_padded
from edgewright.training.rows import ArrayRows

CASES = [
    ("softmax_cross_entropy", "adam", 3, 0.0),
    ("mean_squared_error", "adamw", 1, 0.01),
]


def _samples(outputs_wanted: int, rows: int = 600) -> Sampled:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((rows, 10)).astype(np.float32)
    score = x @ rng.standard_normal((10, outputs_wanted)) + rng.standard_normal((rows, outputs_wanted))
    target = np.argmax(score, axis=1) if outputs_wanted > 1 else score[:, 0] / score.std()
    return Sampled(ArrayRows(x), target.astype(np.float32), rng.uniform(0.5, 1.5, rows).astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "optimiser", "ends", "decay"), CASES)
def test_zeros_around_the_weights_change_no_more_than_the_last_digits(
    loss: str, optimiser: str, ends: int, decay: float
) -> None:
    samples = _samples(ends)
    for seed, widths in enumerate([(8, 40), (24, 24), (33, 17)]):
        network = architecture([{"kind": "dense", "units": units} for units in widths], (10,), ends)
        settings = Settings(
            loss, optimiser=optimiser, weight_decay=decay, seed=seed, learning_rate=0.002 * (seed + 1), dropout=0.1
        )
        start, apply = network.initialise(np.random.default_rng(seed)), function(network)
        with always_compiled():
            padded, unpadded = fit_padded(start, samples, settings), train(apply, start, samples, settings)
        assert len(padded.history) == 20
        for own, other in zip(padded.parameters, unpadded.parameters, strict=True):
            assert own["weights"].shape == other["weights"].shape
            np.testing.assert_allclose(own["weights"], other["weights"], rtol=0, atol=1e-5)
            np.testing.assert_allclose(own["bias"], other["bias"], rtol=0, atol=1e-5)
        assert not np.allclose(padded.parameters[0]["weights"], start[0]["weights"], atol=1e-3)
        left, right = (outputs(apply, p, samples.rows) for p in (padded.parameters, unpadded.parameters))
        assert (np.argmax(left, axis=1) == np.argmax(right, axis=1)).all()
