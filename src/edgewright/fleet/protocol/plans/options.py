"""The options of a plan and their defaults, which the command line and the simulator share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from edgewright.core.errors import PlanError, UnknownNameError
from edgewright.core.formatting import parse_duration
from edgewright.core.measures import measures
from edgewright.core.records.fleet import Cohort, Gate, Plan, Release, Stage, TrialLimits, Window
from edgewright.fleet.protocol.layout import DAY, LONGEST, RELEASES
from edgewright.fleet.protocol.plans.decision import day, earliest, lasting, listed, parse, percent
from edgewright.fleet.protocol.plans.detection import (
    BY_SIZE,
    DEFAULT_FIND_WITHIN,
    canary_percent,
    detections,
    dwell_for,
    watched_s,
)
from edgewright.fleet.protocol.plans.gates import SHARES
from edgewright.fleet.protocol.rollout_records import StageDetection

DEFAULT_WATCH = 7 * DAY
"""Seconds for which a finished rollout stays under its gates, or longer where `find_within` needs it."""
_LATER = (10, 50, 100)
"""Percent of the stages after the first one of a default plan."""
DEFAULT_SILENCE = 1800.0
"""Seconds until a device counts as silent; less than the dwell, so that a dead device counts as failed in its stage."""
DEFAULT_GATES = tuple(
    Gate(measure=name, limit=measure.default[0], ratio=measure.default[1])
    for name, measure in sorted(measures().items(), key=lambda item: item[1].rank)
    if measure.default
)
"""At most 30 % of the devices may fail, so that 20 % of devices with false reports cannot stop a good release. Other
measures are compared with devices on the old release at the same time, so a fleet's normal values need not be known."""


class PlanOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan file: a plan without the fields that are computed at signing.

    Attributes:
        stages: stages in order; empty for `default_stages`.
        gates: gates of the plan; None for `default_gates`.
        quorum: quorum of the default gates.
        find_within: seconds after the activation within which a fault shows that must be found before the next stage;
            None for `DEFAULT_FIND_WITHIN`, and for whatever given stages allow.
        cohorts, windows, trial, holdout, silence, pace, unconfirmed, note: as `schema.fleet_plan.Plan`.
        watch: as there; None for `DEFAULT_WATCH`, or longer where `find_within` needs it.
        days: days after which the plan expires.
    """

    stages: tuple[Stage, ...] = ()
    gates: tuple[Gate, ...] | None = None
    quorum: Annotated[int, msgspec.Meta(ge=1)] = 5
    find_within: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] | None = None
    cohorts: dict[str, Cohort] = {}
    windows: tuple[Window, ...] = ()
    trial: TrialLimits = TrialLimits()
    holdout: float = 0.0
    silence: float = DEFAULT_SILENCE
    pace: float = 0.0
    unconfirmed: float = BY_SIZE
    watch: float | None = None
    days: float = 30.0
    note: str = ""


def default_gates(quorum: int, steps: Sequence[Stage]) -> tuple[Gate, ...]:
    """Return the default gates; with a single stage no device keeps the old release for comparison."""
    return tuple(
        msgspec.structs.replace(gate, quorum=quorum) for gate in DEFAULT_GATES if not gate.ratio or len(steps) > 1
    )


def default_dwell(options: PlanOptions) -> float:
    """Return the dwell of stages without their own, in seconds."""
    within = DEFAULT_FIND_WITHIN if options.find_within is None else options.find_within
    return dwell_for(within, options.silence)


def default_stages(devices: int | None, dwell: float, **fields: Any) -> tuple[Stage, ...]:  # noqa: ANN401
    """Return the stages of a plan without any: the first one is as large as it must be to find a bad release.

    Args:
        devices: devices that the rollout is for; None where nobody knows.
        dwell: seconds of each stage.
        fields: `cohorts` and `open_ones` of `parser.stages`.
    """
    first = canary_percent(devices) if devices else 1
    parts = [f"canary:{first}%", *(f"{share}%" for share in _LATER if share >= 2 * first)]
    if devices and devices * first < 100:  # stages of less than one device find nothing
        parts = [f"{share}%" for share in _LATER[1:]]
    return stages(",".join(parts), dwell, **fields)


def complete(options: PlanOptions, devices: int | None) -> PlanOptions:
    """Return the options with stages and watch.

    Args:
        options: options of the plan.
        devices: devices that the rollout is for; None where nobody knows.

    Raises:
        InputError: stages or watch are too short for `find_within`.
    """
    steps = options.stages or default_stages(devices, default_dwell(options))
    within = max(0.0, *(watched_s(stage.dwell, options.silence) for stage in steps))
    watch = max(DEFAULT_WATCH, dwell_for(within, options.silence)) if options.watch is None else options.watch
    if options.find_within:
        needed = dwell_for(options.find_within, options.silence)
        short = [(f"stage {stage.name!r}", stage.dwell) for stage in steps if stage.dwell < needed]
        short += [("the watch after the end", watch)] if watch < needed else []
        for subject, got in short:
            raise PlanError(
                f"at least {lasting(needed)}, to find faults that show within {lasting(options.find_within)}",
                lasting(got), f"{subject} of the plan", "Make it longer, or choose a shorter --find-within",
            )  # fmt: skip
    return msgspec.structs.replace(options, stages=steps, watch=watch)


def preview_of(plan: Plan | PlanOptions, members: Sequence[int]) -> tuple[StageDetection, ...]:
    """Return what each stage of a complete plan finds.

    Args:
        plan: with its stages.
        members: as in `detections`.
    """
    return detections(
        plan.stages, members, unconfirmed=plan.unconfirmed, silence=plan.silence, holdout=plan.holdout
    )  # fmt: skip


def make_plan(
    options: PlanOptions, release: Release, revert: Release | None, *, name: str, salt: str, now: float,
    devices: int | None = None,
) -> Plan:  # fmt: skip
    """Create the plan of a release, as `fleet rollout start` signs it.

    Args:
        options: options of the plan; missing ones get defaults.
        release: release to roll out.
        revert: its rollback release; None for a product's first release.
        name: id of the plan.
        salt: 32 random bytes, hexadecimal.
        now: start of the plan, seconds since 1970.
        devices: devices that it is for, from which default stages follow; None where nobody knows.

    Raises:
        InputError: a field of the plan is out of range.
    """
    options = complete(options, devices)
    steps = options.stages
    gates = default_gates(options.quorum, steps) if options.gates is None else options.gates
    own = ("days", "quorum", "find_within")
    copied = {field: getattr(options, field) for field in options.__struct_fields__ if field not in own}
    fields: Mapping[str, Any] = {**copied, "gates": gates}
    plan = Plan(
        id=name, release=release, revert=revert, salt=salt, starts=now, expires=now + options.days * DAY, enrolled=now,
        **fields,
    )  # fmt: skip
    try:
        return msgspec.json.decode(msgspec.json.encode(plan), type=Plan)  # validates names and numbers again
    except msgspec.ValidationError as error:
        raise PlanError("a plan", str(error), "the options") from None


CHOSEN = "chosen"
"""Name of the cohort that the command line creates."""
_NUMBER = r"(\d+(?:\.\d+)?)"


def seconds(text: str, where: str) -> float:
    """Parse a duration such as '90s', '15min', '12h' or '7d' into seconds; only 0 needs no unit.

    Raises:
        InputError: the text has another form.
    """
    parsed = parse_duration(text)
    if parsed is None or (parsed > 0 and text.rstrip()[-1].isdigit()):
        raise PlanError("a time such as 90s, 15m, 12h or 7d", repr(text), where)
    return parsed


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
            raise PlanError("stages as canary:1%,10%,50%@2h,100%", repr(part.strip()), "--stages")
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
        raise PlanError("a gate such as alarms<=5, failed<=30%, latency<=x2", repr(text), "--gate")
    name, ratio, number, unit = match.groups()
    if name not in measures():
        raise UnknownNameError("measure", name, tuple(measures()), "--gate")
    if ratio and unit:
        raise PlanError("a ratio without a unit, such as latency<=x2", repr(text), "--gate")
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
            raise PlanError(
                "a condition such as tag=north, profile=pi, counter=3-5 or device=ID", repr(text), "--cohort"
            )
        record[name] += [value.strip() for value in values.split(",")]
    counters = None
    if record["counter"]:
        ends = record["counter"][0].split("-")
        if len(record["counter"]) > 1 or not 1 <= len(ends) <= 2 or not all(end.isdigit() for end in ends):
            raise PlanError("one range of releases such as counter=3-5", ",".join(record["counter"]), "--cohort")
        counters = (int(ends[0]), int(ends[-1]))
    for device in record["device"]:
        if not re.fullmatch(r"[0-9a-f]{32}", device):
            raise PlanError("a device's id of 32 hexadecimal digits", repr(device), "--cohort")
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
        raise PlanError("a window such as 'sat,sun 02:00-05:00'", str(error), "--window") from None


def pace(text: str) -> float:
    """Parse devices per hour such as '100/h'; 0 means no limit.

    Raises:
        InputError: the text has another form.
    """
    match = re.fullmatch(rf"{_NUMBER}(/h)?", text.strip())
    if match is None:
        raise PlanError("devices per hour such as 100/h", repr(text), "--pace")
    return float(match.group(1))


def share(text: str, where: str) -> float:
    """Parse a percentage such as '5%'.

    Raises:
        InputError: the text has another form.
    """
    match = re.fullmatch(rf"{_NUMBER}\s*%?", text.strip())
    if match is None or float(match.group(1)) > 100.0:
        raise PlanError("a share such as 5%", repr(text), where)
    return float(match.group(1))


STEADY = (0.25, 0.75)
"""Range of quantiles that 20 % of devices with false reports cannot shift arbitrarily."""


def check(plan: Plan) -> None:
    """Refuse a plan with a problem.

    Raises:
        InputError: the plan has a problem; the error is the first one.
    """
    for expected, got, where in problems(plan):
        raise PlanError(expected, got, f"plan {plan.id}, {where}", "Nothing was signed")


def check_new(plan: Plan) -> None:
    """Refuse a plan that is about to be signed; older plans, which devices may follow already, stay valid.

    Raises:
        InputError: as `check`, or a stage could end before a device that died in it counts as failed.
    """
    check(plan)
    for stage in plan.stages:
        if stage.gated and stage.dwell < plan.silence:
            needed, got = lasting(plan.silence), lasting(stage.dwell)
            raise PlanError(
                f"a dwell of at least {needed}, the silence after which a device counts as failed",
                f"{got} in stage {stage.name!r}", f"plan {plan.id}, stages",
                f"Use --dwell {_option(plan.silence)} or more, or --silence {_option(stage.dwell)} or less",
            )  # fmt: skip


def _option(seconds: float) -> str:
    """Return a duration as the command line takes it."""
    return f"{seconds / 60.0:g}m" if seconds >= 60.0 and seconds % 60.0 == 0.0 else f"{seconds:g}s"


def problems(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield the problems of a plan, as (expected, got, where)."""
    yield from _releases(plan)
    yield from _times(plan)
    yield from _stages(plan)
    names = Counter((gate.measure, bool(gate.ratio)) for gate in plan.gates)
    for (measure, _), count in names.items():
        if count > 1:
            yield "one gate for each measure", f"{count} for {measure!r}", "gates"
    for gate in plan.gates:
        yield from _gate(plan, gate)


def _releases(plan: Plan) -> Iterator[tuple[str, str, str]]:
    back = plan.revert
    if back is not None and back.product != plan.release.product:
        yield f"a rollback release of product {plan.release.product!r}", repr(back.product), "revert"
    if back is not None and back.counter != plan.release.counter + 1:
        yield f"a rollback release with counter {plan.release.counter + 1}", str(back.counter), "revert"


def _times(plan: Plan) -> Iterator[tuple[str, str, str]]:
    if not plan.starts < plan.expires:
        yield f"an expiry after the start on {day(plan.starts)}", day(plan.expires), "expires"
    if plan.enrolled > plan.expires:
        yield "devices counted that were enrolled before the plan expires", day(plan.enrolled), "enrolled"
    longest = LONGEST[RELEASES]
    if plan.expires - plan.starts > longest:
        yield f"an expiry within {lasting(longest)}", lasting(plan.expires - plan.starts), "expires"
    needed = earliest(plan, len(plan.stages) - 1)
    if needed >= plan.expires - plan.starts:
        got = f"{lasting(needed)} of dwells before the last of {len(plan.stages)} stages"
        yield f"dwells that end before the plan does, after {lasting(plan.expires - plan.starts)}", got, "stages"
    for window in plan.windows:
        if window.start == window.end or not window.days:
            yield "a window of some minutes on some day", "an empty one", "windows"


def _stages(plan: Plan) -> Iterator[tuple[str, str, str]]:
    names = Counter(stage.name for stage in plan.stages)
    for name, count in names.items():
        if count > 1:
            yield "a name of its own for each stage", f"{name!r} {count} times", "stages"
    highest: dict[tuple[str, ...], float] = {}
    for stage in plan.stages:
        where = f"stage {stage.name}"
        for name in stage.cohorts:
            if name not in plan.cohorts:
                yield f"a cohort of the plan ({', '.join(plan.cohorts) or 'it has none'})", repr(name), where
        if stage.percent <= 0.0:
            yield "more than 0 % of the devices", percent(stage.percent), where
        key = tuple(sorted(set(stage.cohorts)))
        before = highest.get(key, 0.0)
        if stage.percent < before:
            yield f"at least the {percent(before)} that an earlier stage has", percent(stage.percent), where
        highest[key] = max(before, stage.percent)
    for name, cohort in plan.cohorts.items():
        if cohort.counters is not None and cohort.counters[0] > cohort.counters[1]:
            yield "counters as (lowest, highest)", str(cohort.counters), f"cohort {name}"
    if plan.holdout and len(plan.stages) < 2:
        yield "at least two stages: the hold-out waits for the last one", "one", "holdout"
    if plan.holdout > 50.0:
        yield "a hold-out of at most 50 %", percent(plan.holdout), "holdout"


def _gate(plan: Plan, gate: Gate) -> Iterator[tuple[str, str, str]]:
    where = f"gate {gate.measure}"
    if gate.measure not in measures():
        yield f"a measure that this version knows: {', '.join(measures())}", repr(gate.measure), where
    if gate.limit < 0.0:
        yield "a limit of 0 or more", f"{gate.limit:g}", where
    if gate.measure in SHARES and gate.limit >= 1.0 and not gate.ratio:
        yield "a share below 1", f"{gate.limit:g}, which no fleet exceeds", where
    if gate.measure not in SHARES and not STEADY[0] <= gate.quantile <= STEADY[1]:
        yield f"a quantile from {STEADY[0]} to {STEADY[1]}, robust to false reports", f"{gate.quantile:g}", where
    if gate.ratio and gate.measure in SHARES:
        yield "a limit: the new release makes no device on the old one fail or fall silent", "a ratio", where
    if gate.ratio and len(plan.stages) < 2:
        yield "at least two stages, so that some devices keep the old release meanwhile", "one", where
