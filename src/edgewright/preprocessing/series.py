"""A row whose columns are values one after the other, as a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewright.core.csv.header import families
from edgewright.core.errors import StageSettingsError, UnknownNameError
from edgewright.graph.builder import Value, reshape, take
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, from_config

CHANNEL = "series"


class SeriesConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of n columns as a window of one channel `series` with n samples, in the order of the columns.

    Attributes:
        channels: columns of each channel in the order of their numbers, which `#` stands for: `["ax_#", "ay_#"]` makes
            two channels of `ax_0`, `ay_0`, `ax_1`, ...; other columns are left out.
    """

    channels: tuple[str, ...] = ()


@dataclass(eq=False, repr=False)
class Series(SampleTransformer):
    """(n, columns) -> (n, channels, samples).

    Args:
        places: of the columns of each channel; all columns as one channel when empty.
        channels: their names.
        names: of the columns.
    """

    kind = "series"
    takes = (1,)

    places: tuple[tuple[int, ...], ...] = ()
    channels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Return the same values in two axes."""
        if not self.places:
            return reshape(x, (0, 1, int(self.shape_[0])))
        chosen = np.asarray(self.places, np.int64)
        return reshape(take(x, chosen.ravel(), 1), (0, *chosen.shape))

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return list(self.channels) or [CHANNEL]


def _build(config: SeriesConfig, context: Context) -> Series:
    known = {family: tuple(columns.values()) for family, columns in families(context.names).items()}
    for channel in config.channels:
        if channel not in known:
            raise UnknownNameError("channel", channel, known, "stage series, key channels")
    lengths = {channel: len(known[channel]) for channel in config.channels}
    if len(set(lengths.values())) > 1:
        lengths_text = ", ".join(f"{count} of {channel}" for channel, count in lengths.items())
        raise StageSettingsError("as many columns in every channel", lengths_text, "stage series, key channels")
    places = tuple(tuple(context.names.index(name) for name in known[channel]) for channel in config.channels)
    return from_config(Series, config, context, places=places)


def _why(estimator: Series) -> str:
    channels = f" of {len(estimator.places)} channels" if len(estimator.places) > 1 else ""
    count = sum(map(len, estimator.places)) or estimator.shape_[0]
    return f"The {count} columns are values{channels} one after the other, so features of their order can be made."


STAGE = Stage(
    config=SeriesConfig,
    build=_build,
    state=("shape_",),
    why=_why,
    formula="y[0, t] = x[t]; with channels y[c, t] = x[column t of channel c]",
)
