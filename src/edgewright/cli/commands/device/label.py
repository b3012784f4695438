"""`edgewright device label`: what an operator knows, to the agent at work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.device._store import STORE
from edgewright.schema.errors import CheckFailedError, InputError, UnknownNameError

if TYPE_CHECKING:
    from edgewright.schema.package import Manifest

_PATIENCE = 10.0


@declare(example="walking --for 65s --store /var/lib/edgewright")
def command(
    label: str = argument(),
    store: Path = STORE,
    duration: str = option("--for", metavar="TIME", help="The label of this time from now on, such as 65s."),
    package: str = option(metavar="NAME", help="Package that learns, if there are several."),
    stream: str = option(metavar="NAME", help="Stream that the label is of, if there are several."),
) -> Result:
    """Say what the last window was, or what the next ones are; the running agent learns from them on the device.

    The package needs a table [adapt]. `edgewright device status` shows whether answers use what was learned.
    """
    from edgewright.cli.durations import seconds_of
    from edgewright.device.agent.learned import LabelRequest, ask, learned_folder

    manifest = _manifest(store, package)
    if label not in manifest.labels:
        raise UnknownNameError("label", label, manifest.labels, f"package {manifest.name}")
    seconds = seconds_of(duration, "--for") if duration else 0.0
    request = LabelRequest(label=label, seconds=seconds, stream=stream)
    reply = ask(learned_folder(store, manifest.name), request, _PATIENCE)
    if reply is None:
        raise CheckFailedError(
            f"no agent of {store} took the label within {_PATIENCE:g} s", "Start it with: edgewright device run"
        )
    if reply.text:
        raise CheckFailedError(reply.text)
    if seconds:
        return Result(reply, [f"windows of the next {seconds:g} s are {label}"])
    refused = "the last window was refused: its values are missing or out of range"
    done = "learned from the last window" if reply.learned else refused
    return Result(reply, [f"{done}; {'answers use what was learned' if reply.used else 'the factory model answers'}"])


def _manifest(store: Path, name: str) -> Manifest:
    """Return the manifest of the package that learns.

    Raises:
        InputError: there is none, or several.
        UnknownNameError: none of this name.
    """
    from edgewright.core.package import read_package
    from edgewright.device.agent.packages import CURRENT, FOLDER

    packages = [read_package(path) for path in sorted((store / FOLDER).glob(f"*/{CURRENT}"))]
    known = {one.manifest.name: one.manifest for one in packages if one.learns}
    if name and name not in known:
        raise UnknownNameError("package that learns", name, known, str(store))
    if len(known) == 1 or name:
        return known[name or next(iter(known))]
    raise InputError(
        "one package with a table [adapt]", ", ".join(known) or "none", str(store),
        "Name it with --package" if known else "Add the table to the pipeline, and run the new package",
    )  # fmt: skip
