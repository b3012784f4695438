"""One `edgewright run` as a process: `python -m benchmarks.page.one_run PIPELINE traced|bare FOLDER`.

The bare one is the same command with these taken out: statistics and samples of the cards, the record's file and the
page. What a run does anyway (shapes, losses, evaluation) stays, as it would be
there without a trace; so does what the terminal prints.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from unittest import mock

from edgewright.cli.main import run as command
from edgewright.pipeline import run as room
from edgewright.pipeline.run_folder import journal as cards

_NOTHING: tuple[tuple[object, str, Callable[..., object]], ...] = (
    (room, "leave_page", lambda trace, folder: None),
    (room, "write_trace", lambda trace, path: None),
    (cards, "statistics", lambda samples, columns: ()),
    (cards, "sample_rows", lambda samples: ()),
)


def main(pipeline: str, kind: str, folder: str) -> int:
    """Run it, with or without its trace."""
    with ExitStack() as stack:
        for owner, name, instead in _NOTHING if kind == "bare" else ():
            stack.enter_context(mock.patch.object(owner, name, instead))
        return command(["run", pipeline, "--out", folder])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
