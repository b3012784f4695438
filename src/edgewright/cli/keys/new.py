"""`edgewright fleet key new`: a key of one's own, whose public half goes to whoever keeps the fleet."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.fleet._folder import PASSPHRASES, passphrases
from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError


@declare("new", epilog="Example: edgewright fleet key new alice.key --passphrase-file secret.txt")
def command(
    file: Path = argument(metavar="FILE"),
    passphrase_files: tuple[Path, ...] = PASSPHRASES,
    as_json: bool = option("--json", help="Print the result as JSON."),
) -> None:
    """Create an Ed25519 key in FILE (mode 0600), and its public half in FILE.pub.

    To give the key to a role: `edgewright fleet key rotate ROLE --keep --add FILE.pub`.
    """
    from edgewright.fleet.protocol.keys.files import PRIVATE, PUBLIC, make_key

    if file.suffix != PRIVATE:
        raise InputError(f"a name that ends with {PRIVATE}", file.name, "FILE")
    signer = make_key(file, next(iter(passphrases(passphrase_files)), None))
    public = file.with_suffix(PUBLIC)
    if as_json:
        print_json({"key": signer.public_key.keyid, "file": str(file), "public": str(public)})
    else:
        click.echo(f"key {signer.public_key.keyid}\n{file} is private; share {public}")
