"""Half-space trees: how few rows fell into the same part of the space (Tan, Ting and Liu, IJCAI 2011).

The trees are drawn before a row is seen: each node halves the range of a channel drawn at random. What is learnt is
how many rows fell into each node. While running they count on, and every `window` rows the counts of the last window
become the reference, so that slow change is followed; `adapt = false` keeps those of the training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector, enough
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

# A node with fewer of a window's rows than this share is not followed further: SizeLimit of the paper.
_SMALL = 0.1


class HalfSpaceTreesConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the trees.

    Attributes:
        trees: how many.
        depth: levels of each.
        window: rows after which the counts are renewed.
        adapt: whether they are.
        seed: of the channels and ranges.
    """

    trees: int = 25
    depth: int = 6
    window: int = 256
    adapt: bool = False
    seed: int = 0


class _HalfSpaceTrees(RowDetector):
    """At work. A missing value is at its training median."""

    def __init__(self, learnt: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        self._middle = np.asarray(learnt["middle"], np.float64)
        super().__init__(len(self._middle))
        self._splits, self._cuts = np.asarray(learnt["splits"]), np.asarray(learnt["cuts"])
        self._mass = np.asarray(learnt["mass"], np.float32)
        self._window, self._adapt = int(learnt["window"]), bool(learnt["adapt"])
        self._depth = int(learnt["depth"])
        self._counts, self._seen = np.zeros_like(self._mass) if self._adapt else self._mass[:0], 0
        if state is not None:
            if self._adapt:
                self._mass, self._counts = np.array(state["mass"]), np.array(state["counts"])
            self._seen = int(state["seen"])
            self._parts = np.array(state["parts"], np.float64)

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """From 0 (as many rows as anywhere, or more) to 1 (none in any tree); the mean over the trees."""
        nodes, channels = _path(np.where(present, x, self._middle), self._splits, self._cuts, self._depth)
        trees = np.arange(len(nodes))
        mass = self._mass[trees[:, None], nodes]
        reached = (mass[:, :-1] >= _SMALL * self._window).cumprod(1).sum(1)
        level = np.minimum(reached, self._depth)
        density = mass[trees, level] * 2.0**level / self._window
        # Whoever's halving left fewer rows than half is to blame, the more the fewer.
        fewer = np.log2((mass[:, :-1] + 1) / (2 * mass[:, 1:] + 1)) * (np.arange(self._depth) < level[:, None])
        weights = np.maximum(fewer, 0).ravel().astype(np.float64)
        self._parts = np.asarray(np.bincount(channels.ravel(), weights, self.channels), np.float64)
        if self._adapt:
            self._count(nodes, trees)
        return float((1 / (1 + density)).mean())

    def _count(self, nodes: NDArray[np.int64], trees: NDArray[np.int64]) -> None:
        self._counts[trees[:, None], nodes] += 1
        self._seen += 1
        if self._seen == self._window:
            self._mass, self._counts, self._seen = self._counts, np.zeros_like(self._counts), 0

    def state(self) -> dict[str, Any]:
        """The counts of the reference and of the window that is under way; nothing of them where they do not adapt."""
        counted = {"mass": self._mass.copy(), "counts": self._counts.copy()} if self._adapt else {}
        return {**counted, "seen": self._seen, "parts": self._parts.copy()}


def _path(
    x: NDArray[np.float64], splits: NDArray[np.int16], cuts: NDArray[np.float32], depth: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Nodes from the root on, shape (trees, depth + 1), and the channels that were asked, (trees, depth)."""
    trees = np.arange(len(splits))
    nodes, channels = np.zeros((len(splits), depth + 1), np.int64), np.zeros((len(splits), depth), np.int64)
    for level in range(depth):
        node = nodes[:, level]
        channels[:, level] = splits[trees, node]
        nodes[:, level + 1] = 2 * node + 1 + (x[channels[:, level]] >= cuts[trees, node])
    return nodes, channels


def fit(config: HalfSpaceTreesConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Trees drawn over the range of the rows, and the mass of their nodes, as if `window` rows had been seen.

    Raises:
        InputError: fewer than 16 rows, or settings that are not possible.
    """
    if not 1 <= config.trees <= 1000 or not 1 <= config.depth <= 12 or config.window < 16:
        raise InputError("1 to 1000 trees, depth 1 to 12, window from 16 on", "others", "half_space_trees")
    enough(values, 16, "half_space_trees")
    wide = np.asarray(values, np.float64)
    kept = np.isfinite(wide)
    middle = np.array([np.median(c[k]) if k.any() else 0.0 for c, k in zip(wide.T, kept.T, strict=True)])
    rows = np.where(kept, wide, middle)[kept.any(1)]
    rng = np.random.default_rng(config.seed)
    splits, cuts = _draw(config, rows.min(0), rows.max(0), rng)
    # Kept in as few bytes as they need; what is compared while running is compared the same way here.
    splits, cuts = splits.astype(np.int16), cuts.astype(np.float32)
    mass = np.zeros((config.trees, 2 ** (config.depth + 1) - 1), np.float32)
    for tree in range(config.trees):
        node = np.zeros(len(rows), np.int64)
        mass[tree, 0] = len(rows)
        for _ in range(config.depth):
            node = 2 * node + 1 + (rows[np.arange(len(rows)), splits[tree, node]] >= cuts[tree, node])
            mass[tree] += np.bincount(node, minlength=mass.shape[1])
    return {
        "middle": middle, "splits": splits, "cuts": cuts, "mass": mass * np.float32(config.window / len(rows)),
        "depth": config.depth, "window": config.window, "adapt": config.adapt,
    }  # fmt: skip


def _draw(
    config: HalfSpaceTreesConfig, low: NDArray[np.float64], high: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Channel and cut of every inner node; each tree works on a range of its own around that of the rows."""
    inner = 2**config.depth - 1
    splits = rng.integers(len(low), size=(config.trees, inner))
    cuts = np.empty((config.trees, inner))
    span = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0) * 1e-3)
    for tree in range(config.trees):
        # The paper: a point s in the range, and twice its distance to the farther end on both sides.
        point = rng.random(len(low))
        reach = 2 * np.maximum(point, 1 - point) * span
        around = low + point * span
        lows, highs = np.empty((inner, len(low))), np.empty((inner, len(low)))
        lows[0], highs[0] = around - reach, around + reach
        for node in range(inner):
            channel = splits[tree, node]
            cuts[tree, node] = (lows[node, channel] + highs[node, channel]) / 2
            for child in (2 * node + 1, 2 * node + 2):
                if child < inner:
                    lows[child], highs[child] = lows[node], highs[node]
                    side = highs if child == 2 * node + 1 else lows
                    side[child, channel] = cuts[tree, node]
    return splits, cuts


DETECTOR = DetectorKind(
    config=HalfSpaceTreesConfig, fit=fit, start=_HalfSpaceTrees, resume=_HalfSpaceTrees, windows=True
)
