"""How a device is held: mean, direction and length of a vector over a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, join, level, reshape, sqrt, take, total
from edgewright.graph.stage import (
    Context,
    SampleTransformer,
    Stage,
    StageConfig,
    from_config,
    named,
    positions,
    require,
)

# Added to a squared length: in free fall the direction tends to 0 instead of jumping with the rounding.
_GUARD = 1e-6


class PostureConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mean vector of a window: its components, its direction and its length.

    Attributes:
        of: names of the vector's channels, an accelerometer's three axes, say.
        name: name of the vector, for the feature of its length; the channels' names when empty.
    """

    of: tuple[str, ...]
    name: str = ""


@dataclass(eq=False, repr=False)
class Posture(SampleTransformer):
    """(n, channels, samples) -> (n, 2 axes + 1).

    Args:
        of: places of the vector's channels.
        label: name of the vector.
        names: of the channels that arrive.
    """

    kind = "posture"
    takes = (2,)

    of: tuple[int, ...] = (0,)
    label: str = "vector"
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Return means, means over the length of their vector, and that length."""
        vector = take(x, np.asarray(self.of, np.int64), 1)
        # The length hardly changes, and float32 must show by how much.
        means = reshape(level(vector, 2), (0, len(self.of)))
        length = sqrt(total(means * means, 1, keep=True) + _GUARD)
        return join([means, means / length, length], 1)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        used = [names[index] for index in self.of]
        return [f"{n} level" for n in used] + [f"{n} direction" for n in used] + [f"{self.label} level length"]


def _build(config: PostureConfig, context: Context) -> Posture:
    require(context, "posture", (2,))
    if len(config.of) < 2 or len(set(config.of)) != len(config.of):
        raise StageSettingsError("two or more different channels", f"{list(config.of)}", "stage posture, key of")
    of = positions(config.of, context.names, "posture, key of")
    return from_config(Posture, config, context, of=of, label=config.name or "+".join(config.of))


def _why(estimator: Posture) -> str:
    return (
        f"Sitting, standing and lying differ in the direction of gravity: the mean of {len(estimator.of)} axes gives "
        f"{2 * len(estimator.of) + 1} numbers."
    )


STAGE = Stage(
    config=PostureConfig,
    build=_build,
    state=("shape_",),
    why=_why,
    formula="level = mean(v); length = sqrt(sum(level^2) + 1e-6); direction = level / length",
    read_back=lambda given, context: {"of": named(given["of"], context), "name": given["label"]},
)
