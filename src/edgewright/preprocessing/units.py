"""Raw counts to physical units, and axes to the way the training sensor was mounted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, take
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, require

_AXES = {"x": 0, "y": 1, "z": 2}


class FullScale(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the counts of a converter mean.

    Attributes:
        full_scale: physical value of the largest count: 2.0 for a sensor of ±2 g.
        bits: of the signed count.
    """

    full_scale: Annotated[float, msgspec.Meta(gt=0.0)]
    bits: Annotated[int, msgspec.Meta(ge=2, le=32)] = 16


class AxisMap(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sensor that is mounted another way round.

    Attributes:
        channels: the names of its x, y and z axis.
        axes: where the new x, y and z come from: ["-y", "x", "z"] takes x from minus y.
    """

    channels: tuple[str, str, str]
    axes: tuple[str, str, str]


class UnitsConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Raw counts to physical units: (count - offset) * scale, then axis maps.

    Attributes:
        scale: units a count: one number, one for each column or channel, or a table {full_scale, bits}.
        offset: count that means zero: one number or one for each column or channel.
        maps: sensors whose axes are swapped or mirrored.
        channels: the columns or channels `scale` and `offset` apply to; all when left out.
        unit: name of the unit that comes out, for the trace.
    """

    scale: float | tuple[float, ...] | FullScale = 1.0
    offset: float | tuple[float, ...] = 0.0
    maps: tuple[AxisMap, ...] = ()
    channels: tuple[str, ...] = ()
    unit: str = ""


@dataclass(eq=False, repr=False)
class Units(SampleTransformer):
    """(x - offset) * scale on permuted columns or channels.

    Args:
        scale: units a count, with the sign of the axis, for each output; one for all.
        offset: count that means zero, for each output; one for all.
        order: column or channel each output is taken from; empty to leave them in place.
        names: of the columns or channels.
        units: of the outputs.
    """

    kind = "units"
    missing = True

    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    order: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def units_out(self) -> tuple[str, ...]:
        """Units of the outputs."""
        return tuple(self.units)

    def formula(self, x: Value) -> Value:
        """(x[order] - offset) * scale."""
        if tuple(self.order) != tuple(range(len(self.order))):
            x = take(x, np.asarray(self.order, np.int64), 1)
        offset, scale = (self._broadcastable(values) for values in (self.offset, self.scale))
        return (x - offset) * scale if offset.any() else x * scale

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        count = max(len(self.order), len(self.scale), len(self.offset))
        one_for_all = count == 1 and not self.order
        if X.shape[1] != count and not one_for_all:
            raise StageSettingsError(f"{count} columns or channels", str(X.shape[1]), self._where())


def _build(config: UnitsConfig, context: Context) -> Units:
    require(context, "units", (1, 2))
    names, n = list(context.names), context.shape[0]
    for name in [*config.channels, *(c for m in config.maps for c in m.channels)]:
        if name not in names:
            raise StageSettingsError(f"one of {', '.join(names)}", repr(name), "stage units")
    chosen = [names.index(c) for c in config.channels] or list(range(n))
    scale, offset = np.ones(n), np.zeros(n)
    scale[chosen] = _each(config.scale, len(chosen), "scale")
    offset[chosen] = _each(config.offset, len(chosen), "offset")
    order, sign = np.arange(n), np.ones(n)
    for axis_map in config.maps:
        sources = [axis.lstrip("+-") for axis in axis_map.axes]
        if sorted(sources) != sorted(_AXES):
            raise StageSettingsError(
                "axes x, y and z once each, such as ['-y', 'x', 'z']", str(axis_map.axes), "stage units"
            )
        for channel, axis, source in zip(axis_map.channels, axis_map.axes, sources, strict=True):
            order[names.index(channel)] = names.index(axis_map.channels[_AXES[source]])
            sign[names.index(channel)] = -1.0 if axis.startswith("-") else 1.0
    before = np.asarray([u or "" for u in context.units] or [""] * n, object)
    if config.unit:
        before[chosen] = config.unit
    return Units(
        scale=tuple(float(v) for v in scale[order] * sign),
        offset=tuple(float(v) for v in offset[order]),
        order=tuple(int(i) for i in order),
        names=context.names,
        units=tuple(str(u) for u in before[order]),
    )


def _each(given: float | tuple[float, ...] | FullScale, n: int, key: str) -> NDArray[np.float64]:
    if isinstance(given, FullScale):
        # A signed converter of b bits gives -2**(b-1) at minus full scale.
        return np.full(n, given.full_scale / 2.0 ** (given.bits - 1))
    values = np.atleast_1d(np.asarray(given, np.float64))
    if len(values) not in (1, n):
        raise StageSettingsError(f"1 or {n} values of {key}", str(len(values)), "stage units")
    return np.broadcast_to(values, (n,))


def _why(estimator: Units) -> str:
    moved = sum(i != index for index, i in enumerate(estimator.order))
    factors = sorted({abs(s) for s in estimator.scale})
    return (
        f"The model uses physical units, not converter counts: scaled by "
        f"{', '.join(f'{f:g}' for f in factors[:3])}{' ...' if len(factors) > 3 else ''}, {moved} axes moved."
    )


STAGE = Stage(
    config=UnitsConfig,
    build=_build,
    state=("shape_",),
    why=_why,
    formula="y = (x[axis] - offset) * scale * sign",
    read_back=lambda given, context: {"unit": given["units"][0]} if len(set(given["units"])) == 1 else {},
)
