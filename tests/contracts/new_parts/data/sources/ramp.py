"""Two columns that rise, and which of them is larger."""

from __future__ import annotations

import numpy as np

from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.contract import Source, SourceConfig


class RampConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ramp.

    Attributes:
        rows: rows to make.
    """

    rows: int = 100


def _load(config: RampConfig, seed: int) -> DataSet:
    values = np.random.default_rng(seed).normal(np.arange(config.rows)[:, None], 1.0, (config.rows, 2))
    recording = Recording(
        name="ramp",
        values=values.astype(np.float32),
        target=np.where(values[:, 0] > values[:, 1], "first", "second"),
    )
    columns = (Column(name="first"), Column(name="second"))
    return DataSet(name="ramp", columns=columns, recordings=(recording,), rate=None, target_name="larger")


SOURCE = Source(config=RampConfig, load=_load, simulated=True)
