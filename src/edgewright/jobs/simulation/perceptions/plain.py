"""`plain`: the numbers of an observation in their order, `x0`, `x1` and so on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.jobs.simulation.perceptions import Perception


def _columns(observation: NDArray[Any]) -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(np.size(observation)))


def _read(observation: NDArray[Any], period: float) -> NDArray[np.float64]:
    del period
    return np.asarray(observation, np.float64).reshape(-1)


PERCEPTION = Perception(_columns, _read)
