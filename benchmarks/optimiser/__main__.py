"""Judge the learned optimiser on the task families left out: `python -m benchmarks.optimiser [NAME ...]`.

Adam is tuned for each family: of seven learning rates, constant and along half a cosine, the pair counts whose loss is
lowest at the end, by the median of three seeds. The learned rule then trains for shares of Adam's steps, told each time
how many there are, as in every training. A family is reached where the median of the seeds' smallest shares whose loss
is at most Adam's, from the same first weights and batches, is at most .7. A loss is that over all rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.optimiser.families import FAMILIES, Family, samples
from benchmarks.table import ROOT, markdown, verdict
from edgewright.models.architecture import architecture, function
from edgewright.training.backend import jax, jnp, lax, optax
from edgewright.training.contract import Tree
from edgewright.training.losses import LOSSES
from edgewright.training.optimisers import learned

Array = NDArray[Any]
DATA = ROOT.parent / "shared" / "data"
RATES, SEEDS = tuple(10.0 ** np.arange(-3.5, -0.4, 0.5)), 3
SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)
TARGET, FAMILIES_ASKED = 0.7, 15
# Compiling takes longer than training.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
# More than every share: Adam's loss was not reached.
NEVER = 1.5


@dataclass(frozen=True)
class Verdict:
    """How a family went.

    Attributes:
        adam: loss at the end of Adam's training, median of the seeds.
        setting: Adam's learning rate and schedule.
        losses: of the rule at the end of each share, median of the seeds.
        share: of Adam's steps, that the rule needs.
        diverged: trainings whose loss at the end is above the first, or no number.
        seconds: of the processor, for all trainings.
    """

    adam: float
    setting: str
    losses: tuple[float, ...]
    share: float
    diverged: int
    seconds: float


class Trainings:
    """Trains the network of a family from several first weights, with any transformation."""

    def __init__(self, family: Family) -> None:
        self.x, self.y = samples(family, DATA)
        outputs = 1 if family.amounts else int(self.y.max()) + 1
        self.network = architecture(family.layers, self.x.shape[1:], outputs)
        self.loss = LOSSES["mean_squared_error" if family.amounts else "softmax_cross_entropy"]
        self.apply, self.family = function(self.network), family
        starts = [self.network.initialise(np.random.default_rng(seed)) for seed in range(SEEDS)]
        self.starts = jax.tree.map(lambda *arrays: np.stack(arrays), *starts)
        epochs = -(-family.steps * family.batch // len(self.x))
        orders = []
        for seed in range(SEEDS):
            rng = np.random.default_rng([seed, 1])
            order = np.concatenate([rng.permutation(len(self.x)) for _ in range(epochs)])
            orders.append(order[: family.steps * family.batch].reshape(family.steps, family.batch))
        self.orders = np.stack(orders).astype(np.int32)

    def mean_loss(self, parameters: Tree, x: Any, y: Any) -> Any:  # noqa: ANN401
        """Return the mean loss of samples."""
        return jnp.mean(self.loss(jnp, self.apply(parameters, x), y, 0.0)[0])

    def program(self, make: Callable[[Any, Any], optax.GradientTransformation]) -> Any:  # noqa: ANN401
        """Return (settings, seeds, steps) -> losses at the end, compiled."""

        def trained(settings: Any, seed: Any, steps: Any) -> Any:  # noqa: ANN401
            start, order = jax.tree.map(lambda a: jnp.asarray(a)[seed], (self.starts, self.orders))
            x, y = jnp.asarray(self.x), jnp.asarray(self.y)
            transformation = make(settings, steps.astype(jnp.float32))

            def step(index: Any, carry: tuple[Tree, Tree]) -> tuple[Tree, Tree]:  # noqa: ANN401
                parameters, state = carry
                rows = lax.dynamic_index_in_dim(order, index, 0, keepdims=False)
                gradients = jax.grad(self.mean_loss)(parameters, x[rows], y[rows])
                updates, state = transformation.update(gradients, state, parameters)
                return optax.apply_updates(parameters, updates), state

            after, _ = lax.fori_loop(0, steps, step, (start, transformation.init(start)))
            return self.mean_loss(after, x, y)

        # A convolution of two dimensions with other weights in each lane has no fast code.
        if self.x.ndim == 4:
            return jax.jit(lambda s, seeds, steps: lax.map(lambda lane: trained(lane[0], lane[1], steps), (s, seeds)))
        return jax.jit(jax.vmap(trained, in_axes=(0, 0, None)), compiler_options=QUICK)


def tuned_adam(trainings: Trainings) -> tuple[Array, str]:
    """Return the losses of the best setting, one a seed, and the setting."""

    def make(setting: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
        def schedule(count: Any) -> Any:  # noqa: ANN401
            cosine = 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.minimum(count / steps, 1.0)))
            return setting[0] * jnp.where(setting[1] > 0, cosine, 1.0)

        return optax.adam(schedule)

    settings = np.array([(rate, cosine) for cosine in (0, 1) for rate in RATES], np.float32)
    lanes = np.repeat(settings, SEEDS, axis=0)
    seeds = np.tile(np.arange(SEEDS, dtype=np.int32), len(settings))
    losses = np.asarray(trainings.program(make)(lanes, seeds, np.int32(trainings.family.steps)))
    by_setting = np.nan_to_num(losses.reshape(-1, SEEDS), nan=np.inf)
    best = int(np.argmin(np.median(by_setting, axis=1)))
    return by_setting[best], f"{settings[best][0]:.2g} {'cosine' if settings[best][1] else 'constant'}"


def judge(family: Family) -> Verdict:
    """Train a network of the family by both."""
    began = time.process_time()
    trainings = Trainings(family)
    adam, setting = tuned_adam(trainings)
    program = trainings.program(lambda flat, steps: learned.rule(flat, jnp.float32(0.0), steps))
    lanes, seeds = np.tile(learned.trained(), (SEEDS, 1)), np.arange(SEEDS, dtype=np.int32)
    losses = np.stack([
        np.asarray(program(lanes, seeds, np.int32(round(share * family.steps)))) for share in (0.0, *SHARES)
    ])  # fmt: skip
    first, losses = losses[0], losses[1:]
    reached = np.where(losses <= adam, np.array(SHARES)[:, None], NEVER).min(axis=0)
    diverged = int(np.sum(~np.isfinite(losses) | (losses > first)))
    return Verdict(
        adam=float(np.median(adam)), setting=setting, losses=tuple(np.median(losses, axis=1).tolist()),
        share=float(np.median(reached)), diverged=diverged, seconds=time.process_time() - began,
    )  # fmt: skip


def main(names: list[str]) -> int:
    """Print a row a family; 1 where a target is missed."""
    rows, verdicts = [], []
    for family in FAMILIES:
        if names and family.name not in names:
            continue
        result = judge(family)
        verdicts.append(result)
        share = "more than 1" if result.share == NEVER else f"{result.share:.2g}"
        rows.append([
            family.name, str(family.steps), f"{result.adam:.3g} ({result.setting})", f"{result.losses[4]:.3g}",
            f"{result.losses[-1]:.3g}", share, str(result.diverged),
        ])  # fmt: skip
        print("; ".join(rows[-1]), f"{result.seconds:.0f} s", file=sys.stderr, flush=True)
    count, diverged = sum(v.share <= TARGET for v in verdicts), sum(v.diverged for v in verdicts)
    headers = ["family", "steps", "loss of tuned Adam", "rule, .7 of the steps", "rule, all steps", "share", "diverged"]
    print(markdown(headers, rows))
    reached = count >= FAMILIES_ASKED and not diverged
    print(f"\nAt most {TARGET} of the steps in {count} of {len(rows)} families (asked: {FAMILIES_ASKED}); {diverged} "
          f"trainings diverged (asked: 0): {verdict(reached)}")  # fmt: skip
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
