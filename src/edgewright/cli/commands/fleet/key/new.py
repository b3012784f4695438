"""`edgewright fleet key new`: a key of one's own, whose public half goes to whoever keeps the fleet."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._folder import PASSPHRASES, passphrases
from edgewright.schema.errors import InputError


@declare(example="alice.key --passphrase-file secret.txt")
def command(
    file: Path = argument(metavar="FILE"),
    passphrase_files: tuple[Path, ...] = PASSPHRASES,
) -> Result:
    """Create an Ed25519 key in FILE (mode 0600), and its public half in FILE.pub.

    To give the key to a role: `edgewright fleet key rotate ROLE --keep --add FILE.pub`.
    """
    from edgewright.fleet.protocol.keys.files import PRIVATE, PUBLIC, make_key

    if file.suffix != PRIVATE:
        raise InputError(f"a name that ends with {PRIVATE}", file.name, "FILE")
    signer = make_key(file, next(iter(passphrases(passphrase_files)), None))
    public = file.with_suffix(PUBLIC)
    key = signer.public_key.keyid
    record = {"key": key, "file": str(file), "public": str(public)}
    return Result(record, [f"key {key}", f"{file} is private; share {public}"])
