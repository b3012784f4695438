"""From a signed change to published files.

A whole change is first laid into the folder `incoming`. Where a control plane publishes, it takes the change in with a
transaction of its own (`waiting`, `role_files`, `online.sign_online`, `taken`); where there is none, the online keys in
the folder sign at once. A change that was cut off by a power loss is taken in by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from securesystemslib.signer import Signer

from edgewright.core.files import sync_folder
from edgewright.fleet.protocol.keys.files import Ring
from edgewright.fleet.protocol.layout import INDEX, ONLINE, STICK_TIMESTAMP, TIMESTAMP
from edgewright.fleet.repository import changes, metadata, offline
from edgewright.fleet.repository.folder import Fleet, locked
from edgewright.fleet.repository.online import check_role_file, sign_online
from edgewright.fleet.repository.public_files import make_folder, read_index, read_published, write_roles, write_targets
from edgewright.fleet.repository.superseded import remove_superseded
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import Change, Settled
from edgewright.schema.fleet_plan import Standings

_CLOCKS_DIFFER = 600.0


class Waiting(NamedTuple):
    """A whole change that is not published yet, and its file."""

    path: Path
    change: Change


def waiting(fleet: Fleet) -> list[Waiting]:
    """Whole changes that are not published yet, oldest first."""
    paths = [path for path in fleet.incoming.glob("*.json") if path.stem.isdigit()]
    return [Waiting(path, changes.read_change(path)) for path in sorted(paths)]


def taken(found: Waiting) -> None:
    """Forget a change, once what it says is durable elsewhere."""
    found.path.unlink(missing_ok=True)
    sync_folder(found.path.parent)


def withdraw(fleet: Fleet, number: int) -> list[Waiting]:
    """Take back a change that waits, and those after it, which build upon it; what was published stays published.

    Args:
        fleet: locked by the caller.
        number: of the change's file.

    Raises:
        InputError: no such change waits.
    """
    found = waiting(fleet)
    going = [one for one in found if int(one.path.stem) >= number]
    if number not in [int(one.path.stem) for one in going]:
        known = ", ".join(str(int(one.path.stem)) for one in found) or "none"
        raise InputError("the number of a change that waits", f"{number}; these wait: {known}", str(fleet.incoming))
    for one in reversed(going):
        taken(one)
    return going


def read_held(fleet: Fleet) -> dict[str, bytes]:
    """Metadata by role on which the next change builds: what is published, and what waits."""
    held = read_published(fleet)
    for found in waiting(fleet):
        held |= changes.role_files(found.change)
    return held


def accept(fleet: Fleet, change: Change, now: float, ring: Ring | None = None) -> bool:
    """Publish a change that is signed by all whom it needs.

    Args:
        fleet: locked by the caller.
        change: the change.
        now: seconds since 1970.
        ring: with the online keys; None for those of the folder.

    Returns:
        Whether it is published; False: it waits for the control plane.

    Raises:
        InputError: signatures or targets are missing, or something newer was published meanwhile.
        OutputError: a file cannot be written.
    """
    held = read_held(fleet)
    changes.require_whole(held, change)
    files = changes.role_files(change)
    if all(held.get(role) == data for role, data in files.items()):
        raise InputError("a change that is new", "one that is published or waits already", change.about)
    for role in files:
        if held.get(role) != files[role] and metadata.version(files, role) != metadata.version(held, role) + 1:
            expected, got = metadata.version(held, role) + 1, metadata.version(files, role)
            do = "Something was published after you prepared it; prepare it again"
            raise InputError(f"version {expected} of {role}", str(got), change.about, do)
        check_role_file(held, role, {**held, **files})
    for name in change.targets:
        if not (fleet.targets / name).is_file():
            raise InputError("the file of each target", "none", str(fleet.targets / name), "Prepare the change again")
    if not fleet.managed():
        online_signers(fleet, {**held, **files}, ring)  # before anything is written
    make_folder(fleet.incoming)
    number = max((int(found.path.stem) for found in waiting(fleet)), default=0) + 1
    changes.save_change(fleet.incoming / f"{number:08d}.json", msgspec.structs.replace(change, base={}))
    if fleet.managed():
        return False
    take_in(fleet, now, ring)
    return True


@contextmanager
def writing(fleet: Fleet, now: float, ring: Ring | None = None) -> Iterator[None]:
    """One writer at a time, who first publishes what was accepted and cut off before it was published.

    Args:
        fleet: whose folder.
        now: seconds since 1970.
        ring: with the online keys; None for those of the folder.

    Raises:
        InputError: another process kept the folder for too long, or an online key is missing.
        OutputError: the folder cannot be written.
    """
    with locked(fleet):
        if not fleet.managed():
            take_in(fleet, now, ring)
        yield


def settle(fleet: Fleet, change: Change, ring: Ring, now: float, prepare: Path | None = None) -> Settled:
    """Return signs a change with the keys at hand and publishes it, or prepares it for others to sign.

    Args:
        fleet: locked by the caller.
        change: the change.
        ring: keys at hand.
        now: seconds since 1970.
        prepare: file for a change that others sign; None publishes.

    Raises:
        InputError: too few keys to publish, or the file exists.
        OutputError: a file cannot be written.
    """
    held = read_held(fleet)
    signed = changes.sign(held, change, ring)
    if prepare is not None:
        changes.write_change(prepare, signed, held)
        lacks = tuple(changes.lacking(held, signed))
        return Settled(about=signed.about, state="prepared", file=str(prepare), lacking=lacks)
    changes.require_whole(held, signed, ring)
    return Settled(about=signed.about, state="published" if accept(fleet, signed, now, ring) else "waiting")


def take_in(fleet: Fleet, now: float, ring: Ring | None = None) -> int:
    """Publish what waits, with the online keys of the folder; only where no control plane does.

    Returns:
        How many changes.
    """
    found = waiting(fleet)
    for one in found:
        publish(fleet, changes.role_files(one.change), now, ring)
        taken(one)
    return len(found)


def publish(
    fleet: Fleet, files: dict[str, bytes], now: float, ring: Ring | None = None, index: bytes | None = None
) -> None:
    """Signs rollouts, snapshot and timestamp anew with the online keys of the folder, and writes everything.

    Args:
        fleet: locked by the caller; no control plane publishes it.
        files: new metadata of offline roles; may be empty.
        now: seconds since 1970.
        ring: with the online keys; None for those of the folder.
        index: new standings; None for those there are.
    """
    held = read_published(fleet)
    new = {role: data for role, data in files.items() if held.get(role) != data}
    lifetime = STICK_TIMESTAMP - metadata.SLACK if fleet.settings.stick else None
    before = read_index(fleet, held)
    standings = issued(index or before, _signed_time(held, new, before, now))
    signers = online_signers(fleet, {**held, **new}, ring)
    signed = sign_online(held, {INDEX: standings}, signers, now, new, lifetime=lifetime)
    write_targets(fleet, {INDEX: standings})
    write_roles(fleet, {**new, **signed})
    with suppress(OSError):  # what is published is published; the next time removes what stayed
        targets = {name for one in waiting(fleet) for name in one.change.targets}
        remove_superseded(fleet, {**held, **new, **signed}, targets, now)


def _signed_time(held: dict[str, bytes], new: dict[str, bytes], before: bytes | None, now: float) -> float:
    """Return the time to sign: never before the last one, except with new timestamp keys, where devices forget it."""
    last = msgspec.json.decode(before, type=Standings).issued if before else 0.0
    if now >= last or offline.role_of({**held, **new}, TIMESTAMP).keyids != offline.role_of(held, TIMESTAMP).keyids:
        return now
    if last - now > _CLOCKS_DIFFER:
        do = "Set the clock; if it was wrong before, edgewright fleet key rotate timestamp makes devices forget it"
        raise InputError("a clock that is not behind what was signed before", f"{last - now:.0f} s behind", do=do)
    return last


def issued(index: bytes | None, now: float) -> bytes:
    """Return the standings with a new signed time; empty ones where there were none."""
    standings = msgspec.json.decode(index, type=Standings) if index else Standings(issued=now)
    return msgspec.json.encode(msgspec.structs.replace(standings, issued=now))


def online_signers(fleet: Fleet, held: dict[str, bytes], ring: Ring | None = None) -> dict[str, Signer]:
    """Return signers of the online roles, from the folder or behind the URIs of the settings.

    Raises:
        InputError: a key is missing.
    """
    ring = ring or fleet.ring()
    found: dict[str, Signer] = {}
    for role in ONLINE:
        keys = offline.keys_of(held, role)
        signer = next(iter(ring.signers(keys)), None)
        if signer is None:
            named = ", ".join(key.keyid[:16] for key in keys)
            do = "Restore its file, or rotate the role: edgewright fleet key rotate " + role
            raise InputError(f"the key {named} of the online role {role}", ring.why() or "none", str(fleet.online), do)
        found[role] = signer
    return found
