"""Acceleration seen from the ground: slow change, body, and the parts along and across gravity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, centre, join, matmul, mean, sqrt, take, total
from edgewright.graph.stage import (
    Context,
    SampleTransformer,
    Stage,
    StageConfig,
    from_config,
    named,
    positions,
    require,
    require_rate,
)

# Added to a squared length: keeps its root smooth at 0, far below what a sensor resolves (1e-4 g, 1e-4 rad/s).
_LENGTH_GUARD = 1e-8
# Added to the squared length of the mean vector: no direction, but a finite one, in free fall.
_DIRECTION_GUARD = 1e-6

Axes = tuple[str, str, str]


class GravityConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Adds what gravity tells: 'NAME drift' and 'NAME body' of each axis of the acceleration, then lengths.

    The mean acceleration of a window points up. Of the body's acceleration and of the rotation come the part along
    up ('body vertical', 'rotation vertical'), the length ('... magnitude') and the length of the part across
    ('... horizontal'): numbers that do not depend on how the device lies in a pocket.

    Attributes:
        acceleration: names of its three axes.
        rotation: names of the three axes of a gyroscope in the same frame; none when left out.
        cutoff: Hz below which a change counts as drift of posture, not as movement of the body.
        keep_arriving: keep the channels that arrive, in front of the new ones.
    """

    acceleration: Axes
    rotation: Axes | None = None
    cutoff: Annotated[float, msgspec.Meta(gt=0.0)] = 0.8
    keep_arriving: bool = True


@dataclass(eq=False, repr=False)
class Gravity(SampleTransformer):
    """(n, channels, samples) -> (n, more channels, samples).

    Args:
        acceleration: places of its axes.
        rotation: places of its axes, empty for none.
        cutoff: Hz, half the amplitude of a tone of this frequency is drift.
        rate: samples a second.
        keep_arriving: keep the channels that arrive.
        names: of the channels that arrive.

    Attributes:
        smoother_: (samples, samples), gives the drift of an acceleration without its mean.
    """

    kind = "gravity"
    takes = (2,)

    smoother_: NDArray[np.float32] = field(init=False)

    acceleration: tuple[int, ...] = (0, 1, 2)
    rotation: tuple[int, ...] = ()
    cutoff: float = 0.8
    rate: float = 50.0
    keep_arriving: bool = True
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Drift and body of each axis, then vertical, magnitude and horizontal of body and rotation."""
        acceleration = take(x, np.asarray(self.acceleration, np.int64), 1)
        level = mean(acceleration, 2, keep=True)
        up = level / sqrt(total(level * level, 1, keep=True) + _DIRECTION_GUARD)
        # The mean goes out first: a smoother that must reproduce 1 g loses digits of a movement of a thousandth.
        moved = centre(acceleration, 2)
        drift = matmul(moved, np.asarray(self.smoother_, np.float32))
        body = moved - drift
        parts = [x] if self.keep_arriving else []
        parts += [drift, body, *_along_and_across(body, up)]
        if self.rotation:
            parts += _along_and_across(take(x, np.asarray(self.rotation, np.int64), 1), up)
        return join(parts, 1)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        self.smoother_ = smoother(X.shape[2], self.cutoff / self.rate)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        used = [names[index] for index in self.acceleration]
        out = list(names) if self.keep_arriving else []
        out += [f"{name} drift" for name in used] + [f"{name} body" for name in used]
        vectors = ["body", "rotation"] if self.rotation else ["body"]
        return out + [f"{vector} {part}" for vector in vectors for part in ("vertical", "magnitude", "horizontal")]


def _along_and_across(vector: Value, up: Value) -> list[Value]:
    """Part along `up`, length, and length of the part across, (n, 1, samples) each."""
    along = total(vector * up, 1, keep=True)
    return [along, _length(vector), _length(vector - up * along)]


def _length(vector: Value) -> Value:
    return sqrt(total(vector * vector, 1, keep=True) + _LENGTH_GUARD)


def smoother(samples: int, cutoff: float) -> NDArray[np.float32]:
    """Whittaker's smoother as a matrix: s = inverse(I + stiffness D'D) x, D the second difference.

    Whittaker, On a New Method of Graduation, 1923; Eilers, A Perfect Smoother, Analytical Chemistry 75, 2003. A tone
    of f cycles a sample keeps 1 / (1 + stiffness (2 sin(pi f))^4) of its amplitude, which is a half at the cutoff.
    Ends need no padding: near them the line goes on straight.

    Args:
        samples: in a window, at least 3.
        cutoff: cycles a sample.

    Returns:
        Symmetric, (samples, samples), rows sum to 1.
    """
    stiffness = (2.0 * np.sin(np.pi * cutoff)) ** -4
    second = np.diff(np.eye(samples), 2, axis=0)
    return np.linalg.inv(np.eye(samples) + stiffness * second.T @ second).astype(np.float32)


def _build(config: GravityConfig, context: Context) -> Gravity:
    require(context, "gravity", (2,))
    rate = require_rate(context, "gravity")
    if config.cutoff >= rate / 2:
        raise StageSettingsError(
            f"a cutoff below half the rate ({rate / 2:g} Hz)", f"{config.cutoff:g}", "stage gravity"
        )
    if context.shape[1] < 3:
        raise StageSettingsError("windows of at least 3 samples", str(context.shape[1]), "stage gravity")
    for key, axes in (("acceleration", config.acceleration), ("rotation", config.rotation or ())):
        if len(set(axes)) != len(axes):
            raise StageSettingsError("three different axes", ", ".join(axes), f"stage gravity, key {key}")
    acceleration = positions(config.acceleration, context.names, "gravity, key acceleration")
    rotation = positions(config.rotation, context.names, "gravity, key rotation") if config.rotation else ()
    return from_config(Gravity, config, context, acceleration=acceleration, rotation=rotation)


def _why(estimator: Gravity) -> str:
    out = len(estimator.get_feature_names_out())
    return (
        f"Gravity shows posture, the rest shows movement: changes below {estimator.cutoff:g} Hz are removed as drift, "
        f"and the rest is split into vertical and horizontal parts;  {estimator.shape_[0]} channels become {out}."
    )


STAGE = Stage(
    config=GravityConfig,
    build=_build,
    state=("shape_", "smoother_"),
    why=_why,
    formula=(
        "m = mean(a); up = m / |m|; drift = S (a - m); body = a - m - drift; vertical = v . up; magnitude = |v|; "
        "horizontal = |v - vertical up|, with S = inverse(I + stiffness D'D)"
    ),
    read_back=lambda given, context: {key: named(given[key], context) or None for key in ("acceleration", "rotation")},
)
