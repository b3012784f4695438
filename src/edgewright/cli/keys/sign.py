"""`edgewright fleet key sign`: shows a prepared change and signs it; nothing else of the fleet is needed."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.fleet._folder import KeyOptions, passphrases
from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json
from edgewright.schema.errors import CheckFailedError


@declare("sign", epilog="Example: edgewright fleet key sign release-7.json --keys /media/usb")
def command(
    *,
    file: Path = argument(metavar="FILE"),
    signing: KeyOptions,
    root: str = option(metavar="SHA256", help="Fingerprint of the root that it must build upon."),
    look: bool = option(help="Only show what it changes."),
    as_json: bool = option("--json", help="Print the result as JSON."),
) -> None:
    """Show what the change in FILE changes, and add the signatures of the keys at --keys to it.

    This works on a machine without a network and without the fleet's folder. What is shown is right where the printed
    fingerprint is that of the fleet's newest root (fleet key list); --root compares it. Exit code 1: it is another one,
    or none of the keys may sign.
    """
    from edgewright.fleet.protocol.keys.files import Ring
    from edgewright.fleet.repository import changes
    from edgewright.fleet.repository.changes import describe

    asked = changes.read_change(file)
    before, fingerprint = changes.base(asked), changes.check_base(asked)
    if root and fingerprint != root.lower():
        raise CheckFailedError(f"the change builds upon another root, {fingerprint}", "Ask who prepared it")
    lines = describe(before, asked)
    signed = asked
    if not look:
        ring = Ring(signing.keys or (Path(),), passphrases(signing.passphrase_files))
        signed = changes.sign(before, asked, ring)
        if signed.roles == asked.roles:
            raise CheckFailedError("none of the keys may sign this, or they have", ring.why())
        changes.save_change(file, signed)
    lacking = changes.lacking(before, signed)
    if as_json:
        print_json({"root": fingerprint, "changes": lines, "lacking": lacking, "signed": not look})
        return
    click.echo(f"builds upon the root with fingerprint {fingerprint}")
    for line in lines:
        click.echo(line)
    for line in lacking or ["every signature is there: edgewright fleet finish FILE"]:
        click.echo(line)
