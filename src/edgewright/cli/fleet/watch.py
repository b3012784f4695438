"""`edgewright fleet watch`: a fleet in the terminal, drawn again and again; elsewhere a line for each change."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.fleet._desk import desk_options, print_json, seconds

if TYPE_CHECKING:
    from edgewright.cli.fleet._picture import Snapshot


@click.command("watch", epilog="Example: edgewright fleet watch --fleet my-fleet --every 5s")
@click.option("--every", default="2s", show_default=True, metavar="TIME", help="How often to look, such as 5s.")
@click.option("--silence", default="1d", show_default=True, metavar="TIME", help="Silent is who said nothing so long.")
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option("--until-over", is_flag=True, help="End when no rollout is under way; exit code 1 if one was aborted.")
@click.option("--json", "as_json", is_flag=True, help="Print each look as a line of JSON.")
@desk_options
def command(
    every: str,
    silence: str,
    once: bool,
    until_over: bool,
    as_json: bool,
    asked: Callable[[], Any],
) -> None:
    """Watch rollouts, gates and versions until Ctrl-C.

    On a terminal the picture is drawn in place; into a file or a pipe goes one line for each change. A control plane
    that does not answer is asked again.
    """
    from edgewright.cli.fleet._changes import Changes
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
                if once or (until_over and seen is not None and changes.over(seen)):
                    break
                # A look at a very large fleet takes its time; a watcher takes at most a fifth of it.
                time.sleep(max(pace, 4.0 * (time.monotonic() - began)))
        finally:
            screen.leave()
    if until_over and changes.aborted:
        from edgewright.schema.errors import CheckFailedError

        raise CheckFailedError(f"aborted: {', '.join(sorted(changes.aborted))}")


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
        from edgewright.cli.fleet._picture import taken
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


def _tell(seen: Snapshot, screen: Any, changes: Any, as_json: bool, once: bool) -> None:  # noqa: ANN401
    from edgewright.cli.fleet._picture import picture

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
