"""The advice as a report over an explained race, and its document in Markdown and HTML."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgewright.advice import placement
from edgewright.advice.figures import Figures, limit_of, load_radio, usual_radio
from edgewright.advice.frames import LABELLED, Inspection, frame_of, inspect, pointer_of, task_for
from edgewright.advice.placement import DEVICE, SERVER, count, days, dollars, joules
from edgewright.advice.records import Advice, Existing, Frame, Need, Placement, Traffic
from edgewright.core.files import write_atomic
from edgewright.core.formatting import bytes_text, microseconds_text, number
from edgewright.core.records.footprint import Budget, Footprint
from edgewright.core.records.race import EntrantRecord, RaceRecord
from edgewright.core.records.trace_flow import encode_record
from edgewright.pipeline.config import names_pipeline
from edgewright.pipeline.cost import Progress
from edgewright.pipeline.run_folder.folder import new_run_folder
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import over_budget, takes_programs
from edgewright.profiles.records import Profile
from edgewright.race.explanation import WITHOUT_ML, change, explain, figure, ladder_blocks, ladder_of, ladder_sentences
from edgewright.race.pipeline_end import Entrant, price
from edgewright.race.problem import Problem, are_pictures, candidates
from edgewright.race.race import INTERRUPTED, Race
from edgewright.trace.blocks.records import Block, Code, Facts, Grid, Heading, Paragraph, markdown_of
from edgewright.trace.html import blocks_html, sections_page
from edgewright.trace.sentences.readiness import NO_MODEL, NOT_READY, NOTHING, REMEDY
from edgewright.workflows.own_data.proposal import DEVICE as USUAL_DEVICE
from edgewright.workflows.own_data.proposal import OwnDataRequest, Subject, subject_of

GATEWAY_PROFILE, SERVER_PROFILE = "raspberry-pi-5", "x86-64"
Price = Callable[[Profile], Footprint | None]


@dataclass(frozen=True, kw_only=True)
class AdviceRequest:
    """Options of the advice.

    Attributes:
        data: description of the data; its path may be the name or file of a pipeline.
        pipeline_data: path of the data of a pipeline.
        task: a task of `frames.TASKS`; 'auto' chooses it from the data.
        radio: name of the link; the usual one of the device when empty.
        needs: parsed needs.
        prices: figures of the cost model set by the user.
        mains: whether the device runs on mains power.
    """

    data: OwnDataRequest
    pipeline_data: str | None = None
    task: str = "auto"
    radio: str = ""
    needs: tuple[Need, ...] = ()
    prices: dict[str, float] = field(default_factory=dict)
    mains: bool = False

    @property
    def device(self) -> str:
        """Name of the profile."""
        return self.data.device or USUAL_DEVICE


def advise(request: AdviceRequest, progress: Progress) -> tuple[Advice, dict[str, bytes]]:
    """Frame the task, compare models and places, and return the record with additional files by name.

    Args:
        request: data, device and needs.
        progress: shows progress.

    Raises:
        InputError: the data, needs or figures are invalid.
        KeyboardInterrupt: the user interrupted the race; no partial result is kept.
    """
    profile = load_profile(request.device)
    if request.radio:
        load_radio(request.radio)
    data = request.data
    if names_pipeline(data.path, request.pipeline_data):
        seen = Inspection(data.path, None)
    else:
        seen = inspect(data.path, skip_bad_rows=data.skip_bad_rows)
    task = task_for(seen, request.task, data.target)
    if task not in LABELLED:
        pointer = pointer_of(task, seen, data.target)
        unmet = tuple(f"{need.text}: not checked, because nothing was measured" for need in request.needs)
        return Advice(
            name=Path(data.path).stem, target=data.target, frame=pointer.frame, device=profile.name,
            needs=request.needs, existing=pointer.existing, choice=pointer.choice, choice_why=pointer.why,
            unmet=unmet, commands=pointer.commands, met=not unmet,
        ), {}  # fmt: skip
    with progress("Reading data", None):
        subject = subject_of(replace(data, task=request.task), request.pipeline_data)
    return _advise_model(request, subject, profile, progress)


def _advise_model(
    request: AdviceRequest, subject: Subject, profile: Profile, progress: Progress
) -> tuple[Advice, dict[str, bytes]]:
    """Return the advice on data with a target."""
    radio = request.radio or usual_radio(profile, takes_programs(profile))
    figures = Figures(radio, request.prices)
    race = subject.race(request.device)
    race.limits = _budget(request.needs, profile, figures["radio_round_trip"])
    with progress("Racing models", None):
        record = race.run()
        if record.ended == INTERRUPTED:
            raise KeyboardInterrupt
        record = explain(race, record)
    problem = subject.problem
    chosen = next(entrant for entrant in record.entrants if entrant.name == record.chosen)
    ready = record.beats_chance is True and record.chosen != WITHOUT_ML[0]
    priced = _price_of(race, chosen.name) if ready else (lambda _: None)
    footprint = priced(profile)
    setting = _setting(request, problem, profile, figures, priced)
    places = placement.places(setting, request.needs)
    location, place_why = placement.choose(places)
    unmet = (*_unmet(record, chosen, request.needs, race.limits, footprint), *location.misses)
    if not ready:
        unmet = (f"{NO_MODEL}: {NOTHING}", *unmet)
    elif unmet:
        unmet = (*unmet, *_closest(record, chosen, race.limits))
    quality = subject.data.quality.findings if subject.data is not None else ()
    advice = Advice(
        name=problem.name, target=problem.dataset.target_name, frame=_frame(problem, subject), device=profile.name,
        radio=radio, battery=setting.battery, needs=request.needs, parameters=figures.parameters(),
        traffic=setting.traffic, places=places, location=location.name, place_why=place_why,
        existing=_without_ml(record), race=record,
        choice=chosen.title if ready else NO_MODEL,
        choice_why=_why(record, chosen) if ready else f"{NOTHING}; {REMEDY}",
        footprint=footprint, unmet=unmet,
        flips=placement.placement_flips(setting, request.needs, location) if ready else (),
        costs=_costs(location, footprint, setting) if ready else (),
        commands=_commands(request, problem, chosen.name) if ready else _check(request),
        notes=(*(finding.sentence for finding in quality), *problem.notes, *_notes(profile, footprint, radio)),
        met=not unmet,
    )  # fmt: skip
    return advice, _state_table(race, record)


def _budget(needs: tuple[Need, ...], profile: Profile, round_trip_s: float) -> Budget:
    """Return the limits of a model: memory of the device or the needs, and a latency below a round trip of the link."""
    flash, ram, latency = (limit_of(needs, name) for name in ("flash", "ram", "latency"))
    return Budget(
        flash=int(min(flash or math.inf, profile.flash.value)),
        ram=int(min(ram or math.inf, profile.ram.value)),
        latency_us=latency * 1e6 if latency is not None and latency <= round_trip_s else None,
    )


def _price_of(race: Race, name: str) -> Price:
    """Return a function that estimates the footprint of an entrant, fitted on all samples, on a profile."""
    entrant = next(standing.entrant for standing in race.standings if standing.entrant.name == name)
    fitted = race.heats.fit(race.heats.whole, entrant)
    return lambda profile: price(fitted, race.problem, entrant.config, profile)[0]


def _frame(problem: Problem, subject: Subject) -> Frame:
    """Return step 1: target, units and excluded columns with the reasons."""
    name = problem.dataset.target_name
    if problem.task == "regression":
        low, high = float(np.min(problem.y)), float(np.max(problem.y))
        target = f"the target {name} is a number from {low:.5g} to {high:.5g}"
    else:
        counts = np.unique(problem.y, return_counts=True)[1]
        shares = zip(problem.classes, 100 * counts / counts.sum(), strict=True)
        some = ", ".join(f"{label} {share:.3g} %" for label, share in sorted(shares, key=lambda pair: -pair[1])[:6])
        target = f"the target {name} has {len(counts)} values ({some}{' and more' if len(counts) > 6 else ''})"
    units = int(problem.units.max()) + 1
    kept = "folds split single rows" if problem.by == "row" else f"{units:,} {problem.by}s stay whole in every fold"
    data = subject.data
    roles = data.roles if data is not None else None
    why = (target, kept, *((data.framing.why,) if data is not None else ()))
    return frame_of(problem.task, why, tuple(roles.ignored.items()) if roles is not None else ())


def _without_ml(record: RaceRecord) -> tuple[Existing, ...]:
    """Return step 3: what rules and thresholds reach, and how much the chosen model gains over each."""
    solutions = []
    for entrant in ladder_of(record):
        if entrant.name in WITHOUT_ML and entrant.score is not None:
            measured = f"{record.metric_title} {figure(entrant.score.value)}"
            if entrant.gain:
                measured += f", {change(entrant.gain)} against the choice"
            solutions.append(Existing(name=entrant.title, purpose=entrant.says, measured=measured))
    return tuple(solutions)


def _why(record: RaceRecord, chosen: EntrantRecord) -> str:
    score = chosen.score
    text = "" if score is None else (
        f"{record.metric_title} {figure(score.value)} ({figure(score.low)} to {figure(score.high)}). "
    )  # fmt: skip
    without = " No ML is needed." if chosen.name in WITHOUT_ML else ""
    return f"{text}{' '.join(ladder_sentences(record))}{without}"


def _unmet(
    record: RaceRecord, chosen: EntrantRecord, needs: tuple[Need, ...], limits: Budget, footprint: Footprint | None
) -> tuple[str, ...]:
    """Return the needs about the model that are not met, and by how much."""
    unmet = list(over_budget(footprint, limits)) if footprint is not None else []
    wanted, score = limit_of(needs, "score"), chosen.score
    if wanted is not None and score is not None:
        missing = wanted - score.value if record.higher else score.value - wanted
        if missing > 0:
            unmet.append(
                f"score: {NOT_READY}, {record.metric_title} {figure(score.value)} is {figure(missing)} short of "
                f"{figure(wanted)}"
            )
    return tuple(unmet)


def _closest(record: RaceRecord, chosen: EntrantRecord, limits: Budget) -> tuple[str, ...]:
    """Return the best measured model within the limits, other than the choice."""
    able = [
        entrant for entrant in ladder_of(record)
        if entrant.name not in (chosen.name, WITHOUT_ML[0]) and entrant.score is not None
        and entrant.footprint is not None and not over_budget(entrant.footprint, limits)
    ]  # fmt: skip
    if not able:
        return ()
    sign = 1.0 if record.higher else -1.0
    best = max(able, key=lambda entrant: sign * entrant.score.value if entrant.score else -math.inf)
    value = figure(best.score.value) if best.score else ""
    return (f"the closest other model within the limits: {best.title}, {record.metric_title} {value}",)


def _setting(
    request: AdviceRequest, problem: Problem, profile: Profile, figures: Figures, priced: Price
) -> placement.Setting:
    """Return the inputs of the placement model: traffic, and computation in each place."""
    window, rate = problem.window, problem.samples.rate
    if figures.is_given("rows") or not rate:
        rows = figures["rows"]
        how = "set with --price" if figures.is_given("rows") else "assumption; set it with --price rows=N"
    else:
        rows, how = rate * placement.DAY, "from the rate of the data"
    answers = rows / (float(window.step or max(1, window.samples // 2)) if window else 1.0)
    columns = tuple(column.name for column in problem.samples.columns)
    changes = _changes(problem)
    traffic = Traffic(
        rows_day=rows, answers_day=answers, told_day=answers * changes,
        raw_bytes_day=rows * len(columns) * figures["reading"],
        how=(f"{rows:,.0f} rows per day: {how}", f"{100 * changes:.3g} % of the answers differ from the one before"),
    )  # fmt: skip
    small = takes_programs(profile)
    works = {DEVICE: _computation(profile, priced(profile), figures, "active" if small else "system_active")}
    for location, name in ((placement.GATEWAY, GATEWAY_PROFILE), (SERVER, SERVER_PROFILE)):
        other = load_profile(name)
        works[location] = _computation(other, priced(other), figures, "system_active")
    works[SERVER] = replace(works[SERVER], active_w=figures["server_power"])
    sleep_w = profile.sleep.value if profile.sleep else figures["sleep" if small else "system_sleep"]
    return placement.Setting(
        traffic=traffic, figures=figures, sleep_w=figures["sleep"] if figures.is_given("sleep") else sleep_w,
        battery=limit_of(request.needs, "battery") is not None or (small and not request.mains), columns=columns,
        works=works,
    )  # fmt: skip


def _computation(profile: Profile, footprint: Footprint | None, figures: Figures, name: str) -> placement.Computation:
    watts = profile.active.value if profile.active and not figures.is_given(name) else figures[name]
    time = footprint.latency_us if footprint is not None else None
    return placement.Computation(profile.name, time.value / 1e6 if time else 0.0, watts, time is not None)


def _changes(problem: Problem) -> float:
    """Return the fraction of samples whose label differs from the one before in the session; 1 if it is unknown."""
    samples = problem.samples
    if problem.task != "classification" or samples.rate is None:
        return 1.0
    sessions = np.unique(samples.sessions, return_inverse=True)[1]
    order = np.lexsort((samples.starts, sessions))
    same = np.diff(sessions[order]) == 0
    y = np.asarray(problem.y)[order]
    return max(float((y[1:] != y[:-1])[same].mean()), 1.0 / len(y)) if same.any() else 1.0


def _costs(location: Placement, footprint: Footprint | None, setting: placement.Setting) -> tuple[tuple[str, str], ...]:
    lines: list[tuple[str, str]] = []
    if footprint is not None:
        for name, spread in (("flash", footprint.flash), ("RAM", footprint.ram)):
            low, high = bytes_text(spread.low), bytes_text(spread.high)
            lines.append((name, f"{bytes_text(spread.value)} ({low} to {high}), {spread.how}"))
        time = footprint.latency_us
        span = time and f"({microseconds_text(time.low)} to {microseconds_text(time.high)}), {time.how}"
        lines.append(("latency on the device", f"{microseconds_text(time.value)} {span}" if time else "unknown"))
    known = location.computing or location.name != DEVICE
    smallest, largest = ("", "") if known else ("at least ", "at most ")
    lines.append(("device energy", f"{smallest}{joules(location.energy_j_day)} per day"))
    if setting.battery:
        lines.append(("battery", f"{largest}{days(location.battery_days)} from {joules(setting.figures['cell'])}"))
    lines.append(("money", f"{dollars(location.cost_year)} per device and year"))
    return tuple(lines)


def _notes(profile: Profile, footprint: Footprint | None, radio: str) -> tuple[str, ...]:
    notes = list(footprint.notes) if footprint is not None else []
    if profile.active is None:
        notes.append(f"the profile {profile.name} has no power figures; active and sleep are assumed")
    if radio == "ble":
        notes.append("the estimate assumes that a phone or hub relays ble messages at no cost")
    return tuple(dict.fromkeys(notes))


def _data_words(request: AdviceRequest) -> str:
    """Return the data argument and its options as for a shell."""
    data, words = request.data, [shlex.quote(request.data.path)]
    if request.pipeline_data:
        words.append(f"--data {shlex.quote(request.pipeline_data)}")
    named = {name: getattr(data, name) for name in ("target", "group", "session", "time", "time_unit", "decision")}
    words += [f"--{name.replace('_', '-')} {shlex.quote(value)}" for name, value in named.items() if value]
    words += [f"--ignore {shlex.quote(name)}" for name in data.ignore]
    words += [f"--{name.replace('_', '-')}" for name in ("fill_labels", "skip_bad_rows") if getattr(data, name)]
    return " ".join(words)


def _check(request: AdviceRequest) -> tuple[str, ...]:
    named = request.data.names_columns
    return (f"edgewright check {_data_words(request) if named else shlex.quote(request.data.path)}",)


def _commands(request: AdviceRequest, problem: Problem, rung: str) -> tuple[str, ...]:
    words, device = _data_words(request), shlex.quote(request.device)
    run = "runs/" + (request.data.pipeline if not request.pipeline_data else request.data.path)
    new = "--pictures new" if are_pictures(problem.samples) else "--csv new.csv"
    of_device = "" if request.device == USUAL_DEVICE or request.pipeline_data else f" --device {device}"
    return (
        f"edgewright run {words}{of_device}",
        f"edgewright curve {words} --rung {rung.partition('/')[0]}",
        f"edgewright prove {shlex.quote(run)}",
        f"edgewright export {shlex.quote(run)} --to c99 --out firmware",
        f"edgewright predict {shlex.quote(run)} {new}",
    )


def _state_table(race: Race, record: RaceRecord) -> dict[str, bytes]:
    """Return the state machine of the ladder as a state table for the device agent, if it was measured."""
    machine = next((entrant for entrant in ladder_of(record) if entrant.name == "state_machine"), None)
    threshold = next((one.entrant for one in race.standings if one.entrant.name == "threshold"), None)
    if machine is None or threshold is None:
        return {}
    candidate = candidates(("state_machine",))["state_machine"]
    fitted = race.heats.fit(race.heats.whole, Entrant("state_machine", candidate, threshold.config))
    return candidate.extra_files(fitted, race.problem)


def stored(out: Path | None, record: Advice, files: dict[str, bytes]) -> Path:
    """Write record, Markdown, page and additional files into a new folder; a number is added to its name if taken."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", record.name).strip("-.")[:40] or "data"
    parent, folder = (Path("advice"), name) if out is None else (out.parent, out.name)
    with new_run_folder(parent, folder) as location:
        (location.work / "advice.json").write_bytes(encode_record(record))
        (location.work / "advice.md").write_text(markdown(record), encoding="utf-8")
        (location.work / "advice.html").write_text(page(record), encoding="utf-8")
        for file, content in files.items():
            write_atomic(location.work / file, content)
    return location.final


def title_of(record: Advice) -> str:
    """Return the title of the record."""
    location = f", on the {record.location}" if record.location and record.choice != NO_MODEL else ""
    return f"{record.name}: {record.choice}{location}"


def lead_of(record: Advice) -> str:
    """Return the decision in one sentence, and whether needs are not met."""
    task = record.frame.task.capitalize()
    return f"{task}: {record.choice}." + ("" if record.met else " Not every need is met.")


def markdown(record: Advice) -> str:
    """Return the record in Markdown, in the form of an architecture decision record."""
    return markdown_of(
        title_of(record), f"advised, {'accepted' if record.met else 'not every need is met'}", sections(record)
    )


def page(record: Advice) -> str:
    """Return the HTML page of the record."""
    shown = [
        (f"part-{index}", name, blocks_html(blocks, level=3))
        for index, (name, blocks) in enumerate(sections(record), 1)
    ]
    return sections_page(title_of(record), lead_of(record), shown)


def advice_blocks(record: Advice) -> tuple[Block, ...]:
    """Return the blocks for a terminal: the decision and all steps, without the figures of the cost model."""
    named = [(Heading(text=name), *blocks) for name, blocks in sections(record)[:-1]]
    return (
        Heading(text=title_of(record)),
        Paragraph(text=lead_of(record)),
        *(block for part in named for block in part),
    )


def sections(record: Advice) -> tuple[tuple[str, tuple[Block, ...]], ...]:
    """Return the name and the blocks of each step, the figures of the cost model last."""
    return (
        ("1. Frame", _frame_blocks(record)),
        ("2. Constraints", _constraint_blocks(record)),
        ("3. A solution without ML", _existing_blocks(record)),
        ("4 and 5. The simplest model, and more only if it pays", _model_blocks(record)),
        ("Figures and sources", _figure_blocks(record)),
    )


def _frame_blocks(record: Advice) -> tuple[Block, ...]:
    frame = record.frame
    rows = tuple((part.name, "yes" if part.needed else "no", part.why) for part in frame.capabilities)
    blocks: list[Block] = [
        Paragraph(text=f"Task: {frame.task}. {_sentences(frame.why)}"),
        Grid(headers=("capability", "needed", "why"), rows=rows),
    ]
    if frame.left_out:
        blocks += [Paragraph(text="Excluded columns:"), Facts(rows=frame.left_out)]
    return tuple(blocks)


_PLACE_ROWS: tuple[tuple[str, Callable[[Placement], str]], ...] = (
    ("runs on", lambda p: p.runs_on),
    ("sent", lambda p: f"{bytes_text(p.bytes_day)} in {count(p.messages_day)} messages"),
    ("device energy", lambda p: joules(p.energy_j_day)),
    ("of it radio", lambda p: joules(p.radio_j_day)),
    ("answer latency", lambda p: microseconds_text(1e6 * p.latency_s) if p.computing or p.latency_s else "unknown"),
    ("downtime", lambda p: f"{p.silent_hours_day:.2g} h"),
    ("cost per year", lambda p: dollars(p.cost_year)),
    ("leaves the device", lambda p: "answers" if p.name == DEVICE else "every reading"),
    ("needs not met", lambda p: str(len(p.misses)) if p.misses else "none"),
)


def _constraint_blocks(record: Advice) -> tuple[Block, ...]:
    needs = ", ".join(need.text for need in record.needs) or "none"
    traffic = record.traffic
    if traffic is None:
        return (Paragraph(text=f"Needs: {needs}."),)
    rows = [(name, *(write(spot) for spot in record.places)) for name, write in _PLACE_ROWS]
    rows.append(("battery", *(days(p.battery_days) if record.battery else "mains power" for p in record.places)))
    missed = tuple((spot.name, "; ".join(spot.misses)) for spot in record.places if spot.misses)
    return (
        Paragraph(text=f"Needs: {needs}. {_sentences(traffic.how)}"),
        Grid(
            headers=("per day and device", *(spot.name for spot in record.places)), rows=tuple(rows),
            caption=f"Link: {record.radio}. Device: {record.device}. Modelled; figures and sources are below.",
        ),
        *((Facts(rows=missed),) if missed else ()),
        Paragraph(text=f"Place: {record.location}; {_sentences((record.place_why,))}"),
    )  # fmt: skip


def _existing_blocks(record: Advice) -> tuple[Block, ...]:
    rows = tuple(
        (known.name, "; ".join(filter(None, (known.measured or "not measured", known.purpose, known.command))))
        for known in record.existing
    )
    return (Facts(rows=rows),) if rows else (Paragraph(text="No rule fits this data."),)


def _model_blocks(record: Advice) -> tuple[Block, ...]:
    blocks: list[Block] = [Paragraph(text=f"{record.choice.capitalize()}: {_sentences((record.choice_why,))}")]
    if record.race is not None:
        blocks += ladder_blocks(record.race)[1:-1]
    if record.unmet:
        blocks.append(Paragraph(text=f"Not met: {_sentences(record.unmet)}"))
    if record.costs:
        blocks += [Heading(text="Costs"), Facts(rows=record.costs)]
    if record.flips:
        blocks += [
            Heading(text="Changes of the advice"),
            Facts(rows=tuple((flip.when, flip.then) for flip in record.flips)),
        ]
    if record.notes:
        blocks += [Heading(text="Notes"), *(Paragraph(text=note) for note in record.notes)]
    return (*blocks, Heading(text="Next steps"), Code(text="\n".join(record.commands), language="shell"))


def _figure_blocks(record: Advice) -> tuple[Block, ...]:
    rows = tuple((row.name, f"{number(row.value)} {row.unit}; {row.source}") for row in record.parameters)
    text = "Change a figure with --price NAME=VALUE. Power and speed come from the device profiles."
    return (Paragraph(text=text), Facts(rows=rows)) if rows else (Paragraph(text="No costs were modelled."),)


def _sentences(parts: tuple[str, ...]) -> str:
    return " ".join(f"{part[:1].upper()}{part[1:]}{'' if part.endswith('.') else '.'}" for part in parts if part)
