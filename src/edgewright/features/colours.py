"""How often each level of each colour occurs in a picture, wherever in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np

from edgewright.graph.builder import Value, absolute, clip, cut, join, relu, reshape, take, total
from edgewright.graph.stage import SampleTransformer, Stage, StageConfig, directly

# Pixels are numbers from 0 to 255. A difference of two channels is counted from -128 to 128.
_WHITE, _MIDDLE = 256, 128


class ColoursConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A histogram of each channel, and of its difference from the next one where a picture has several.

    Attributes:
        step: from one level to the next; 64 gives five levels. A pixel between two levels counts for both, the nearer
            one more.
        every: every so many-th pixel of every so many-th row counts.
    """

    step: Literal[16, 32, 64] = 64
    every: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 1


@dataclass(eq=False, repr=False)
class Colours(SampleTransformer):
    """(n, channels, height, width) -> (n, levels * channels * 2), level after level; for one channel (n, levels).

    Args:
        step: from one level to the next, a power of two: sums over bytes are exact, and every form gives the same.
        every: every so many-th pixel of every so many-th row counts.
        names: of the channels.
    """

    kind = "colours"
    takes = (3,)

    step: int = 64
    every: int = 1
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Mean over all pixels of 1 minus the distance from a level in steps, 0 from one step on."""
        last, part = self._levels() - 1, np.float32(1 / self.step)
        channels, height, width = (int(n) for n in self.shape_)
        rows, columns = np.arange(0, height, self.every), np.arange(0, width, self.every)
        if self.every > 1:
            x = take(take(x, rows, 2), columns, 3)
        # Channel by channel, generated C adds up what it works out from a pixel and keeps nothing else.
        each = [reshape(cut(x, n, n + 1, 1), (0, 1, -1)) for n in range(channels)]
        differences = (
            [y - each[(n + 1) % channels] + np.float32(_MIDDLE) for n, y in enumerate(each)] if channels > 1 else []
        )
        pixels, unit = [clip(y * part, 0.0, last) for y in (*each, *differences)], np.float32(1)
        near = [relu(unit - absolute(z - np.float32(level))) for level in range(last + 1) for z in pixels]
        share = np.float32(1 / (len(rows) * len(columns)))
        return join([total(y, 2) for y in near], 1) * share

    def _levels(self) -> int:
        return _WHITE // self.step + 1

    def _names(self, names: tuple[str, ...]) -> list[str]:
        after = (*names[1:], *names[:1])
        differences = [f"{name}-{other}" for name, other in zip(names, after, strict=True)] if len(names) > 1 else []
        levels = range(0, _WHITE + 1, self.step)
        return [
            text
            for level in levels
            for text in (*(f"{name} {level}" for name in names), *(f"{pair} {level - _MIDDLE}" for pair in differences))
        ]


def _why(estimator: Colours) -> str:
    channels = int(estimator.shape_[0])
    differences = "and of its difference from the next one " if channels > 1 else ""
    return (
        f"How much of a picture has which colour, wherever it is: {estimator._levels()} levels of each channel "
        f"{differences}take the place of {estimator.shape_[1]} x {estimator.shape_[2]} pixels."
    )


STAGE = Stage(
    config=ColoursConfig,
    build=directly(Colours),
    state=("shape_",),
    why=_why,
    formula="y[level, c] = mean over pixels of max(0, 1 - |x - level| / step)",
)
