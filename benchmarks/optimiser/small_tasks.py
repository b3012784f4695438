"""Thousands of small networks to train the rule on: their data, widths, activations, lengths and first weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn import datasets

from edgewright.training.backend import jax, jnp, lax
from edgewright.training.contract import Tree

Array = NDArray[Any]
ROWS, LONGEST = 256, 320


@dataclass(frozen=True)
class Template:
    """Networks that share a compiled program: smaller ones are filled up with zeros.

    Attributes:
        kind: 'dense', 'convolution' or 'recurrent'.
        widths: of the layers, at most.
        inputs: features, or channels of a window.
        samples: of a window; 0 for rows.
        outputs: classes, or amounts.
        batch: rows of a step.
        amounts: whether amounts are learnt, with the mean squared error.
    """

    kind: str
    widths: tuple[int, ...]
    inputs: int
    samples: int
    outputs: int
    batch: int
    amounts: bool = False


TEMPLATES = (
    Template("dense", (16,), 10, 0, 3, 16),
    Template("dense", (20, 12), 12, 0, 4, 32),
    Template("dense", (16, 8, 16), 8, 0, 8, 16, amounts=True),
    Template("convolution", (6, 12), 3, 24, 4, 16),
    Template("recurrent", (8,), 3, 10, 4, 16),
)


@dataclass(frozen=True)
class SmallTask:
    """One training: where it begins, what it learns, in which order, and for how long."""

    start: Tree
    x: Array
    y: Array
    order: Array
    mix: Array


def forward(kind: str, parameters: Tree, x: Any, mix: Any) -> Any:  # noqa: ANN401
    """Return outputs, shape (batch, outputs); `mix` weighs ReLU, tanh and SiLU."""

    def activation(z: Any) -> Any:  # noqa: ANN401
        return mix[0] * jnp.maximum(z, 0.0) + mix[1] * jnp.tanh(z) + mix[2] * jax.nn.silu(z)

    *hidden, last = parameters
    for layer in hidden:
        if kind == "dense":
            x = activation(x @ layer["weights"] + layer["bias"])
        elif kind == "convolution":
            kernel = layer["weights"].shape[2]
            length = (x.shape[2] - kernel) // 2 + 1
            parts = jnp.stack([x[:, :, k : k + 2 * length - 1 : 2] for k in range(kernel)], axis=2)
            x = activation(jnp.einsum("bckt,fck->bft", parts, layer["weights"]) + layer["bias"][:, None])
        else:
            x = _gru(layer, x)
    if kind == "convolution":
        x = jnp.mean(x, axis=2)
    return x @ last["weights"] + last["bias"]


def _gru(layer: Tree, x: Any) -> Any:  # noqa: ANN401
    units = layer["weights"].shape[1]
    given = jnp.einsum("bct,guc->tbgu", x, layer["weights"]) + layer["bias"].reshape(3, units)

    def step(state: Any, now: Any) -> tuple[Any, None]:  # noqa: ANN401
        turned = jnp.einsum("bu,gvu->bgv", state, layer["recurrent"])
        reset, keep = (jax.nn.sigmoid(now[:, g] + turned[:, g]) for g in (0, 1))
        new = jnp.tanh(now[:, 2] + reset * turned[:, 2])
        return keep * state + (1.0 - keep) * new, None

    return lax.scan(step, jnp.zeros((x.shape[0], units)), given)[0]


def loss_of(template: Template, parameters: Tree, x: Any, y: Any, mix: Any) -> Any:  # noqa: ANN401
    """Return the mean loss."""
    raw = forward(template.kind, parameters, x, mix)
    if template.amounts:
        return jnp.mean(jnp.square(raw - y))
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(raw - 1e4 * (y[:1] < -0.5)) * jnp.maximum(y, 0.0), axis=1))


@cache
def program(template: Template, make: Any) -> Any:  # noqa: ANN401
    """Return (settings, tasks, steps) -> losses over all rows after training, one for each of both."""

    def trained(settings: Any, start: Tree, x: Any, y: Any, order: Any, mix: Any, steps: Any) -> Any:  # noqa: ANN401
        transformation = make(settings, jnp.float32(steps))

        def step(index: Any, carry: tuple[Tree, Tree]) -> tuple[Tree, Tree]:  # noqa: ANN401
            parameters, state = carry
            rows = lax.dynamic_index_in_dim(order, index, 0, keepdims=False)
            gradients = jax.grad(lambda p: loss_of(template, p, x[rows], y[rows], mix))(parameters)
            updates, state = transformation.update(gradients, state, parameters)
            return jax.tree.map(jnp.add, parameters, updates), state

        after, _ = lax.fori_loop(0, steps, step, (start, transformation.init(start)))
        return loss_of(template, after, x, y, mix)

    return jax.jit(jax.vmap(trained, in_axes=(0, 0, 0, 0, 0, 0, None)))


def run(template: Template, make: Any, settings: Any, tasks: Sequence[SmallTask], steps: int) -> Array:  # noqa: ANN401
    """Train each task once by the settings beside it, and return the losses after `steps`."""
    parts = [(task.start, task.x, task.y, task.order, task.mix) for task in tasks]
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *parts)
    return np.asarray(program(template, make)(np.asarray(settings), *stacked, np.int32(steps)))


def draw(template: Template, rng: np.random.Generator, real: dict[str, tuple[Array, Array]]) -> SmallTask:
    """Draw a task: a network that fits in the template, its data, and its training."""
    x, y = _data(template, rng, real)
    rows = len(x)
    order = np.concatenate([rng.permutation(rows) for _ in range(-(-LONGEST * template.batch // rows))])
    order = order[: LONGEST * template.batch].reshape(LONGEST, template.batch).astype(np.int32)
    mix = np.eye(3, dtype=np.float32)[rng.choice(3, p=[0.6, 0.2, 0.2])]
    return SmallTask(_start(template, rng), x, y, order, mix)


def _start(template: Template, rng: np.random.Generator) -> Tree:
    gain = float(np.exp(0.35 * rng.standard_normal()))
    layers: list[dict[str, Array]] = []
    own = wide = template.inputs
    shape: tuple[int, ...]
    real: tuple[int, ...]
    for width in template.widths:
        units = int(rng.integers(max(width // 3, 2), width + 1))
        if template.kind == "dense":
            shape, real, fan = (wide, width), (own, units), own
        elif template.kind == "convolution":
            shape, real, fan = (width, wide, 5), (units, own, 5), own * 5
        else:
            shape, real, fan = (3, width, wide), (3, units, own), 2 * own
        weights = np.zeros(shape, np.float32)
        weights[tuple(slice(n) for n in real)] = gain * np.sqrt(2.0 / fan) * rng.standard_normal(real)
        if template.kind == "recurrent":
            recurrent = np.zeros((3, width, width), np.float32)
            for gate in range(3):
                recurrent[gate, :units, :units] = np.linalg.qr(rng.standard_normal((units, units)))[0]
            layers.append({"weights": weights, "recurrent": recurrent, "bias": np.zeros(3 * width, np.float32)})
        else:
            layers.append({"weights": weights, "bias": np.zeros(width, np.float32)})
        own, wide = units, width
    last = np.zeros((wide, template.outputs), np.float32)
    last[:own] = np.sqrt(float(rng.choice([0.1, 1.0, 1.0])) / own) * rng.standard_normal((own, template.outputs))
    return [*layers, {"weights": last, "bias": np.zeros(template.outputs, np.float32)}]


def _data(template: Template, rng: np.random.Generator, real: dict[str, tuple[Array, Array]]) -> tuple[Array, Array]:
    """Return samples, shape (ROWS, inputs) or (ROWS, inputs, samples), and targets, shape (ROWS, outputs)."""
    k, n = template.outputs, template.inputs
    use_real = rng.random() < 0.5
    if template.samples:
        x, classes = _real_windows(template, rng, real) if use_real else _windows(template, rng)
        return x, _classes(classes, k)
    if use_real:
        table, targets = real[str(rng.choice(sorted(name for name in real if name.startswith("rows"))))]
        rows = rng.choice(len(table), ROWS, replace=len(table) < ROWS)
        x = table[rows]
        columns = rng.permutation(x.shape[1])[:n] if x.shape[1] >= n else np.arange(x.shape[1])
        mixed = x @ rng.standard_normal((x.shape[1], n)) / np.sqrt(x.shape[1])
        full = mixed if len(columns) < n or rng.random() < 0.3 else x[:, columns]
        x, targets = _scaled(full), targets[rows]
    else:
        x = rng.standard_normal((ROWS, n)) @ (np.eye(n) + rng.uniform(0, 1) * rng.standard_normal((n, n)) / np.sqrt(n))
        hidden = np.tanh(x @ rng.standard_normal((n, 12)) * np.exp(rng.uniform(-1.5, 0.5)) + rng.standard_normal(12))
        score = hidden @ rng.standard_normal((12, k)) + rng.uniform(0, 1) * rng.standard_normal((ROWS, k))
        targets = score if template.amounts else np.argmax(score, axis=1)
        x = _scaled(x * np.exp(rng.uniform(0, 1) * rng.standard_normal(n)) if rng.random() < 0.3 else x)
    if template.amounts:
        wide = x if k == n else _amounts(x, targets, k, rng)
        return x.astype(np.float32), _scaled(wide).astype(np.float32)
    return x.astype(np.float32), _classes(targets, k)


def _amounts(x: Array, targets: Array, k: int, rng: np.random.Generator) -> Array:
    own = np.asarray(targets, np.float64).reshape(len(x), -1)
    others = np.tanh(x @ rng.standard_normal((x.shape[1], k)))
    return own if own.shape[1] == k else np.concatenate([own[:, :1], others], axis=1)[:, :k]


def _scaled(x: Array) -> Array:
    return np.asarray(np.clip((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6), -6, 6), np.float64)


def _classes(targets: Array, k: int) -> Array:
    names, numbers = np.unique(targets, return_inverse=True)
    numbers, count = numbers % k, min(len(names), k)
    y = np.full((len(targets), k), -1.0, np.float32)
    y[:, :count] = 0.0
    y[np.arange(len(y)), numbers] = 1.0
    return y


def _windows(template: Template, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return windows of oscillations, trends and noise, whose classes differ in rate, height, shape or centre."""
    k, time = template.outputs, np.arange(template.samples) / template.samples
    classes = rng.integers(k, size=ROWS)
    shape = (k, template.inputs, 1)
    rate, height = rng.uniform(1, 6, shape), np.exp(0.5 * rng.standard_normal(shape))
    level, centre = 0.5 * rng.standard_normal(shape), rng.uniform(0.2, 0.8, shape)
    phase = rng.uniform(0, 2 * np.pi, (ROWS, 1, 1)) * rng.choice([0.1, 1.0])
    wave = np.sin(2 * np.pi * rate[classes] * time + phase) * height[classes] + level[classes]
    bump = np.exp(-0.5 * ((time - centre[classes] - 0.05 * rng.standard_normal((ROWS, 1, 1))) / 0.08) ** 2)
    noise = rng.uniform(0.1, 1.5) * rng.standard_normal((ROWS, template.inputs, template.samples))
    x = wave * rng.integers(2) + bump * rng.integers(1, 3) + noise
    x = (x - x.mean(axis=(0, 2), keepdims=True)) / (x.std(axis=(0, 2), keepdims=True) + 1e-6)
    return x.astype(np.float32), classes


def _real_windows(
    template: Template, rng: np.random.Generator, real: dict[str, tuple[Array, Array]]
) -> tuple[Array, Array]:
    series, labels = real[str(rng.choice(sorted(name for name in real if name.startswith("series"))))]
    hop = int(rng.integers(1, 4))
    starts = rng.integers(0, len(series) - hop * template.samples, ROWS)
    columns = rng.choice(series.shape[1], template.inputs, replace=series.shape[1] < template.inputs)
    x = np.stack([series[s : s + hop * template.samples : hop][:, columns].T for s in starts])
    x = (x - x.mean(axis=(0, 2), keepdims=True)) / (x.std(axis=(0, 2), keepdims=True) + 1e-6)
    return x.astype(np.float32), labels[starts + hop * template.samples // 2]


@cache
def real_data(folder: str) -> dict[str, tuple[Array, Array]]:
    """Return rows and series of sets that no task left out uses; of HAPT, people 1 to 23."""
    read: dict[str, tuple[Array, Array]] = {}
    for name in ("digits", "wine", "breast_cancer", "diabetes", "iris"):
        bunch = getattr(datasets, f"load_{name}")()
        read[f"rows {name}"] = (np.asarray(bunch.data, np.float64), np.asarray(bunch.target, np.float64))
    frames = [
        pl.read_csv(file)
        for file in sorted(Path(folder).joinpath("har-hapt").glob("exp*.csv.gz"))
        if int(file.name[10:12]) <= 23
    ][::3]
    hapt = pl.concat(frames).filter(pl.col("activity_id").is_between(1, 6)).to_numpy()
    read["series hapt"] = (hapt[:, :6], hapt[:, 6].astype(int))
    cut = hapt[: len(hapt) // 64 * 64].reshape(-1, 64, 7)
    values = cut[:, :, :6]
    changes = np.abs(np.diff(values, axis=1)).mean(axis=1)
    read["rows hapt"] = (np.concatenate([values.mean(axis=1), values.std(axis=1), changes], axis=1), cut[:, 32, 6])
    watch = pl.read_parquet(Path(folder) / "pamap2-excerpt" / "pamap2_subject102_exerpt.parquet").to_numpy()
    activities = np.unique(watch[:, 3].astype(str), return_inverse=True)[1]
    read["series pamap2"] = (np.nan_to_num(watch[:, :3].astype(np.float64)), activities)
    return read
