"""A fleet as a picture of text: rollouts with their stages and gates, versions as bars, what happened last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.text import fitting, plain, table
from edgewright.core.formatting import elapsed_text
from edgewright.schema.fleet_api import Overview
from edgewright.schema.fleet_watch import Attention, Events, EventSeen, RolloutSeen, RolloutsSeen

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

_BAR = 30
_FULL, _PART, _EMPTY = "█", "▌", "░"
# The newest release is the fullest; a bar of six parts is still told apart.
_DAY = 86_400.0
_SHADES = "█▓▒░▚▞"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet at one moment."""

    at: float
    overview: Overview
    rollouts: tuple[RolloutSeen, ...]
    attention: Attention
    events: tuple[EventSeen, ...]


def taken_snapshot(api: ApiClient, now: float, silence: float, last: int) -> Snapshot:
    """Ask for everything."""
    return Snapshot(
        at=now,
        overview=api.ask(Overview, "GET", "/v1/fleet/overview"),
        rollouts=api.ask(RolloutsSeen, "GET", "/v1/fleet/rollouts").rollouts,
        attention=api.ask(Attention, "GET", f"/v1/fleet/attention?limit=3&silence={silence:g}"),
        events=api.ask(Events, "GET", f"/v1/fleet/events?limit={last}").events,
    )


def shown(rollouts: tuple[RolloutSeen, ...]) -> tuple[RolloutSeen, ...]:
    """Those that are under way; of each product without one the newest that is over."""
    going = [rollout for rollout in rollouts if rollout.under_way]
    known = {rollout.product for rollout in going}
    for rollout in rollouts:
        if rollout.product not in known:
            known.add(rollout.product)
            going.append(rollout)
    return tuple(going)


def picture(of: Snapshot, width: int, height: int) -> list[str]:
    """Return lines that fit a screen of so many columns and rows; the oldest events go first."""
    lines = [*_head(of), "", *_versions(of.overview)]
    for rollout in shown(of.rollouts):
        lines += ["", *_rollout(rollout, of.at)]
    if not of.rollouts:
        lines += ["", "no rollout was started yet"]
    words = (
        ("behind", "behind their rollout"), ("unknown", "on an unknown release"),
        ("faulty", "cannot download"), ("stale", "with old metadata"), ("drifting", "drift"),
        ("alarming", "raise alarms"), ("crashing", "crash"), ("silent", "are silent"),
    )  # fmt: skip
    noted = [f"{of.attention.totals[kind]:,} {word}" for kind, word in words if of.attention.totals.get(kind)]
    lines += ["", "look at: " + ", ".join(noted)] if noted else []
    if of.events:
        lines += ["", *table(("ago", "what", "", ""), [_event(event, of.at) for event in of.events])]
    return [fitting(plain(line), width) for line in lines[: max(1, height)]]


def bar(share: float, width: int = _BAR) -> str:
    """Return a bar that is full to a share from 0 to 1."""
    halves = round(2 * width * min(1.0, max(0.0, share)))
    return (_FULL * (halves // 2) + _PART * (halves % 2)).ljust(width, _EMPTY)


def _head(of: Snapshot) -> list[str]:
    counts = of.overview
    phases = ", ".join(f"{n:,} {phase}" for phase, n in sorted(counts.phases.items()) if phase != "idle")
    return [
        f"{counts.devices:,} devices, {counts.reporting:,} heard within the hour, {counts.quarantined:,} in quarantine"
        + (f"; {phases}" if phases else ""),
        *_due(counts),
    ]


def _due(counts: Overview) -> list[str]:
    left = counts.history_due
    return [f"old history is being deleted: {elapsed_text(left)} left"] if left > _DAY else []


def _versions(of: Overview) -> list[str]:
    records = []
    for product, counters in sorted(of.counters.items()):
        total = sum(counters.values())
        newest = sorted(counters.items(), reverse=True)
        named = newest if len(newest) <= len(_SHADES) else newest[: len(_SHADES) - 1]
        more = total - sum(number for _, number in named)
        parts = [*((f"release {c}" if c else "unknown", n) for c, n in named), *([("older", more)] if more else [])]
        marks = [_SHADES[index] for index in range(len(parts))]
        bar = "".join(
            mark * max(1, round(_BAR * number / total)) for mark, (_, number) in zip(marks, parts, strict=True)
        )
        legend = "  ".join(f"{mark} {name}: {number:,}" for mark, (name, number) in zip(marks, parts, strict=True))
        records.append(f"{product}  {bar}  {legend}")
    return records


def _rollout(rollout: RolloutSeen, now: float) -> list[str]:
    back = ", devices are called back" if rollout.revert else ""
    lines = [
        f"{rollout.plan}: {rollout.product} {rollout.counter} ({rollout.package or 'no name'})  "
        f"{rollout.state.upper()}{back}"
    ]
    rows = []
    for index, stage in enumerate(rollout.stages):
        here = index == rollout.stage and rollout.under_way
        done = index < rollout.stage or rollout.state == "finished"
        share = 1.0 if done else 0.0
        if here:
            share = 1.0 if rollout.due <= now else (now - rollout.entered) / max(1.0, rollout.due - rollout.entered)
        word = "done" if done else "not reached"
        if here:
            word = "time is over" if rollout.due <= now else f"{elapsed_text(rollout.due - now)} left at least"
        elif index == rollout.stage and rollout.state == "aborted":
            word = "ended here"
        rows.append((">" if here else " ", stage.name, f"{stage.percent:g} %", bar(share, 20), word))
    lines += [f"  {line}" for line in table(("", "stage", "devices", "time", ""), rows, frozenset({2}))]
    ended = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(rollout.outcomes.items()))
    lines.append(f"  {rollout.allowed:,} allowed, {rollout.running:,} running it" + (f"; {ended}" if ended else ""))
    lines += [f"  gate {gate.verdict:<4}  {gate.why}" for gate in rollout.gates]
    if rollout.holds:
        lines.append(f"  holds: {rollout.holds}")
    elif rollout.state in ("paused", "aborted") and rollout.why:
        lines.append(f"  why: {rollout.why}")
    return lines


def _event(event: EventSeen, now: float) -> tuple[str, ...]:
    return elapsed_text(now - event.at), event.kind, event.subject, event.text
