"""A sensor that is held differently: the axes x, y, z of each sensor are turned together."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.language.synthesis.contract import Method, MethodConfig, Windows, triples
from edgewright.schema.data import Floats
from edgewright.training.augmentations import rotate


class RotationConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`degrees`: largest angle about a random axis."""

    degrees: Annotated[float, msgspec.Meta(gt=0.0, le=180.0)] = 20.0


def apply(config: RotationConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Rotate (`training.augmentations.rotate`).

    Raises:
        InputError: without columns that are axes.
    """
    groups = triples(windows.columns, "rotation")
    return rotate.apply(rotate.RotateConfig(groups=groups, degrees=config.degrees), windows.x, rng)


METHOD = Method(config=RotationConfig, apply=apply)
