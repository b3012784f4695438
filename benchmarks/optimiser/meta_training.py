"""Train the rule of `training/optimisers/learned.py` by evolution strategies with mirrored perturbations.

Args: data folder, steps, file for the weights, seed. A file that exists is where training begins. Compiling takes a
minute of processor, a step three quarters of a second.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.optimiser.small_tasks import LONGEST, TEMPLATES, draw, real_data, run
from edgewright.training.backend import jnp, optax
from edgewright.training.optimisers import learned

Floats = NDArray[np.float32]
PAIRS = 24
# Spread of a perturbation, and size of a step of the weights, in the units of `spreads`.
NOISE, STEP = 1.0, 0.08


def candidate(flat: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Return the rule with these weights, without weight decay."""
    return learned.rule(flat, jnp.float32(0.0), steps)


def spreads() -> Floats:
    """Return how far each weight is moved: what acts on every step alike moves most."""
    (inputs, outputs), _ = learned.SIZES
    values = np.full(learned.COUNT, 0.05, np.float32)
    values[:3] = 0.2
    values[3 : 3 + inputs * outputs] = 0.04
    values[3 + inputs * outputs : 3 + (inputs + 1) * outputs] = 0.12
    values[-2:] = 0.02
    return values


def main(data: str, steps: str, out: str, seed: str) -> int:
    """Train, and write the weights now and then."""
    rng = np.random.default_rng(int(seed))
    real, unit = real_data(data), spreads()
    flat = np.load(out) if Path(out).exists() else learned.untrained(np.random.default_rng(0))
    first, second = np.zeros_like(flat), np.zeros_like(flat)
    gains: list[float] = []
    networks = 0
    reference, average = flat.copy(), flat.copy()
    for number in range(1, int(steps) + 1):
        template = TEMPLATES[number % len(TEMPLATES)]
        tasks = [draw(template, rng, real) for _ in range(PAIRS)]
        length = int(np.exp(rng.uniform(np.log(30), np.log(LONGEST))))
        noise = NOISE * rng.standard_normal((PAIRS, len(flat))).astype(np.float32)
        moved = np.concatenate([flat + unit * noise, flat - unit * noise])
        losses = np.log(run(template, candidate, moved, tasks * 2, length) + 1e-3)
        losses = np.nan_to_num(losses, nan=5.0, posinf=5.0)
        difference = np.clip(losses[:PAIRS] - losses[PAIRS:], -0.5, 0.5)
        slope = (difference / (np.sqrt(np.mean(difference**2)) + 1e-6)) @ noise / PAIRS
        first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope**2
        corrected = first / (1 - 0.9**number) / (np.sqrt(second / (1 - 0.99**number)) + 1e-8)
        flat = flat - unit * np.float32(STEP / (1.0 + number / 400.0)) * corrected.astype(np.float32)
        average += np.float32(max(0.03, 1.0 / number)) * (flat - average)
        networks += PAIRS
        if number % 20 in range(5):
            own = np.concatenate([np.tile(average, (PAIRS, 1)), np.tile(reference, (PAIRS, 1))])
            check = [draw(template, rng, real) for _ in range(PAIRS)]
            after = np.log(run(template, candidate, own, check * 2, length) + 1e-3)
            gains += list(after[:PAIRS] - after[PAIRS:])
        if number % 20 == 5:
            np.save(out, average)
            print(
                f"{number} steps, {networks} networks, {time.process_time():.0f} s, log of the loss against the "
                f"start: mean {np.mean(gains):+.3f} median {np.median(gains):+.3f}",
                flush=True,
            )
            gains = []
    np.save(out, average)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
