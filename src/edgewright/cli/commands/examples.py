"""Whole use cases in Python, each a script of at most 250 lines: list them, or copy one to change it."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.folder import FolderOfCommands
from edgewright.cli.interrupt import loading

EXAMPLE = "copy factory"


@declare(example="factory my-factory")
def copy(
    name: str = argument(metavar="NAME"),
    folder: Path | None = argument(metavar="FOLDER", required=False),
) -> Result:
    """Copy an example to a new FOLDER, by default one of its name.

    Next: python NAME/NAME.py; --data DIR reads public sets from a folder, --out DIR gets the runs.
    """
    from edgewright.workflows.examples import copy_example

    script = copy_example(name, folder or Path(name))
    following = f"python {click.format_filename(script)}"
    record = {"folder": str(script.parent), "next": following}
    return Result(record, [f"copied {name} to {click.format_filename(script.parent)}", f"next: {following}"])


def _list() -> None:
    if click.get_current_context().invoked_subcommand is not None:
        return
    with loading():
        from edgewright.workflows.examples import list_examples

    examples = list_examples()
    width = max((len(example.name) for example in examples), default=0)
    for example in examples:
        data = f"needs {', '.join(example.data)}" if example.data else "needs no data"
        click.echo(f"{example.name:<{width}}  {example.title} ({data})")


command = FolderOfCommands(__name__, invoke_without_command=True, callback=_list)
