"""Parses rollout options of the command line into parts of a plan."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from edgewright.core.measures import measures
from edgewright.fleet.protocol.plans.decision import listed
from edgewright.fleet.protocol.plans.formatting import percent
from edgewright.fleet.protocol.plans.windows import parse
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.fleet_plan import Cohort, Gate, Stage, Window

CHOSEN = "chosen"
"""Name of the cohort that the command line creates."""
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_NUMBER = r"(\d+(?:\.\d+)?)"


def seconds(text: str, where: str) -> float:
    """Parse a duration such as '90s', '15min', '12h' or '7d' into seconds; '0' is 0 seconds.

    Raises:
        InputError: the text has another form.
    """
    match = re.fullmatch(rf"{_NUMBER}(s|m|min|h|d)", text.strip())
    if match is None and text.strip() != "0":
        raise InputError("a time such as 90s, 15m, 12h or 7d", repr(text), where)
    return float(match.group(1)) * _UNITS[match.group(2)] if match else 0.0


def stages(text: str, dwell: float, cohorts: tuple[str, ...] = (), open_ones: Sequence[str] = ()) -> tuple[Stage, ...]:
    """Parse stages such as 'canary:1%,10%@2h,50%,100%'.

    Args:
        text: for each stage an optional name, the percentage, and an optional dwell.
        dwell: seconds for stages without their own dwell.
        cohorts: cohorts of all stages.
        open_ones: names of stages whose devices need no acknowledged intent.

    Raises:
        InputError: the text has another form.
    """
    parsed = []
    for part in text.split(","):
        match = re.fullmatch(rf"(?:([a-z0-9][a-z0-9-]*):)?{_NUMBER}\s*%(?:@(\w+))?", part.strip())
        if match is None or float(match.group(2)) > 100.0:
            raise InputError("stages as canary:1%,10%,50%@2h,100%", repr(part.strip()), "--stages")
        number = float(match.group(2))
        name = match.group(1) or percent(number).removesuffix(" %").replace(".", "-")
        lasts = seconds(match.group(3), "--stages") if match.group(3) else dwell
        parsed.append(Stage(name=name, percent=number, cohorts=cohorts, dwell=lasts, gated=name not in open_ones))
    names = [stage.name for stage in parsed]
    for name in open_ones:
        if name not in names:
            raise UnknownNameError("stage", name, names, "--open")
    return tuple(parsed)


def gate(text: str, quorum: int = 5) -> Gate:
    """Parse a gate such as 'alarms<=5', 'failed<=30%', 'latency<=x2' or 'latency<=200ms'.

    Raises:
        InputError: the text has another form.
        UnknownNameError: the measure does not exist.
    """
    match = re.fullmatch(rf"([a-z_]+)\s*<=\s*(x?){_NUMBER}\s*(%|ms|s|MB|kB|B)?", text.strip())
    if match is None:
        raise InputError("a gate such as alarms<=5, failed<=30%, latency<=x2", repr(text), "--gate")
    name, ratio, number, unit = match.groups()
    if name not in measures():
        raise UnknownNameError("measure", name, tuple(measures()), "--gate")
    if ratio and unit:
        raise InputError("a ratio without a unit, such as latency<=x2", repr(text), "--gate")
    scale = {"%": 0.01, "ms": 0.001, "MB": 1e6, "kB": 1e3}.get(unit or "", 1.0)
    value = {"ratio": float(number)} if ratio else {"limit": float(number) * scale}
    return msgspec.convert({"measure": name, "quorum": quorum, **value}, Gate)


def cohort(conditions: Sequence[str], salt: str) -> Cohort | None:
    """Parse a cohort from 'tag=north,south', 'profile=pi', 'counter=3-5', 'device=ID'; None without conditions.

    Raises:
        InputError: a condition has another form.
    """
    if not conditions:
        return None
    record: dict[str, list[str]] = {"tag": [], "profile": [], "counter": [], "device": []}
    for text in conditions:
        name, _, values = text.partition("=")
        if name not in record or not values:
            raise InputError(
                "a condition such as tag=north, profile=pi, counter=3-5 or device=ID", repr(text), "--cohort"
            )
        record[name] += [value.strip() for value in values.split(",")]
    counters = None
    if record["counter"]:
        ends = record["counter"][0].split("-")
        if len(record["counter"]) > 1 or not 1 <= len(ends) <= 2 or not all(end.isdigit() for end in ends):
            raise InputError("one range of releases such as counter=3-5", ",".join(record["counter"]), "--cohort")
        counters = (int(ends[0]), int(ends[-1]))
    for device in record["device"]:
        if not re.fullmatch(r"[0-9a-f]{32}", device):
            raise InputError("a device's id of 32 hexadecimal digits", repr(device), "--cohort")
    return Cohort(
        tags=tuple(record["tag"]), profiles=tuple(record["profile"]), counters=counters,
        devices=tuple(sorted(listed(salt, device) for device in record["device"])),
    )  # fmt: skip


def windows(texts: Sequence[str]) -> tuple[Window, ...]:
    """Parse maintenance windows such as 'sat,sun 02:00-05:00', in UTC.

    Raises:
        InputError: a text has another form.
    """
    try:
        return tuple(parse(text) for text in texts)
    except ValueError as error:
        raise InputError("a window such as 'sat,sun 02:00-05:00'", str(error), "--window") from None


def pace(text: str) -> float:
    """Parse devices per hour such as '100/h'; 0 means no limit.

    Raises:
        InputError: the text has another form.
    """
    match = re.fullmatch(rf"{_NUMBER}(/h)?", text.strip())
    if match is None:
        raise InputError("devices per hour such as 100/h", repr(text), "--pace")
    return float(match.group(1))


def share(text: str, where: str) -> float:
    """Parse a percentage such as '5%'.

    Raises:
        InputError: the text has another form.
    """
    match = re.fullmatch(rf"{_NUMBER}\s*%?", text.strip())
    if match is None or float(match.group(1)) > 100.0:
        raise InputError("a share such as 5%", repr(text), where)
    return float(match.group(1))
