"""`edgewright fleet watch`: a fleet in the terminal, drawn again and again; elsewhere a line for each change."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.fleet._api_options import desk_options, print_json, seconds

if TYPE_CHECKING:
    from edgewright.cli.fleet._text_chart import Snapshot


@click.command("watch", epilog="Example: edgewright fleet watch --fleet my-fleet --every 5s")
@click.option("--every", default="2s", show_default=True, metavar="TIME", help="How often to look, such as 5s.")
@click.option("--silence", default="1d", show_default=True, metavar="TIME", help="Silent is who said nothing so long.")
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option("--until-over", is_flag=True, help="End when no rollout is under way; exit code 1 if one was aborted.")
@click.option("--plan", default="", metavar="ID", help="End when this rollout is over, or was; exit code 1 if aborted.")
@click.option("--json", "as_json", is_flag=True, help="Print each look as a line of JSON.")
@desk_options
def command(
    every: str,
    silence: str,
    once: bool,
    until_over: bool,
    plan: str,
    as_json: bool,
    asked: Callable[[], Any],
) -> None:
    """Watch rollouts, gates and versions until Ctrl-C.

    On a terminal the picture is drawn in place; into a file or a pipe goes one line for each change. A control plane
    that does not answer is asked again. --until-over knows only of what was under way at its first look: a script that
    starts a rollout names it with --plan, since it may be halted before anybody looks.
    """
    from edgewright.cli.fleet._event_lines import Changes
    from edgewright.cli.fleet._screen import Screen

    pace, quiet = max(0.2, seconds(every, "--every")), seconds(silence, "--silence")
    screen = Screen(sys.stdout.isatty() and not as_json)
    changes = Changes()
    with asked() as desk:
        look = Looks(desk, quiet, screen)
        try:
            while True:
                began = time.monotonic()
                seen = look.next()
                if seen is not None:
                    _tell(seen, screen, changes, as_json, once)
                if once or (seen is not None and _over(seen, changes, until_over, plan)):
                    break
                # A look at a very large fleet takes its time; a watcher takes at most a fifth of it.
                time.sleep(max(pace, 4.0 * (time.monotonic() - began)))
        finally:
            screen.leave()
    aborted = changes.aborted & {plan} if plan else changes.aborted
    if (until_over or plan) and aborted:
        from edgewright.schema.errors import CheckFailedError

        raise CheckFailedError(f"aborted: {', '.join(sorted(aborted))}")


class Looks:
    """Looks at a fleet, one after the other.

    Args:
        desk: to ask.
        silence: seconds after which a device is silent.
        screen: where trouble is told, once until there is an answer again.
    """

    def __init__(self, desk: Any, silence: float, screen: Any) -> None:  # noqa: ANN401 - loaded late
        self._desk, self._silence, self._screen = desk, silence, screen
        self._answered = self._told = False

    def next(self) -> Snapshot | None:
        """What is there now; None where nobody answers any more.

        Raises:
            OutputError: nobody answers at the first look.
        """
        from edgewright.cli.fleet._text_chart import taken
        from edgewright.schema.errors import OutputError

        try:
            seen = taken(self._desk, time.time(), self._silence, 12)
        except OutputError as error:
            if not self._answered:
                raise
            if not self._told:
                self._screen.note(f"no answer, asking again: {error}")
            self._told = True
            return None
        self._answered, self._told = True, False
        return seen


def _over(seen: Snapshot, changes: Any, until_over: bool, plan: str) -> bool:  # noqa: ANN401 - loaded late
    """Whether what is waited for is over.

    Raises:
        InputError: there is no rollout of that plan.
    """
    if not plan:
        return bool(until_over and changes.over(seen))
    found = next((one for one in seen.rollouts if one.plan == plan), None)
    if found is None:
        from edgewright.schema.errors import InputError

        raise InputError("a rollout", f"{plan!r}", "--plan", "edgewright fleet rollout status --all lists them")
    if found.state == "aborted":
        changes.aborted.add(plan)
    return found.state not in ("running", "paused")


def _tell(seen: Snapshot, screen: Any, changes: Any, as_json: bool, once: bool) -> None:  # noqa: ANN401
    from edgewright.cli.fleet._text_chart import picture

    new = changes.of(seen)
    if as_json:
        print_json(seen)
    elif screen.shown or once:
        screen.draw(picture(seen, *screen.size()))
    else:
        for line in new:
            click.echo(line)
    sys.stdout.flush()


COMMAND = command
