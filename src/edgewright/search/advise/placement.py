"""Where a model should run: traffic, energy, latency, silence and price of the device, a gateway and a server.

All in SI units: bytes, joules, seconds, watts; a day has 86,400 seconds, a year 365.25 days. Sources of the figures are
with them (`figures.toml`, `radios`, profiles).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import msgspec

from edgewright.schema.advice import Flip, Need, Place, Traffic
from edgewright.search.advise.figures import Figures

# Figures that money depends on, and those that differ most between sites.
_FIGURES = ("bandwidth", "server", "gateway", "gateway_power", "sharing", "cell_price", "energy", "radio_bit",
            "radio_message", "answer")  # fmt: skip
# A figure that would have to be another by more than that is no near flip.
_FARTHEST = 100.0
_MOST = 3


def turning(setting: Setting, needs: tuple[Need, ...], location: Place) -> tuple[Flip, ...]:
    """Return the needs at which the place is lost, and the figures nearest to changing it."""
    return (*_by_needs(setting, needs, location), *_by_figures(setting, needs, location))


def _by_needs(setting: Setting, needs: tuple[Need, ...], location: Place) -> tuple[Flip, ...]:
    """For each amount that was not asked for: the limit from which on this place misses it, and what is left."""
    names = {need.name for need in needs}
    lines = []
    if "latency" not in names and location.latency_s > 0 and location.computing:
        limit = location.latency_s
        then = _left(setting, needs, Need(name="latency", text="latency", limit=limit * 0.99))
        lines.append(Flip(when=f"if latency must be below {seconds(limit)}", then=then))
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
    """Return what is advised with one need more."""
    found = places(setting, (*needs, more))
    best, _ = choose(found)
    if best.misses:
        return "no place meets it with this model; choose a faster device, a larger cell or a smaller model"
    return f"the advice changes to the {best.name}"


def _by_figures(setting: Setting, needs: tuple[Need, ...], location: Place) -> tuple[Flip, ...]:
    """Return figures at which another place becomes the cheapest, the nearest first."""
    found = []
    for name in _FIGURES:
        value = setting.figures[name]
        for up in (True, False):
            limit = _limit(setting, needs, location, name, up)
            if limit is not None:
                other, _ = choose(_places(setting, needs, name, limit))
                found.append((max(limit / value, value / limit), name, limit, other.name, up))
    lines = []
    for factor, name, limit, instead, up in sorted(found)[:_MOST]:
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


def _places(setting: Setting, needs: tuple[Need, ...], name: str, value: float) -> tuple[Place, ...]:
    return places(replace(setting, figures=setting.figures.having(**{name: value})), needs)


def _limit(setting: Setting, needs: tuple[Need, ...], location: Place, name: str, up: bool) -> float | None:
    """Return the value of a figure from which on another place is advised; None where none within `_FARTHEST` is.

    Found by bisection of the logarithm, since places may also be lost to a need on the way.
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
# A need that cannot be confirmed is missed, by less than any that is known to be.
_UNCONFIRMED = 1.0 + 1e-9
DEVICE, GATEWAY, SERVER = "device", "gateway", "server"


@dataclass(frozen=True)
class Work:
    """One answer at one place.

    Attributes:
        runs_on: name of the profile.
        latency_s: of the computation.
        active_w: watts while it computes.
        known: whether that time is known at all.
    """

    runs_on: str
    latency_s: float
    active_w: float
    known: bool = True


@dataclass(frozen=True)
class Setting:
    """What all places have in common.

    Attributes:
        traffic: of a day.
        figures: parameters.
        sleep_w: of the device between answers, watts.
        battery: whether the device runs on a cell; else on mains.
        columns: names of what is read, for what leaves the device.
        works: by place.
        cannot: why a place cannot hold the model at all, by place.
    """

    traffic: Traffic
    figures: Figures
    sleep_w: float
    battery: bool
    columns: tuple[str, ...]
    works: dict[str, Work]
    cannot: dict[str, str] = field(default_factory=dict)


def places(setting: Setting, needs: tuple[Need, ...]) -> tuple[Place, ...]:
    """Return the three places in numbers, each with the needs that it misses."""
    return tuple(_judged(_place(name, setting), setting, needs) for name in (DEVICE, GATEWAY, SERVER))


def sent(location: str, setting: Setting) -> tuple[float, float]:
    """Return bytes, headers included, and messages that the device sends in a day.

    On the device only answers that tell something new are sent. Elsewhere all readings are: at least a message an
    answer, since nobody can answer before the last reading is there, and as many as their bytes fill.
    """
    traffic, figures = setting.traffic, setting.figures
    if location == DEVICE:
        messages = traffic.told_day
        return messages * (figures["answer"] + figures["radio_header"]), messages
    messages = max(traffic.answers_day, math.ceil(traffic.raw_bytes_day / figures["radio_payload"]))
    return traffic.raw_bytes_day + messages * figures["radio_header"], messages


def _place(name: str, setting: Setting) -> Place:
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
    return Place(
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
    """US dollars a year for one device: its cells or its electricity, data to the internet, answers, a gateway's share.

    What a gateway sends on is as much as a device with the model would send itself. Nobody pays for the device here:
    it is there in all three cases.
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


def _judged(location: Place, setting: Setting, needs: tuple[Need, ...]) -> Place:
    """Return the place with the needs that it misses, and the factor by which the worst is."""
    figures = {
        "latency": (location.latency_s, False, seconds),
        "battery": (location.battery_days, True, days),
        "bandwidth": (location.bytes_day, False, lambda value: f"{amount_bytes(value)}/day"),
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
            f"{setting.figures.radio} may send {amount_bytes(maximum)}/day: {amount_bytes(location.bytes_day)}/day"
        )
        worst = max(worst, location.bytes_day / maximum)
    return msgspec.structs.replace(location, misses=tuple(lines), beyond=min(worst, 1e9))


def _unknown(location: Place, need: Need) -> str:
    """Why nobody can confirm that a need is met: it depends on how long an answer takes, which is not known there."""
    if location.computing or need.name not in (
        ("latency", "battery", "price") if location.name == DEVICE else ("latency",)
    ):
        return ""
    return f"{need.text}: not confirmed, because the time of an answer on {location.runs_on} is unknown"


def choose(found: tuple[Place, ...]) -> tuple[Place, str]:
    """Return the place that is advised, and why with its margin: the cheapest of those that miss no need.

    Where every place misses one, the one that misses fewest, and least.
    """
    able = [place for place in found if not place.misses]
    if not able:
        nearest = min(found, key=lambda place: (len(place.misses), place.beyond, place.cost_year))
        return nearest, f"no place meets every need; the {nearest.name} comes nearest: {'; '.join(nearest.misses)}"
    best = min(able, key=lambda place: place.cost_year)
    others = [place for place in able if place is not best]
    if not others:
        out = "; ".join(f"{p.name}: {p.misses[0]}" for p in found if p.misses)
        return best, f"only it meets every need ({out})"
    second = min(others, key=lambda place: place.cost_year)
    text = f"{dollars(best.cost_year)} per device and year; the {second.name} costs {dollars(second.cost_year)}"
    out = "".join(f"; not the {p.name}: {p.misses[0]}" for p in found if p.misses)
    return best, f"it meets every need at the lowest cost: {text}, {ratio(second.cost_year, best.cost_year)}{out}"


def ratio(more: float, less: float) -> str:
    """How many times more, in words."""
    if less <= 0 or more / less > 1e4:
        return "more than 10,000 times as much"
    return f"{more / less:.2g} times as much" if more / less >= 1.05 else "about as much"


def _scaled(value: float, units: str, largest: float) -> str:
    """Return a value in the largest of some units, each a thousand times the next, that it reaches; else the last."""
    *larger, smallest = units.split()
    for unit in larger:
        if value >= largest:
            return f"{value / largest:.3g} {unit}"
        largest /= 1000
    return f"{value / largest:.3g} {smallest}"


def seconds(value: float) -> str:
    """Return a time as a person reads it."""
    return _scaled(value, "s ms us", 1.0)


def days(value: float) -> str:
    """How long a cell lasts."""
    if value >= 20 * YEAR_DAYS:
        return "beyond 20 years"
    if value >= 2 * YEAR_DAYS:
        return f"{value / YEAR_DAYS:.1f} years"
    return f"{value:.0f} days" if value >= 2 else f"{value * 24:.1f} hours"


def amount_bytes(value: float) -> str:
    """Return bytes as a person reads them."""
    return _scaled(value, "GB MB kB B", 1e9)


def joules(value: float) -> str:
    """Energy as a person reads it."""
    return _scaled(value, "MJ kJ J mJ uJ", 1e6)


def count(value: float) -> str:
    """Return a number of things a day."""
    return f"{value:,.0f}" if value >= 20 else f"{value:.3g}"


def dollars(value: float) -> str:
    """US dollars as a person reads them."""
    if value < 0.005:
        return f"{value:.1g} USD" if value else "0 USD"
    return f"{value:,.2f} USD" if value < 100 else f"{value:,.0f} USD"
