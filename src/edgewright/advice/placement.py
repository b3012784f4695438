"""Placement of a model: traffic, energy, latency, downtime and cost on the device, a gateway and a server.

Units are bytes, joules, seconds and watts; a day has 86,400 seconds and a year 365.25 days. Every figure states its
source (`figures.toml`, `radios`, profiles).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec

from edgewright.advice.figures import Figures
from edgewright.advice.records import Flip, Need, Placement, Traffic
from edgewright.core.formatting import bytes_text, microseconds_text, times_text

# Figures whose change can flip the advice: figures that affect the cost, or differ most between sites.
_FIGURES = ("bandwidth", "server", "gateway", "gateway_power", "sharing", "cell_price", "energy", "radio_bit",
            "radio_message", "answer")  # fmt: skip
# Maximum factor by which a figure may change for a flip.
_FARTHEST = 100.0
_MAX_REASONS = 3


def placement_flips(setting: Setting, needs: tuple[Need, ...], location: Placement) -> tuple[Flip, ...]:
    """Return needs that the advised place would miss, and the smallest changes of figures that change the advice."""
    return (*_by_needs(setting, needs, location), *_by_figures(setting, needs, location))


def _by_needs(setting: Setting, needs: tuple[Need, ...], location: Placement) -> tuple[Flip, ...]:
    """Return, for each need that is not set, the limit that this place would miss and the resulting advice."""
    names = {need.name for need in needs}
    lines = []
    if "latency" not in names and location.latency_s > 0 and location.computing:
        limit = location.latency_s
        then = _left(setting, needs, Need(name="latency", text="latency", limit=limit * 0.99))
        lines.append(Flip(when=f"if latency must be below {microseconds_text(1e6 * limit)}", then=then))
    known = location.computing or location.name != DEVICE
    if "battery" not in names and setting.battery and known and math.isfinite(location.battery_days):
        limit = location.battery_days
        then = _left(setting, needs, Need(name="battery", text="battery", limit=limit * 1.01))
        lines.append(Flip(when=f"if the battery must last more than {days(limit)}", then=then))
    if location.name != DEVICE and "privacy" not in names:
        lines.append(Flip(when="if readings may not leave the device (privacy)",
                         then=_left(setting, needs, Need(name="privacy", text="privacy"))))  # fmt: skip
    return tuple(lines)


def _left(setting: Setting, needs: tuple[Need, ...], more: Need) -> str:
    """Return the advice with one additional need as text."""
    locations = places(setting, (*needs, more))
    best, _ = choose(locations)
    if best.misses:
        return "no place meets it with this model; choose a faster device, a larger cell or a smaller model"
    return f"the advice changes to the {best.name}"


def _by_figures(setting: Setting, needs: tuple[Need, ...], location: Placement) -> tuple[Flip, ...]:
    """Return the changes of single figures that change the advised place, smallest factor first."""
    reasons = []
    for name in _FIGURES:
        value = setting.figures[name]
        for up in (True, False):
            limit = _limit(setting, needs, location, name, up)
            if limit is not None:
                other, _ = choose(_places(setting, needs, name, limit))
                reasons.append((max(limit / value, value / limit), name, limit, other.name, up))
    lines = []
    for factor, name, limit, instead, up in sorted(reasons)[:_MAX_REASONS]:
        unit = next((p.unit for p in setting.figures.parameters() if p.name == name), "")
        side = "above" if up else "below"
        lines.append(
            Flip(
                when=f"if {name} is {side} {limit:.3g} {unit} (now {setting.figures[name]:.3g}, a factor of "
                f"{factor:.2g})",
                then=f"the {instead} is the cheapest place that meets every need",
            )
        )
    return tuple(lines)


def _places(setting: Setting, needs: tuple[Need, ...], name: str, value: float) -> tuple[Placement, ...]:
    return places(replace(setting, figures=setting.figures.with_values(**{name: value})), needs)


def _limit(setting: Setting, needs: tuple[Need, ...], location: Placement, name: str, up: bool) -> float | None:
    """Return the value of a figure at which another place is advised; None where it is beyond a factor of `_FARTHEST`.

    A scan and a bisection on the logarithm find it, because the advice can also change where a place misses a need.
    """
    value = setting.figures[name]
    if not math.isfinite(value):
        return None
    sign = 1.0 if up else -1.0

    def other(power: float) -> bool:
        return choose(_places(setting, needs, name, value * 10 ** (sign * power)))[0].name != location.name

    steps = [power / 4 for power in range(1, int(4 * math.log10(_FARTHEST)) + 1)]
    first = next((power for power in steps if other(power)), None)
    if first is None:
        return None
    low, high = first - 0.25, first
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if other(middle) else (middle, high)
    return float(value * 10 ** (sign * high))


DAY = 86_400.0
YEAR_DAYS = 365.25
JOULES_KWH = 3.6e6
# Factor of a need that cannot be confirmed: missed, but by less than any need that is known to be missed.
_UNCONFIRMED = 1.0 + 1e-9
DEVICE, GATEWAY, SERVER = "device", "gateway", "server"


@dataclass(frozen=True)
class Computation:
    """Computation of one answer at one place.

    Attributes:
        runs_on: name of the profile.
        latency_s: computation time in seconds; 0 where unknown.
        active_w: power while computing, in watts.
        known: whether the computation time is known.
    """

    runs_on: str
    latency_s: float
    active_w: float
    known: bool = True


@dataclass(frozen=True)
class Setting:
    """Inputs of the placement model.

    Attributes:
        traffic: traffic per day.
        figures: figures of the cost model.
        sleep_w: power of the device between answers, in watts.
        battery: whether the device runs on a battery instead of mains power.
        columns: names of the columns that are read.
        works: computation of one answer by place.
        cannot: by place, the reason why it cannot run the model.
    """

    traffic: Traffic
    figures: Figures
    sleep_w: float
    battery: bool
    columns: tuple[str, ...]
    works: dict[str, Computation]
    cannot: dict[str, str] = field(default_factory=dict)


def places(setting: Setting, needs: tuple[Need, ...]) -> tuple[Placement, ...]:
    """Return the modelled costs of the three places, each with the needs that it misses."""
    return tuple(_evaluated(_location(name, setting), setting, needs) for name in (DEVICE, GATEWAY, SERVER))


def sent(location: str, setting: Setting) -> tuple[float, float]:
    """Return the bytes, including headers, and the messages that the device sends per day.

    A model on the device sends only new answers. A model elsewhere needs all readings: at least one message per answer,
    because the answer needs the last reading, and enough messages for all bytes.
    """
    traffic, figures = setting.traffic, setting.figures
    if location == DEVICE:
        messages = traffic.told_day
        return messages * (figures["answer"] + figures["radio_header"]), messages
    messages = max(traffic.answers_day, math.ceil(traffic.raw_bytes_day / figures["radio_payload"]))
    return traffic.raw_bytes_day + messages * figures["radio_header"], messages


def _location(name: str, setting: Setting) -> Placement:
    traffic, figures, work = setting.traffic, setting.figures, setting.works[name]
    bytes_day, messages = sent(name, setting)
    radio = 8 * bytes_day * figures["radio_bit"] + messages * figures["radio_message"]
    busy = traffic.answers_day * work.latency_s
    local = name == DEVICE
    compute = busy * work.active_w if local else 0.0
    sleep = max(0.0, DAY - (busy if local else 0.0)) * setting.sleep_w
    joules = radio + compute + sleep
    latency = work.latency_s + (0.0 if local else figures["radio_round_trip"])
    silent = 0.0 if local else figures["link_outage"]
    if name == SERVER:
        latency += figures["internet"]
        silent = min(24.0, silent + figures["internet_outage"])
    return Placement(
        name=name,
        runs_on=work.runs_on,
        bytes_day=bytes_day,
        messages_day=messages,
        radio_j_day=radio,
        compute_j_day=compute,
        sleep_j_day=sleep,
        elsewhere_j_day=0.0 if local else busy * work.active_w,
        battery_days=figures["cell"] / joules if joules > 0 else math.inf,
        latency_s=latency,
        silent_hours_day=silent,
        cost_year=_cost(name, setting, bytes_day, joules),
        leaves=_leaves(name, setting),
        computing=work.known,
    )


def _cost(name: str, setting: Setting, bytes_day: float, joules_day: float) -> float:
    """Return the cost per device in US dollars per year: cells or electricity, internet data, answers, gateway share.

    A gateway forwards as many bytes as a device with the model would send. The price of the device is not included,
    because it is the same in all three places.
    """
    figures = setting.figures
    power = figures["energy"] / JOULES_KWH
    cost = joules_day * YEAR_DAYS * (figures["cell_price"] / figures["cell"] if setting.battery else power)
    paid = sent(DEVICE, setting)[0] if name == GATEWAY else bytes_day
    cost += paid * YEAR_DAYS / 1e9 * figures["bandwidth"]
    if name == GATEWAY:
        each = figures["gateway"] / figures["lifetime"] + figures["gateway_power"] * DAY * YEAR_DAYS * power
        cost += each / figures["sharing"]
    if name == SERVER:
        cost += setting.traffic.answers_day * YEAR_DAYS / 1e6 * figures["server"]
    return cost


def _leaves(name: str, setting: Setting) -> str:
    if name == DEVICE:
        return "answers"
    some = ", ".join(setting.columns[:6]) + (" and more" if len(setting.columns) > 6 else "")
    return f"every reading of {some}" + (", to the gateway only" if name == GATEWAY else "")


def _evaluated(location: Placement, setting: Setting, needs: tuple[Need, ...]) -> Placement:
    """Return the place with the needs that it misses, and the largest factor by which it misses one."""
    figures: dict[str, tuple[float, bool, Callable[[float], str]]] = {
        "latency": (location.latency_s, False, lambda value: microseconds_text(1e6 * value)),
        "battery": (location.battery_days, True, days),
        "bandwidth": (location.bytes_day, False, lambda value: f"{bytes_text(value)}/day"),
        "price": (location.cost_year, False, lambda value: f"{dollars(value)}/y"),
    }
    lines, worst = list[str](), 0.0
    for need in needs:
        factor, message = 0.0, ""
        if need.name in figures and need.limit is not None:
            value, more_is_better, words = figures[need.name]
            factor = need.limit / value if more_is_better else value / need.limit
            side = "too short" if more_is_better else "too much"
            message = f"{need.text}: {words(value)}, {side} by {words(abs(value - need.limit))}"
        elif need.name == "offline" and location.name == SERVER:
            factor, message = math.inf, "offline: it gives no answers without internet"
        elif need.name == "privacy" and location.name != DEVICE:
            factor, message = math.inf, f"privacy: {location.leaves}"
        if factor <= 1 and (unknown := _unknown(location, need)):
            factor, message = _UNCONFIRMED, unknown
        if factor > 1:
            lines, worst = [*lines, message], max(worst, factor)
    if location.name in setting.cannot:
        lines, worst = [*lines, setting.cannot[location.name]], math.inf
    maximum = setting.figures["radio_most"]
    if location.bytes_day > maximum:
        lines.append(
            f"{setting.figures.radio} allows at most {bytes_text(maximum)}/day, but "
            f"{bytes_text(location.bytes_day)}/day must be sent"
        )
        worst = max(worst, location.bytes_day / maximum)
    return msgspec.structs.replace(location, misses=tuple(lines), beyond=min(worst, 1e9))


def _unknown(location: Placement, need: Need) -> str:
    """Return why a need cannot be confirmed where the computation time is unknown; empty where it can."""
    if location.computing or need.name not in (
        ("latency", "battery", "price") if location.name == DEVICE else ("latency",)
    ):
        return ""
    return f"{need.text}: not confirmed, because the time of an answer on {location.runs_on} is unknown"


def choose(locations: tuple[Placement, ...]) -> tuple[Placement, str]:
    """Return the advised place with the reason: the cheapest place that meets every need.

    If no place meets every need, it is the place that misses the fewest, then by the smallest factor.
    """
    able = [location for location in locations if not location.misses]
    if not able:
        nearest = min(locations, key=lambda location: (len(location.misses), location.beyond, location.cost_year))
        return nearest, f"no place meets every need; the {nearest.name} comes nearest: {'; '.join(nearest.misses)}"
    best = min(able, key=lambda location: location.cost_year)
    others = [location for location in able if location is not best]
    if not others:
        out = "; ".join(f"{p.name}: {p.misses[0]}" for p in locations if p.misses)
        return best, f"it is the only place that meets every need ({out})"
    second = min(others, key=lambda location: location.cost_year)
    text = f"{dollars(best.cost_year)} per device and year; the {second.name} costs {dollars(second.cost_year)}"
    out = "".join(f"; not the {p.name}: {p.misses[0]}" for p in locations if p.misses)
    return best, f"it meets every need at the lowest cost: {text}, {ratio(second.cost_year, best.cost_year)}{out}"


def ratio(more: float, less: float) -> str:
    """Return how many times `more` is as large as `less`, in words."""
    if less <= 0 or more / less > 1e4:
        return "more than 10,000 times as much"
    return times_text(more / less) if more / less >= 1.05 else "about as much"


def days(value: float) -> str:
    """Format a battery life in days with a suitable unit."""
    if value >= 20 * YEAR_DAYS:
        return "more than 20 years"
    if value >= 2 * YEAR_DAYS:
        return f"{value / YEAR_DAYS:.1f} years"
    return f"{value:.0f} days" if value >= 2 else f"{value * 24:.1f} hours"


def joules(value: float) -> str:
    """Format an energy in joules with a suitable unit."""
    for unit, size in (("MJ", 1e6), ("kJ", 1e3), ("J", 1.0), ("mJ", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} uJ"


def count(value: float) -> str:
    """Format a number of events per day."""
    return f"{value:,.0f}" if value >= 20 else f"{value:.3g}"


def dollars(value: float) -> str:
    """Format an amount of US dollars with two digits: the figures behind it are assumptions."""
    return f"{float(f'{value:.2g}'):,.15g} USD"
