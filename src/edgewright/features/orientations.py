"""How strong edges of each orientation are in each cell of a picture (Dalal and Triggs, 2005)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, absolute, cut, join, relu, reshape, sqrt, total
from edgewright.graph.stage import SampleTransformer, Stage, StageConfig, directly

# Whole numbers close to a circle of radius 24, 22.5 degrees apart from 0 to 157.5: sums of products stay whole.
_DIRECTIONS = ((24, 0), (22, 9), (17, 17), (9, 22), (0, 24), (-9, 22), (-17, 17), (-22, 9))
# Weights along and across a direction, whose difference is 0 from the neighbouring direction on.
_WEIGHTS = {4: (1, 1), 8: (2, 5)}
_LEVEL = 255.0


class OrientationsConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A histogram of edge orientations in each cell. Pixels of the rim, and beyond the last whole cell, do not count.

    Attributes:
        cells: a picture is cut into so many cells in each direction.
        directions: orientations that are counted, from 0 to 180 degrees; an edge between two counts for both, the
            nearer one more.
        normalise: 'picture' divides by the sum over the picture, so that light and contrast do not count, and takes
            the root, so that a few strong edges do not decide; 'none' gives sums of whole numbers, which are the same
            in every form to the last bit while they are below 2^24.
        floor: contrast, as a share of that between black and white from one pixel to the next, below which a picture
            counts as flat.
    """

    cells: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    directions: Literal[4, 8] = 8
    normalise: Literal["picture", "none"] = "picture"
    floor: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.005


@dataclass(eq=False, repr=False)
class Orientations(SampleTransformer):
    """(n, channels, height, width) of numbers from 0 to 255 -> (n, directions * cells * cells).

    Args:
        cells: in each direction.
        directions: 4 or 8.
        normalise: 'picture' or 'none'.
        floor: contrast below which a picture counts as flat.
        names: of the channels.
    """

    kind = "orientations"
    takes = (3,)

    cells: int = 4
    directions: int = 8
    normalise: str = "picture"
    floor: float = 0.005
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Sum, over the pixels of a cell, relu(along * |g · d| - across * |g · d'|) with d' across d."""
        channels, height, width = (int(n) for n in self.shape_)
        tall, wide = (height - 2) // self.cells, (width - 2) // self.cells
        rows, columns = (1, 1 + self.cells * tall), (1, 1 + self.cells * wide)
        grey = total(x, 1)
        right, left = (cut(cut(grey, *rows, 1), columns[0] + n, columns[1] + n, 2) for n in (1, -1))
        below, above = (cut(cut(grey, *columns, 2), rows[0] + n, rows[1] + n, 1) for n in (1, -1))
        along, across = (np.float32(weight) for weight in _WEIGHTS[self.directions])
        # A direction and the one across are both counted: each product serves twice.
        sizes = [
            absolute((right - left) * np.float32(a) + (below - above) * np.float32(b))
            for a, b in _DIRECTIONS[:: len(_DIRECTIONS) // self.directions]
        ]
        half = self.directions // 2
        votes = [relu(size * along - sizes[(n + half) % self.directions] * across) for n, size in enumerate(sizes)]
        parts = [reshape(vote, (0, self.cells, tall, self.cells, wide)) for vote in votes]
        counts = join([reshape(total(total(part, 4), 2), (0, self.cells * self.cells)) for part in parts], 1)
        if self.normalise == "none":
            return counts
        # Of an edge from black to white in a direction that is counted.
        unit = channels * _LEVEL * _DIRECTIONS[0][0] * float(along) * self.cells**2 * tall * wide
        whole = total(counts, 1, keep=True) + np.float32(self.floor * unit)
        return sqrt(counts / whole)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        side = min(self.shape_[1:])
        if side - 2 < self.cells:
            pixels = self.cells + 2
            raise StageSettingsError(
                f"pictures of at least {pixels} x {pixels} pixels",
                f"a side of {side}",
                self._where(),
                "Set fewer cells",
            )

    def _names(self, names: tuple[str, ...]) -> list[str]:
        step = 180.0 / self.directions
        cells = range(1, self.cells + 1)
        return [
            f"{n * step:g} degrees {row}.{column}" for n in range(self.directions) for row in cells for column in cells
        ]


def _why(estimator: Orientations) -> str:
    return (
        f"Shapes are edges: {estimator.directions} orientations in {estimator.cells} x {estimator.cells} cells take "
        f"the place of {estimator.shape_[1]} x {estimator.shape_[2]} pixels."
    )


STAGE = Stage(
    config=OrientationsConfig,
    build=directly(Orientations),
    state=("shape_",),
    why=_why,
    formula="y[d, cell] = sqrt(sum over pixels of relu(a |g . d| - b |g . d'|) / sum over the picture)",
)
