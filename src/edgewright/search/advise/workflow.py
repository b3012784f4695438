"""Workflow of the adviser: runs the five steps and builds the decision record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgewright.core.formatting import bytes_text, microseconds_text
from edgewright.pipeline.config import names_pipeline
from edgewright.pipeline.cost.duration_estimate import Ahead, Progress
from edgewright.profiles.catalogue import listing, load_profile
from edgewright.profiles.footprint import over_budget, takes_programs
from edgewright.schema.advice import Advice, Measured, Need, Placement, Traffic
from edgewright.schema.footprint import Budget, Footprint
from edgewright.schema.profile import Profile
from edgewright.search.advise import placement
from edgewright.search.advise.contract import AdviceRequest, FramingResult, framing_of
from edgewright.search.advise.figures import Figures, limit_of, usual_radio
from edgewright.search.advise.inspection import Inspection, inspect
from edgewright.search.advise.placement import placement_flips
from edgewright.search.ladder.model_comparison import figure
from edgewright.trace.sentences.readiness import NO_MODEL

GATEWAY_PROFILE, SERVER_PROFILE = "raspberry-pi-5", "x86-64"


def advise(request: AdviceRequest, progress: Progress, ahead: Ahead = lambda _: None) -> Advice:
    """Frame the task, measure the options, choose the place of the model, and return the decision record.

    Args:
        request: data, device and needs.
        progress: shows progress.
        ahead: receives the duration estimate of long work before it begins.

    Raises:
        InputError: the data, needs or figures are invalid.
        CheckFailedError: folds would split single rows although neighbouring rows are related.
        KeyboardInterrupt: the user interrupted the measurement; no partial result is kept.
    """
    profile = load_profile(request.device)
    radio = request.radio or usual_radio(profile, takes_programs(profile))
    figures = Figures(radio, request.prices)
    pipeline = request.path and names_pipeline(request.data, request.path)
    seen = Inspection(None) if pipeline else inspect(request.data, skip_bad_rows=request.skip_bad_rows)
    framed = framing_of(seen, request).advise(seen, request, progress, ahead)
    footprint = framed.price(profile)
    setting = _setting(framed, request, profile, figures, footprint)
    places = placement.places(setting, request.needs)
    location, why = placement.choose(places)
    reported = {text.split()[0] for text in framed.unmet}
    missed = (miss for miss in location.misses if miss.split("=")[0] not in reported)
    unmet = (*framed.unmet, *_without_ladder(framed, request.needs, footprint), *missed)
    if unmet:
        near = _simpler(framed, setting, request.needs) if location.misses else ()
        unmet = (*unmet, *near, *_nearest(framed, request, profile))
    record: dict[str, Any] = {name: getattr(framed, name) for name in Measured.__struct_fields__}
    record |= {"unmet": unmet, "notes": (*framed.notes, *_notes(framed, profile, footprint, radio))}
    if framed.choice != NO_MODEL:
        record["flips"] = (*framed.flips, *placement_flips(setting, request.needs, location))
        record["costs"] = (*_costs(location, footprint, setting), *framed.costs)
    return Advice(
        **record,
        device=profile.name,
        radio=radio,
        battery=setting.battery,
        seed=request.seed,
        needs=request.needs,
        parameters=figures.parameters(),
        traffic=setting.traffic,
        places=places,
        location=location.name,
        place_why=why,
        footprint=footprint,
        met=not unmet,
    )


def _without_ladder(framed: FramingResult, needs: tuple[Need, ...], footprint: Footprint | None) -> tuple[str, ...]:
    """Return the needs about the model that are not met or cannot be checked; empty where a ladder checks them."""
    if framed.ladder is not None:
        return ()
    lines = list[str]()
    limits = {name: limit for name in ("flash", "ram") if (limit := limit_of(needs, name)) is not None}
    if footprint is not None:
        lines += over_budget(footprint, Budget(**{name: int(limit) for name, limit in limits.items()}))
    elif limits:
        lines += [f"{name}: unknown until the model exists" for name in limits]
    if limit_of(needs, "score") is not None:
        lines.append(f"score: the advice cannot check a score for {framed.frame.task}")
    return tuple(lines)


def _setting(
    framed: FramingResult, request: AdviceRequest, profile: Profile, figures: Figures, footprint: Footprint | None
) -> placement.Setting:
    rows, why = _rows(framed, figures)
    answers = rows / framed.rows_an_answer
    size = framed.bytes_row if framed.bytes_row is not None else len(framed.columns) * figures["reading"]
    how = (f"{rows:,.0f} rows per day: {why}", framed.changes_how)
    traffic = Traffic(
        rows_day=rows, answers_day=answers, told_day=answers * framed.changes, raw_bytes_day=rows * size, how=how
    )
    small = takes_programs(profile)
    works = {placement.DEVICE: _work(profile, footprint, figures, small)}
    for location, name in ((placement.GATEWAY, GATEWAY_PROFILE), (placement.SERVER, SERVER_PROFILE)):
        other = load_profile(name)
        works[location] = _work(other, framed.price(other), figures, False)
    server = works[placement.SERVER]
    works[placement.SERVER] = replace(server, active_w=figures["server_power"])
    sleep = profile.sleep.value if profile.sleep else figures["sleep" if small else "system_sleep"]
    sleep = figures["sleep"] if figures.is_given("sleep") else sleep
    return placement.Setting(
        traffic=traffic,
        figures=figures,
        sleep_w=sleep,
        battery=limit_of(request.needs, "battery") is not None or (small and not request.mains),
        columns=framed.columns,
        works=works,
        cannot=_cannot(framed, profile),
    )


def _rows(framed: FramingResult, figures: Figures) -> tuple[float, str]:
    """Return the rows per day, and the source of this number."""
    if figures.is_given("rows"):
        return figures["rows"], "set with --price"
    if framed.rate:
        return framed.rate * placement.DAY, "from the rate of the data"
    if framed.usual_rows is not None:
        return framed.usual_rows, "assumption; set it with --price rows=N"
    return figures["rows"], "assumption, because the data has no rate; set it with --price rows=N"


def _cannot(framed: FramingResult, profile: Profile) -> dict[str, str]:
    """Return, by place, why it cannot run the choice regardless of the needs."""
    smallest_memory = min(profile.flash.value, profile.ram.value)
    if framed.least_bytes <= smallest_memory:
        return {}
    smallest, has = bytes_text(framed.least_bytes), bytes_text(smallest_memory)
    return {placement.DEVICE: f"{framed.least_why} needs at least {smallest} of memory; {profile.name} has {has}"}


def _work(profile: Profile, footprint: Footprint | None, figures: Figures, small: bool) -> placement.Computation:
    """Return the time and power of one answer; the time is marked as unknown without a footprint."""
    name = "active" if small else "system_active"
    watts = profile.active.value if profile.active and not figures.is_given(name) else figures[name]
    time = footprint.latency_us if footprint else None
    return placement.Computation(profile.name, time.value / 1e6 if time else 0.0, watts, time is not None)


def _simpler(framed: FramingResult, setting: placement.Setting, needs: tuple[Need, ...]) -> tuple[str, ...]:
    """Return the best other rung with which a place meets every need about places; empty where there is none."""
    ladder = framed.ladder
    if ladder is None:
        return ()
    able: list[tuple[float, str]] = []
    for rung in ladder.rungs:
        time = rung.footprint.latency_us if rung.footprint else None
        if time is None or rung.score is None or rung.title == framed.choice:
            continue
        own = replace(setting.works[placement.DEVICE], latency_s=time.value / 1e6, known=True)
        works = {**setting.works, placement.DEVICE: own}
        best, _ = placement.choose(placement.places(replace(setting, works=works), needs))
        if not best.misses:
            value = rung.score.value
            text = f"{rung.title} on the {best.name} meets them, with {ladder.metric_title} {figure(value)}"
            able.append((value if ladder.higher else -value, text))
    return (f"the closest measured option: {max(able)[1]}",) if able else ()


def _nearest(framed: FramingResult, request: AdviceRequest, profile: Profile) -> tuple[str, ...]:
    """Return the slowest shipped microcontroller profile that meets the latency, where this device does not."""
    limits = [limit_of(request.needs, name) for name in ("flash", "ram", "latency")]
    latency = limits[2]
    mine = framed.price(profile)
    if mine is None or latency is None or not over_budget(mine, Budget(latency_us=latency * 1e6)):
        return ()
    able: list[tuple[float, str]] = []
    for name in listing():
        other = load_profile(name)
        if name == profile.name or not takes_programs(other):
            continue
        footprint = framed.price(other)
        time = footprint.latency_us if footprint else None
        if footprint is not None and time is not None and not over_budget(footprint, Budget(latency_us=latency * 1e6)):
            able.append((time.value, name))
    if not able:
        return ("no microcontroller in `edgewright profiles` is fast enough for this model",)
    value, name = max(able)
    return (f"the closest device that is fast enough: {name}, {microseconds_text(value)} (modelled)",)


def _costs(location: Placement, footprint: Footprint | None, setting: placement.Setting) -> tuple[tuple[str, str], ...]:
    lines: list[tuple[str, str]] = []
    if footprint is not None:
        for name, spread in (("flash", footprint.flash), ("RAM", footprint.ram)):
            low, high = bytes_text(spread.low), bytes_text(spread.high)
            lines.append((name, f"{bytes_text(spread.value)} ({low} to {high}), {spread.how}"))
        time = footprint.latency_us
        span = time and f"({microseconds_text(time.low)} to {microseconds_text(time.high)}), {time.how}"
        lines.append(("latency on the device", f"{microseconds_text(time.value)} {span}" if time else "unknown"))
    known = location.computing or location.name != placement.DEVICE
    smallest, largest = ("", "") if known else ("at least ", "at most ")
    lines.append(("device energy", f"{smallest}{placement.joules(location.energy_j_day)} per day"))
    if setting.battery:
        cell = placement.joules(setting.figures["cell"])
        lines.append(("battery", f"{largest}{placement.days(location.battery_days)} from a cell of {cell}"))
    lines.append(("money", f"{placement.dollars(location.cost_year)} per device and year"))
    return tuple(lines)


def _notes(framed: FramingResult, profile: Profile, footprint: Footprint | None, radio: str) -> tuple[str, ...]:
    records = []
    if footprint is None:
        records.append(
            "the compute time of an answer is unknown until the model exists, so places are compared by the data sent; "
            "computing counts as zero"
        )
    else:
        records += footprint.notes
    if profile.active is None:
        records.append(f"the profile {profile.name} has no power figures; active and sleep are assumed")
    if radio == "ble":
        records.append("the estimate assumes that a phone or hub relays ble messages at no cost")
    records.append("sensor energy is not counted, because it is the same in every place")
    return tuple(dict.fromkeys(records))
