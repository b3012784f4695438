"""`edgewright fleet watch`: a fleet in the terminal, drawn again and again; elsewhere a line for each change."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, Stream, declare, option, wants_json
from edgewright.cli.commands.fleet._api_options import ApiOptions, seconds
from edgewright.cli.commands.fleet._text_chart import Snapshot, picture, taken_snapshot
from edgewright.cli.text import plain, when
from edgewright.schema.errors import DONE, CheckFailedError, InputError, OutputError
from edgewright.schema.fleet_watch import RolloutSeen

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient


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
        raise InputError("a rollout", f"{plan!r}", "--plan", "List them with edgewright fleet rollout status --all")
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
