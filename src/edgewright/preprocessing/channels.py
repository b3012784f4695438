"""Channels computed from channels: gravity and body, jerk, magnitude, vertical and horizontal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, centre, cut, difference, join, matmul, mean, sqrt, take, total
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, from_config, require, require_rate
from edgewright.preprocessing.filter import filter_matrix

# Shares of a length below which a direction means nothing; keeps the division finite in free fall.
_DIRECTION_GUARD = 1e-6


class Derived(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step: new channels from channels that arrive or were made by a step before.

    Attributes:
        kind: 'split' makes 'NAME gravity' (slow) and 'NAME body' (the rest) of each channel; 'jerk' makes the change
            a second of each; 'magnitude' makes the length of the vector `of`; 'vertical' makes the part of the
            vector's movement about its mean that lies along the mean, and the length of the rest ('horizontal').
        of: channels; all that arrive when left out.
        name: name of the vector, for 'magnitude' and 'vertical'.
        cutoff: Hz below which a change is gravity, for 'split'.
        order: of the zero-phase Butterworth filter of 'split'.
    """

    kind: Literal["split", "jerk", "magnitude", "vertical"] = msgspec.field(name="what")
    of: tuple[str, ...] = ()
    name: str = ""
    cutoff: Annotated[float, msgspec.Meta(gt=0.0)] = 0.3
    order: Annotated[int, msgspec.Meta(ge=1, le=6)] = 3


class ChannelsConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Adds channels to a window.

    Attributes:
        add: steps in order; a later one may use the channels of an earlier one.
        keep: 'all' channels, the 'new' ones, or names in the order wanted.
    """

    add: tuple[Derived, ...]
    keep: Literal["all", "new"] | tuple[str, ...] = "all"


@dataclass(frozen=True)
class _Step:
    kind: str
    of: tuple[int, ...]
    cutoff: float
    order: int


@dataclass(eq=False, repr=False)
class Channels(SampleTransformer):
    """Appends derived channels and keeps those asked for.

    Args:
        steps: what to compute from which places, in order.
        kept: places that come out.
        labels: names of all places.
        rate: samples a second.
        names: of the channels that arrive.

    Attributes:
        matrices_: the low-pass matrix of each 'split', in order.
    """

    kind = "channels"
    takes = (2,)

    matrices_: list[NDArray[np.float32]] = field(init=False)

    steps: tuple[tuple[str, tuple[int, ...], float, int], ...] = ()
    kept: tuple[int, ...] = (0,)
    labels: tuple[str, ...] = ("x0",)
    rate: float = 50.0
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Each step's channels after those before it, then the choice."""
        splits = iter(self.matrices_)
        for step in (_Step(*values) for values in self.steps):
            part = take(x, np.asarray(step.of, np.int64), 1)
            if step.kind == "split":
                # On deviations from the mean, of which the body is the size: float32 then keeps its digits.
                level = mean(part, 2, keep=True)
                moved = part - level
                slow = matmul(moved, np.asarray(next(splits), np.float32))
                new = join([level + slow, moved - slow], 1)
            else:
                new = _VECTORS[step.kind](part, self.rate)
            x = join([x, new], 1)
        if tuple(self.kept) == tuple(range(len(self.labels))):
            return x
        return take(x, np.asarray(self.kept, np.int64), 1)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        self.matrices_ = []
        for step in (_Step(*values) for values in self.steps):
            if step.kind == "split":
                sections = signal.butter(step.order, step.cutoff, "lowpass", fs=self.rate, output="sos")
                self.matrices_.append(filter_matrix(sections, X.shape[2], zero_phase=True, mirrored=True))

    def _names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.labels[index] for index in self.kept)


def _jerk(x: Value, rate: float) -> Value:
    # One change fewer than samples: the first is repeated, so that channels stay of one length.
    change = difference(x, 2) * rate
    return join([cut(change, 0, 1, 2), change], 2)


def _magnitude(x: Value, rate: float) -> Value:
    return sqrt(total(x * x, 1, keep=True))


def _vertical(x: Value, rate: float) -> Value:
    level = mean(x, 2, keep=True)
    direction = level / (sqrt(total(level * level, 1, keep=True)) + _DIRECTION_GUARD)
    # The movement only: with the level in it, a still window would show the rounding of the level.
    moved = centre(x, 2)
    along = total(moved * direction, 1, keep=True)
    # The rest as a vector, not as |x|^2 - along^2, whose digits cancel.
    rest = moved - direction * along
    return join([along, _magnitude(rest, rate)], 1)


_VECTORS: dict[str, Callable[[Value, float], Value]] = {
    "jerk": _jerk,
    "magnitude": _magnitude,
    "vertical": _vertical,
}


def _new_names(step: Derived, of: tuple[str, ...]) -> list[str]:
    if step.kind == "split":
        return [f"{name} gravity" for name in of] + [f"{name} body" for name in of]
    if step.kind == "jerk":
        return [f"{name} jerk" for name in of]
    vector = step.name or "+".join(of)
    return [f"{vector} {part}" for part in (["magnitude"] if step.kind == "magnitude" else ["vertical", "horizontal"])]


def _build(config: ChannelsConfig, context: Context) -> Channels:
    require(context, "channels", (2,))
    labels = list(context.names)
    steps = []
    for number, step in enumerate(config.add, 1):
        where = f"stage channels, step {number} ({step.kind})"
        of = step.of or context.names
        for name in of:
            if name not in labels:
                raise StageSettingsError(f"one of {', '.join(labels)}", repr(name), where)
        rate = require_rate(context, "channels") if step.kind in ("split", "jerk") else context.rate or 1.0
        if step.kind == "split" and step.cutoff >= rate / 2:
            raise StageSettingsError(f"a cutoff below half the rate ({rate / 2:g} Hz)", f"{step.cutoff:g}", where)
        if step.kind == "jerk" and context.shape[1] < 2:
            raise StageSettingsError("windows of at least 2 samples", str(context.shape[1]), where)
        steps.append((step.kind, tuple(labels.index(name) for name in of), step.cutoff, step.order))
        new = _new_names(step, of)
        if set(new) & set(labels):
            raise StageSettingsError(
                "new names of channels", f"{new[0]!r} twice", where, "Give the step another `name`"
            )
        labels += new
    if isinstance(config.keep, str):
        kept = list(range(0 if config.keep == "all" else len(context.names), len(labels)))
    else:
        for name in config.keep:
            if name not in labels:
                raise StageSettingsError(f"one of {', '.join(labels)}", repr(name), "stage channels, key keep")
        kept = [labels.index(name) for name in config.keep]
    if not kept:
        raise StageSettingsError("at least one channel to keep", "none", "stage channels")
    return from_config(Channels, config, context, steps=tuple(steps), kept=tuple(kept), labels=tuple(labels))


def _why(estimator: Channels) -> str:
    new = [name for name in estimator.get_feature_names_out() if name not in estimator.names]
    return (
        f"Derived channels describe movement better: {len(new)} are added to {estimator.shape_[0]} "
        f"({', '.join(new[:3])}{' ...' if len(new) > 3 else ''}), {len(estimator.kept)} are kept."
    )


STAGE = Stage(
    config=ChannelsConfig,
    build=_build,
    state=("shape_", "matrices_"),
    why=_why,
    formula=(
        "gravity = zero-phase low-pass of x, mirrored at its ends; body = x - gravity; "
        "jerk[t] = (x[t] - x[t-1]) * rate; magnitude = sqrt(x^2 + y^2 + z^2); "
        "m = mean(v), vertical = (v - m) . m / |m|, horizontal = |v - m - vertical m / |m||"
    ),
)
