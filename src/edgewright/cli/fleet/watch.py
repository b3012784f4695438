"""`edgewright fleet watch`: a fleet in the terminal, drawn again and again; elsewhere a line for each change."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from edgewright.cli.fleet._api_options import ApiOptions, print_json, seconds, when
from edgewright.cli.fleet._table import plain
from edgewright.cli.fleet._text_chart import Snapshot, picture, taken
from edgewright.cli.options import declare, option
from edgewright.schema.errors import CheckFailedError, InputError, OutputError
from edgewright.schema.fleet_watch import RolloutSeen

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient


@declare("watch", epilog="Example: edgewright fleet watch --fleet my-fleet --every 5s")
def command(
    *,
    every: str = option(default="2s", metavar="TIME", help="Time between refreshes, such as 5s."),
    silence: str = option(
        default="1d", metavar="TIME", help="Time without a report after which a device counts as silent."
    ),
    once: bool = option(help="Print the state once and exit."),
    until_over: bool = option(help="Exit when no rollout is in progress; the exit code is 1 if one was aborted."),
    plan: str = option(metavar="ID", help="Exit when this rollout is over; the exit code is 1 if it was aborted."),
    as_json: bool = option("--json", help="Print each refresh as a line of JSON."),
    api: ApiOptions,
) -> None:
    """Watch rollouts, gates and versions until Ctrl-C.

    On a terminal the view is updated in place; in a file or a pipe, each change is one line. If a control plane does
    not answer, the command retries. --until-over only knows rollouts that were in progress when it started: a script
    that starts a rollout names it with --plan, since the rollout may be halted before then.
    """
    pace, quiet = max(0.2, seconds(every, "--every")), seconds(silence, "--silence")
    screen = Screen(sys.stdout.isatty() and not as_json)
    changes = Changes()
    with api.connect() as client:
        began = time.monotonic()
        try:
            for seen in looks(client, quiet, screen):
                if seen is not None:
                    _show(seen, screen, changes, as_json, once)
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
            seen = taken(api, time.time(), silence, 12)
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
    found = next((one for one in seen.rollouts if one.plan == plan), None)
    if found is None:
        raise InputError("a rollout", f"{plan!r}", "--plan", "List them with edgewright fleet rollout status --all")
    if found.state == "aborted":
        changes.aborted.add(plan)
    return not found.under_way


def _show(seen: Snapshot, screen: Screen, changes: Changes, as_json: bool, once: bool) -> None:
    new = changes.of(seen)
    if as_json:
        print_json(seen)
    elif screen.shown or once:
        screen.draw(picture(seen, *screen.size()))
    else:
        for line in new:
            click.echo(line)
    sys.stdout.flush()


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
        now = {f"rollout {one.plan}": _rollout(one) for one in seen.rollouts if self._matters(one)}
        now |= {
            f"gate {one.plan}": "; ".join(f"{gate.said} {gate.why}" for gate in one.gates)
            for one in seen.rollouts
            if one.gates and one.state == "running"
        }
        for product, counters in seen.overview.counters.items():
            parts = ", ".join(f"{n:,} on {c}" for c, n in sorted(counters.items(), reverse=True))
            now[f"versions {product}"] = parts
        now["in quarantine"] = f"{seen.overview.quarantined:,}"
        lines = [f"{what}: {text}" for what, text in now.items() if self._before.get(what) != text]
        first = not self._before
        fresh = [one for one in reversed(seen.events) if one.key not in self._events]
        if not first:
            lines += [f"{one.kind} {one.subject}: {one.text}" for one in fresh]
        self._before.update(now)
        # What was seen once may not be among the newest next time; a few thousand are remembered.
        self._events = {one.key for one in seen.events} | (self._events if len(self._events) < 5000 else set())
        self._end(seen.rollouts)
        return [f"{when(seen.at)}  {plain(line)}" for line in lines]

    def over(self, seen: Snapshot) -> bool:
        """Return whether no rollout is under way."""
        return not any(one.under_way for one in seen.rollouts)

    def _matters(self, one: RolloutSeen) -> bool:
        return one.under_way or one.plan in self._going

    def _end(self, rollouts: tuple[RolloutSeen, ...]) -> None:
        for one in rollouts:
            if one.under_way:
                self._going.add(one.plan)
            elif one.plan in self._going and one.state == "aborted":
                self.aborted.add(one.plan)


def _rollout(one: RolloutSeen) -> str:
    stage = one.stages[one.stage]
    back = ", devices are called back" if one.revert else ""
    state = f"{one.state} at stage {one.stage + 1} of {len(one.stages)} {stage.name!r}, {stage.percent:g} %{back}"
    reason = one.holds or (one.why if one.state in ("paused", "aborted") else "")
    return f"{state}; {one.running:,} devices have release {one.counter}" + (f"; {reason}" if reason else "")


_BROAD, _HIGH = 160, 10_000


class Screen:
    """Where pictures are drawn.

    Args:
        shown: standard output is a terminal.
    """

    def __init__(self, shown: bool) -> None:
        self.shown, self._drawn = shown, 0
        # One write a picture, so that it does not flicker; the bar is plain text where the terminal knows no other.
        self._plain = not _knows(sys.stdout, "█▓▒░▌▚▞…")

    def size(self) -> tuple[int, int]:
        """Return columns and rows of a picture."""
        if not self.shown:
            return _BROAD, _HIGH
        found = shutil.get_terminal_size()
        # A picture that fills the last row scrolls, and could not be drawn over.
        return max(20, found.columns - 1), max(3, found.lines - 2)

    def draw(self, lines: Sequence[str]) -> None:
        """Draw over what was drawn before."""
        if self._plain:
            lines = [line.translate(_ASCII).encode("ascii", "replace").decode() for line in lines]
        text = "\n".join(lines) + "\n"
        if not self.shown:
            click.echo(text, nl=False)
            return
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        sys.stdout.write(f"{up}\x1b[J{text}")
        sys.stdout.flush()
        self._drawn = len(lines)

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
        if self.shown and self._drawn:
            sys.stdout.write("\x1b[K")
            sys.stdout.flush()


_ASCII = str.maketrans({"█": "#", "▓": "=", "▒": "-", "░": ".", "▌": ":", "▚": "+", "▞": "~", "…": "."})


def _knows(stream: object, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
