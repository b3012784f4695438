"""`edgewright fleet watch`: a fleet in the terminal, drawn again and again; elsewhere a line for each change."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, Stream, declare, option, wants_json
from edgewright.cli.commands.fleet._api_options import ApiOptions, seconds
from edgewright.cli.text import fitting, plain, table, when
from edgewright.core.errors import DONE, CheckFailedError, OutputError, RolloutUnknownError
from edgewright.core.formatting import elapsed_text
from edgewright.fleet.protocol.api_records import Overview
from edgewright.fleet.protocol.rollout_records import Attention, Events, EventSeen, RolloutSeen, RolloutsSeen

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
        lines += ["", *_text_chart_rollout(rollout, of.at)]
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


def _text_chart_rollout(rollout: RolloutSeen, now: float) -> list[str]:
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


@declare(example="--fleet my-fleet --every 5s", json="Print each refresh as a line of JSON.")
def command(
    *,
    every: str = option(default="2s", metavar="TIME", help="Time between refreshes, such as 5s."),
    silence: str = option(
        default="1d", metavar="TIME", help="Time without a report after which a device counts as silent."
    ),
    once: bool = option(help="Print the state once and exit."),
    until_over: bool = option(help="Exit when no rollout is in progress; the exit code is 1 if one was aborted."),
    plan: str = option(metavar="ID", help="Exit when this rollout is over; the exit code is 1 if it was aborted."),
    api: ApiOptions,
) -> Stream:
    """Watch rollouts, gates and versions until Ctrl-C.

    On a terminal the view is updated in place; in a file or a pipe, each change is one line. If a control plane does
    not answer, the command retries. --until-over only knows rollouts that were in progress when it started: a script
    that starts a rollout names it with --plan, since the rollout may be halted before then.
    """
    pace, quiet = max(0.2, seconds(every, "--every")), seconds(silence, "--silence")
    screen = Screen(sys.stdout.isatty() and not wants_json())
    changes = Changes()
    with api.connect() as client:
        began = time.monotonic()
        try:
            for seen in looks(client, quiet, screen):
                if seen is not None:
                    yield Result(seen, _view(seen, screen, changes.of(seen), once), compact=True)
                if once or (seen is not None and _over(seen, changes, until_over, plan)):
                    break
                # A look at a very large fleet takes its time; a watcher takes at most a fifth of it.
                time.sleep(max(pace, 4.0 * (time.monotonic() - began)))
                began = time.monotonic()
        finally:
            screen.leave()
    aborted = changes.aborted & {plan} if plan else changes.aborted
    if (until_over or plan) and aborted:
        raise CheckFailedError(f"aborted: {', '.join(sorted(aborted))}")
    return DONE


def looks(api: ApiClient, silence: float, screen: Screen) -> Iterator[Snapshot | None]:
    """Yield what is there, look by look; None where nobody answers any more.

    Args:
        api: of the control plane.
        silence: seconds after which a device is silent.
        screen: where a problem is noted, once until there is an answer again.

    Raises:
        OutputError: nobody answers at the first look.
    """
    answered = noted = False
    while True:
        try:
            seen = taken_snapshot(api, time.time(), silence, 12)
        except OutputError as error:
            if not answered:
                raise
            if not noted:
                screen.note(f"no answer, retrying: {error}")
            noted = True
            yield None
        else:
            answered, noted = True, False
            yield seen


def _over(seen: Snapshot, changes: Changes, until_over: bool, plan: str) -> bool:
    """Return whether what is waited for is over.

    Raises:
        InputError: there is no rollout of that plan.
    """
    if not plan:
        return bool(until_over and changes.over(seen))
    rollout = next((seen_rollout for seen_rollout in seen.rollouts if seen_rollout.plan == plan), None)
    if rollout is None:
        raise RolloutUnknownError(
            "a rollout", f"{plan!r}", "--plan", "List them with edgewright fleet rollout status --all"
        )
    if rollout.state == "aborted":
        changes.aborted.add(plan)
    return not rollout.under_way


def _view(seen: Snapshot, screen: Screen, changes: Sequence[str], once: bool) -> Iterator[str]:
    """Draw a picture on a terminal; elsewhere yield it once, or what changed."""
    yield from screen.draw(picture(seen, *screen.size())) if screen.shown or once else changes


class Changes:
    """Remembers the last look.

    Attributes:
        aborted: rollouts that ended so while somebody watched.
    """

    def __init__(self) -> None:
        self._before: dict[str, str] = {}
        self._events: set[str] = set()
        self._going: set[str] = set()
        self.aborted: set[str] = set()

    def of(self, seen: Snapshot) -> list[str]:
        """Return lines about what is new; of the first look everything is, but events that lie in the past."""
        now = {f"rollout {rollout.plan}": _rollout(rollout) for rollout in seen.rollouts if self._matters(rollout)}
        now |= {
            f"gate {rollout.plan}": "; ".join(f"{gate.verdict} {gate.why}" for gate in rollout.gates)
            for rollout in seen.rollouts
            if rollout.gates and rollout.state == "running"
        }
        for product, counters in seen.overview.counters.items():
            parts = ", ".join(f"{n:,} on {c}" for c, n in sorted(counters.items(), reverse=True))
            now[f"versions {product}"] = parts
        now["in quarantine"] = f"{seen.overview.quarantined:,}"
        lines = [f"{name}: {text}" for name, text in now.items() if self._before.get(name) != text]
        first = not self._before
        fresh = [rollout for rollout in reversed(seen.events) if rollout.key not in self._events]
        if not first:
            lines += [f"{rollout.kind} {rollout.subject}: {rollout.text}" for rollout in fresh]
        self._before.update(now)
        # What was seen once may not be among the newest next time; a few thousand are remembered.
        self._events = {rollout.key for rollout in seen.events} | (self._events if len(self._events) < 5000 else set())
        self._end(seen.rollouts)
        return [f"{when(seen.at)}  {plain(line)}" for line in lines]

    def over(self, seen: Snapshot) -> bool:
        """Return whether no rollout is under way."""
        return not any(rollout.under_way for rollout in seen.rollouts)

    def _matters(self, rollout: RolloutSeen) -> bool:
        return rollout.under_way or rollout.plan in self._going

    def _end(self, rollouts: tuple[RolloutSeen, ...]) -> None:
        for rollout in rollouts:
            if rollout.under_way:
                self._going.add(rollout.plan)
            elif rollout.plan in self._going and rollout.state == "aborted":
                self.aborted.add(rollout.plan)


def _rollout(rollout: RolloutSeen) -> str:
    stage = rollout.stages[rollout.stage]
    back = ", devices are called back" if rollout.revert else ""
    at = f"stage {rollout.stage + 1} of {len(rollout.stages)} {stage.name!r}"
    state = f"{rollout.state} at {at}, {stage.percent:g} %{back}"
    reason = rollout.holds or (rollout.why if rollout.state in ("paused", "aborted") else "")
    return f"{state}; {rollout.running:,} devices have release {rollout.counter}" + (f"; {reason}" if reason else "")


_BROAD, _HIGH = 160, 10_000


class Screen:
    """Where pictures are drawn.

    Args:
        shown: standard output is a terminal.
    """

    def __init__(self, shown: bool) -> None:
        self.shown, self._lines_on_screen = shown, 0
        # One write a picture, so that it does not flicker; the bar is plain text where the terminal knows no other.
        self._plain = not _knows(sys.stdout, "█▓▒░▌▚▞…")

    def size(self) -> tuple[int, int]:
        """Return columns and rows of a picture."""
        if not self.shown:
            return _BROAD, _HIGH
        terminal = shutil.get_terminal_size()
        # A picture that fills the last row scrolls, and could not be drawn over.
        return max(20, terminal.columns - 1), max(3, terminal.lines - 2)

    def draw(self, lines: Sequence[str]) -> Sequence[str]:
        """Draw over what was drawn before; return the lines where there is no terminal to draw on."""
        if self._plain:
            lines = [line.translate(_ASCII).encode("ascii", "replace").decode() for line in lines]
        if not self.shown:
            return lines
        up = f"\x1b[{self._lines_on_screen}F" if self._lines_on_screen else ""
        sys.stdout.write("\n".join((f"{up}\x1b[J{lines[0]}", *lines[1:], "")))
        sys.stdout.flush()
        self._lines_on_screen = len(lines)
        return ()

    def note(self, line: str) -> None:
        """Print a line about a problem: under the picture until the next one, or on standard error."""
        if not self.shown:
            click.echo(line, err=True)
            return
        width = self.size()[0]
        sys.stdout.write(f"{line[:width]}\x1b[K\r")
        sys.stdout.flush()

    def leave(self) -> None:
        """Leave the last picture where it is."""
        if self.shown and self._lines_on_screen:
            sys.stdout.write("\x1b[K")
            sys.stdout.flush()


_ASCII = str.maketrans({"█": "#", "▓": "=", "▒": "-", "░": ".", "▌": ":", "▚": "+", "▞": "~", "…": "."})


def _knows(stream: object, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
