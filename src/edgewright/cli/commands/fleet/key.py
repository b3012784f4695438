"""List, rotate and revoke the keys that a fleet's devices trust, and sign with them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import FLEET, PASSPHRASES, PREPARE, KeyOptions, passphrases, settled_lines
from edgewright.core.errors import CheckFailedError, InvalidNameError, OptionsConflictError
from edgewright.fleet.protocol.layout import Settled

if TYPE_CHECKING:
    from edgewright.fleet.repository.folder import Fleet

EXAMPLE = "list --fleet my-fleet"


@declare(example="alice.key --passphrase-file secret.txt")
def new(
    file: Path = argument(metavar="FILE"),
    passphrase_files: tuple[Path, ...] = PASSPHRASES,
) -> Result:
    """Create an Ed25519 key in FILE (mode 0600), and its public half in FILE.pub.

    To give the key to a role: `edgewright fleet key rotate ROLE --keep --add FILE.pub`.
    """
    from edgewright.fleet.protocol.keys import PRIVATE, PUBLIC, make_key

    if file.suffix != PRIVATE:
        raise InvalidNameError(f"a name that ends with {PRIVATE}", file.name, "FILE")
    signer = make_key(file, next(iter(passphrases(passphrase_files)), None))
    public = file.with_suffix(PUBLIC)
    key = signer.public_key.keyid
    record = {"key": key, "file": str(file), "public": str(public)}
    return Result(record, [f"key {key}", f"{file} is private; share {public}"])


@declare(example="--fleet my-fleet --keys /media/usb")
def list_(*, folder: Path = FLEET, signing: KeyOptions) -> Result:
    """List roles, thresholds, keys, their files, and when the signed metadata expires."""
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.folder import open_fleet, root_hash
    from edgewright.fleet.repository.metadata import role_keys

    fleet = open_fleet(folder)
    roles = role_keys(read_held(fleet))
    ring = signing.ring(fleet)
    here = {key: str(ring.file(key) or "") for role in roles for key in role.keys}
    lines = [f"root fingerprint (SHA-256 of the newest root.json): {root_hash(fleet)}"]
    for role in roles:
        lines.append(f"{role.role}: {role.threshold} of {len(role.keys)}, version {role.version}, until {role.expires}")
        lines += [f"  {key[:16]}  {f'at hand, {here[key]}' if here[key] else 'not here'}" for key in role.keys]
    return Result({"root": root_hash(fleet), "roles": roles, "at_hand": here}, lines)


def change_keys(
    fleet: Fleet, role: str, signing: KeyOptions, prepare: Path | None, **how: Any  # noqa: ANN401 - of `rotate`
) -> Result:  # fmt: skip
    """Give a role other keys; the caller holds the lock.

    Args:
        fleet: whose role.
        role: its name.
        signing: keys at hand.
        prepare: file for others to sign.
        how: as `key_rotation.rotate` takes it.
    """
    from edgewright.fleet.repository import metadata
    from edgewright.fleet.repository.acceptance import read_held, settle
    from edgewright.fleet.repository.changes import role_files
    from edgewright.fleet.repository.key_rotation import kept_when_done, rotate

    opened, now = passphrases(signing.passphrase_files), time.time()
    before = metadata.role_of(read_held(fleet), role).keyids
    change, new = rotate(fleet, role, now, passphrase=next(iter(opened), None), **how)
    with kept_when_done(fleet, new):
        settled = settle(fleet, change, fleet.ring(signing.keys, opened), now, prepare)
    ring = fleet.ring(signing.keys, opened)
    after = {key for r in metadata.role_keys({**read_held(fleet), **role_files(change)}) for key in r.keys}
    gone = [str(ring.file(key)) for key in before if key not in after and ring.file(key) is not None]
    lines = [f"made {key.key[:16]}  {key.file}{' (move it offline)' if key.offline else ''}" for key in new]
    lines += settled_lines(settled, fleet.folder)
    lines += [f"no longer trusted; delete it after publishing: {file}" for file in gone]
    if role == "timestamp" and settled.state != "prepared":
        lines.append("devices reset their signed time and set it from the new key")
    return Result({"change": settled, "made": new, "old_files": gone}, lines)


@declare(example="timestamp --fleet my-fleet --keys /media/usb")
def rotate(
    *,
    role: str = argument(metavar="ROLE"),
    folder: Path = FLEET,
    named: tuple[str, ...] = option(
        "--key", metavar="KEYID", help="Replace only this key; all keys of the role by default."
    ),
    keep: bool = option(help="Add a key and keep the others."),
    files: tuple[Path, ...] = option(
        "--add",
        type=click.Path(path_type=Path),
        metavar="FILE.pub",
        help="Public half of an existing key (fleet key new), instead of creating one here.",
    ),
    threshold: int | None = option(
        type=click.IntRange(1), metavar="N", help="Signatures that the role needs from now on."
    ),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Give ROLE (root, targets, releases, rollouts, snapshot or timestamp) new keys.

    Root keys sign a change of root, targets, snapshot and timestamp; targets keys one of releases and rollouts. A new
    root is signed by the old and the new keys, and every version of it is kept, so that a device that was offline for
    years can follow.
    """
    from edgewright.fleet.protocol.keys import read_public
    from edgewright.fleet.repository.acceptance import writing
    from edgewright.fleet.repository.folder import open_fleet

    if keep and named:
        raise OptionsConflictError("--keep or --key", "both", "fleet key rotate")
    add = [read_public(file) for file in files]
    fleet = open_fleet(folder)
    remove = [] if keep else list(named) or None
    make = (0 if add or threshold else 1) if keep else None
    with writing(fleet, time.time()):
        return change_keys(
            fleet, role, signing, prepare, remove=remove, add=add, make=make,
            threshold=threshold,
        )  # fmt: skip


@declare(example="3f9c2b71 --fleet my-fleet --keys /media/usb")
def revoke(
    *,
    key: str = argument(metavar="KEYID"),
    folder: Path = FLEET,
    alone: bool = option("--without-replacement", help="Do not create a new key."),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Revoke the key whose id begins with KEYID, and replace it by a new one.

    Everything that the role signs is re-signed at once. If one online key was stolen, assume that all three were, and
    rotate rollouts, snapshot and timestamp: devices then also forget version numbers that an attacker may have
    advanced.
    """
    from edgewright.fleet.repository.acceptance import read_held, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.key_rotation import role_with

    fleet = open_fleet(folder)
    with writing(fleet, time.time()):
        role = role_with(read_held(fleet), key)
        return change_keys(fleet, role, signing, prepare, remove=[key], make=0 if alone else 1)


@declare(example="--fleet my-fleet --keys /media/usb")
def refresh(
    *,
    folder: Path = FLEET,
    everything: bool = option("--all", help="Re-sign every offline role."),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Re-sign root, targets and releases if they expire within 30 days.

    If no control plane runs, rollouts, snapshot and timestamp are re-signed too: do this once a day for a fleet of
    static files.
    """
    from edgewright.fleet.repository import metadata
    from edgewright.fleet.repository.acceptance import publish, read_held, settle, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.key_rotation import due, refresh

    fleet, now = open_fleet(folder), time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring):
        metadata_files = read_held(fleet)
        roles = metadata.offline_roles(metadata_files) if everything else due(metadata_files, now)
        if roles:
            settled = settle(fleet, refresh(fleet, roles, now), ring, now, prepare)
        elif fleet.managed():
            settled = Settled(about="no offline role expires soon; the control plane signs the rest", state="waiting")
        else:
            publish(fleet, {}, now, ring)
            settled = Settled(about="rollouts, snapshot and timestamp for longer", state="published")
    alone = not roles and fleet.managed()
    return Result(settled, [settled.about] if alone else settled_lines(settled, folder))


@declare(example="release-7.json --keys /media/usb")
def sign(
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
    from edgewright.fleet.protocol.keys import Ring
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
