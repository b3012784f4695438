"""What would change where the model runs: needs that are tighter, figures that are other than assumed."""

from __future__ import annotations

import math
from dataclasses import replace

from edgewright.schema.advice import Flip, Need, Place
from edgewright.search.advise import placement
from edgewright.search.advise.placement import Setting

# Figures that money depends on, and those that differ most between sites.
_FIGURES = ("bandwidth", "server", "gateway", "gateway_power", "sharing", "cell_price", "energy", "radio_bit",
            "radio_message", "answer")  # fmt: skip
# A figure that would have to be another by more than that is no near flip.
_FARTHEST = 100.0
_MOST = 3


def turning(setting: Setting, needs: tuple[Need, ...], place: Place) -> tuple[Flip, ...]:
    """The needs at which the place is lost, and the figures nearest to changing it."""
    return (*_by_needs(setting, needs, place), *_by_figures(setting, needs, place))


def _by_needs(setting: Setting, needs: tuple[Need, ...], place: Place) -> tuple[Flip, ...]:
    """For each amount that was not asked for: the limit from which on this place misses it, and what is left."""
    names = {need.name for need in needs}
    told = []
    if "latency" not in names and place.latency_s > 0 and place.computing:
        limit = place.latency_s
        then = _left(setting, needs, Need(name="latency", text="latency", limit=limit * 0.99))
        told.append(Flip(when=f"with a latency need below {placement.seconds(limit)}", then=then))
    known = place.computing or place.name != placement.DEVICE
    if "battery" not in names and setting.battery and known and math.isfinite(place.battery_days):
        limit = place.battery_days
        then = _left(setting, needs, Need(name="battery", text="battery", limit=limit * 1.01))
        told.append(Flip(when=f"with a battery need above {placement.days(limit)}", then=then))
    if place.name != placement.DEVICE and "privacy" not in names:
        told.append(Flip(when="if readings may not leave the device (privacy)",
                         then=_left(setting, needs, Need(name="privacy", text="privacy"))))  # fmt: skip
    return tuple(told)


def _left(setting: Setting, needs: tuple[Need, ...], more: Need) -> str:
    """What is advised with one need more."""
    found = placement.places(setting, (*needs, more))
    best, _ = placement.choose(found)
    if best.misses:
        return "no place would meet it with this model: a faster device, a larger cell or a smaller model would have to"
    return f"the {best.name} would be advised"


def _by_figures(setting: Setting, needs: tuple[Need, ...], place: Place) -> tuple[Flip, ...]:
    """Figures at which another place becomes the cheapest, the nearest first."""
    found = []
    for name in _FIGURES:
        value = setting.figures[name]
        for up in (True, False):
            limit = _limit(setting, needs, place, name, up)
            if limit is not None:
                other, _ = placement.choose(_places(setting, needs, name, limit))
                found.append((max(limit / value, value / limit), name, limit, other.name, up))
    told = []
    for factor, name, limit, instead, up in sorted(found)[:_MOST]:
        unit = next((p.unit for p in setting.figures.parameters() if p.name == name), "")
        side = "above" if up else "below"
        told.append(
            Flip(
                when=f"with {name} {side} {limit:.3g} {unit} (now {setting.figures[name]:.3g}, {factor:.2g} times that "
                "far)",
                then=f"the {instead} would be the cheapest that meets every need",
            )
        )
    return tuple(told)


def _places(setting: Setting, needs: tuple[Need, ...], name: str, value: float) -> tuple[Place, ...]:
    return placement.places(replace(setting, figures=setting.figures.having(**{name: value})), needs)


def _limit(setting: Setting, needs: tuple[Need, ...], place: Place, name: str, up: bool) -> float | None:
    """The value of a figure from which on another place is advised; None where none within `_FARTHEST` is.

    Found by bisection of the logarithm, since places may also be lost to a need on the way.
    """
    value = setting.figures[name]
    if not math.isfinite(value):
        return None
    sign = 1.0 if up else -1.0

    def other(power: float) -> bool:
        return placement.choose(_places(setting, needs, name, value * 10 ** (sign * power)))[0].name != place.name

    steps = [power / 4 for power in range(1, int(4 * math.log10(_FARTHEST)) + 1)]
    first = next((power for power in steps if other(power)), None)
    if first is None:
        return None
    low, high = first - 0.25, first
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if other(middle) else (middle, high)
    return float(value * 10 ** (sign * high))
