"""`edgewright fleet key sign`: shows a prepared change and signs it; nothing else of the fleet is needed."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import KeyOptions, passphrases
from edgewright.schema.errors import CheckFailedError


@declare(example="release-7.json --keys /media/usb")
def command(
    *,
    file: Path = argument(metavar="FILE"),
    signing: KeyOptions,
    root: str = option(metavar="SHA256", help="Fingerprint of the root that the change must build on."),
    look: bool = option(help="Only show what it changes; do not sign."),
) -> Result:
    """Show what the change in FILE changes, and sign it with the keys at --keys.

    This works on a machine without a network and without the fleet's folder. Trust what is shown only if the printed
    fingerprint is that of the fleet's newest root (fleet key list); --root compares it. Exits with 1 if it differs, or
    if none of the keys may sign.
    """
    from edgewright.fleet.protocol.keys.files import Ring
    from edgewright.fleet.repository import changes
    from edgewright.fleet.repository.changes import describe

    change = changes.read_change(file)
    before, fingerprint = changes.base(change), changes.check_base(change)
    if root and fingerprint != root.lower():
        raise CheckFailedError(f"a change for another root, {fingerprint}", "Ask who prepared it")
    lines = describe(before, change)
    signed = change
    if not look:
        ring = Ring(signing.keys or (Path(),), passphrases(signing.passphrase_files))
        signed = changes.sign(before, change, ring)
        if signed.roles == change.roles:
            raise CheckFailedError("no key can sign this, or all have signed", ring.why())
        changes.save_change(file, signed)
    lacking = changes.lacking(before, signed)
    return Result(
        {"root": fingerprint, "changes": lines, "lacking": lacking, "signed": not look},
        [
            f"builds upon the root with fingerprint {fingerprint}",
            *lines,
            *(lacking or ["all signatures are present: edgewright fleet finish FILE"]),
        ],
    )
