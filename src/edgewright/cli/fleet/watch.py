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
        seen: Snapshot | None = None
        try:
            while True:
                began = time.monotonic()
                seen = _look(desk, quiet, seen, screen)
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


def _look(desk: Any, silence: float, before: Snapshot | None, screen: Any) -> Snapshot | None:  # noqa: ANN401
    """What is there now; after the first look nobody who answers is waited for.

    Raises:
        OutputError: nobody answers at the first look.
    """
    from edgewright.cli.fleet._picture import taken
    from edgewright.schema.errors import OutputError

    try:
        return taken(desk, time.time(), silence, 12)
    except OutputError as error:
        if before is None:
            raise
        screen.note(f"no answer, asking again: {error}")
        return None


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
