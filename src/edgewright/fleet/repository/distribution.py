"""Copies of a fleet for devices without its server: static files for a web server, and a repository for USB sticks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from tuf.api.metadata import TargetFile

from edgewright.core.errors import CheckFailedError, FleetMissingError, UsbStickError
from edgewright.core.records.fleet import Plan, Standings
from edgewright.fleet.protocol.keys import Ring
from edgewright.fleet.protocol.layout import PLANS, ROLLOUTS, TIMESTAMP, KeyMade, plan_target
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import publish, read_held, settle, writing
from edgewright.fleet.repository.folder import (
    Fleet,
    make_folder,
    open_fleet,
    read_index,
    read_published,
    read_target,
    root_versions,
    write_again,
    write_targets,
)
from edgewright.fleet.repository.key_rotation import Quorum, create_fleet

NOTE = "CACHING.md"
FOREVER = "public, max-age=31536000, immutable"
CACHE: Mapping[str, str] = {
    "metadata/timestamp.json": "public, max-age=5, must-revalidate",
    "metadata/root.json": "public, max-age=60, must-revalidate",
    "metadata/N.ROLE.json": FOREVER,
    "targets/**/SHA256.NAME": FOREVER,
    "status 404 below metadata/ (the next root)": "public, max-age=30",
    "status 404 below targets/": "public, max-age=5",
}
"""Cache-Control by kind of file. Only two names change their content: the timestamp, and root.json, which devices do
not read. A long cache time for a 404 would hide the next root."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an export.

    Attributes:
        folder: folder of the files.
        written, kept: number of written files, and of files that already had the same bytes.
        bytes: number of written bytes.
        expires: expiry of the timestamp, ISO 8601.
        cache: Cache-Control by kind of file.
    """

    folder: str
    written: int
    kept: int
    bytes: int
    expires: str
    cache: dict[str, str]


def export(fleet: Fleet, out: Path, now: float) -> Exported:
    """Copy all files that a device may request: every root, and the files that the timestamp names; timestamp last.

    Args:
        fleet: fleet to export.
        out: output folder; existing files stay for devices that are in the middle of an update.
        now: seconds since 1970.

    Raises:
        InputError: a published file is missing or altered, or `out` is the folder of a fleet.
        CheckFailedError: the timestamp has expired, so devices would refuse it.
        OutputError: a file cannot be written.
    """
    if out.is_file() or (out / "fleet.toml").exists() or out.resolve() == fleet.metadata.parent.resolve():
        raise FleetMissingError(
            "a folder for static files", "the folder of a fleet" if out.is_dir() else "a file", str(out)
        )
    role_files = read_published(fleet)
    expires = metadata.read(role_files[TIMESTAMP], TIMESTAMP).signed.expires
    if expires.timestamp() <= now:
        text = f"the timestamp expired at {expires.isoformat()}"
        raise CheckFailedError(text, "Let the control plane run, or sign it: edgewright fleet key refresh")
    written = kept = count = 0
    for name, data in _files(fleet, role_files):
        path = out / name
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            kept += 1
            continue
        make_folder(path.parent)
        write_again(path, data)
        written, count = written + 1, count + len(data)
    return Exported(
        folder=str(out), written=written, kept=kept, bytes=count, expires=expires.isoformat(), cache=dict(CACHE)
    )


def _files(fleet: Fleet, role_files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    yield NOTE, note(role_files).encode()
    for path, file in metadata.named_targets(role_files).items():
        sha256 = file.hashes["sha256"]
        yield f"targets/{metadata.prefixed(path, sha256)}", read_target(fleet, path, sha256)
    for version in root_versions(fleet)[:-1]:
        name = f"{version}.root.json"
        yield f"metadata/{name}", (fleet.metadata / name).read_bytes()
    for role in metadata.in_order(role_files):
        number = int(metadata.read(role_files[role], role).signed.version)
        for name in metadata.file_names(role, number):
            yield f"metadata/{name}", role_files[role]


def note(role_files: Mapping[str, bytes]) -> str:
    """Return instructions for the web server's administrator."""
    rollouts = metadata.read(role_files[ROLLOUTS], ROLLOUTS).signed.expires if ROLLOUTS in role_files else None
    until = f" Without a new export, devices activate nothing after {rollouts:%Y-%m-%d %H:%M UTC}." if rollouts else ""
    lines = [
        "# Static files of a fleet",
        "",
        "Devices ask for `/metadata/*` and `/targets/*` below one address. Any web server, object store or CDN serves"
        " them; no query, no cookie, no redirect, no compression on the fly. Range requests let a download resume."
        " Every file is signed, so devices detect any change by the server.",
        "",
        f"Copy `metadata/timestamp.json` last.{until}",
        "",
        "| file | Cache-Control |",
        "|---|---|",
        *(f"| `{kind}` | `{value}` |" for kind, value in CACHE.items()),
        "",
    ]
    return "\n".join(lines)


FOLDER = "stick"
ON_STICK = "edgewright"


def init_stick(
    fleet: Fleet, quorums: Mapping[str, Quorum], passphrase: bytes | None, now: float
) -> tuple[Fleet, list[KeyMade]]:
    """Create the repository for USB sticks in the folder of a fleet.

    Raises:
        InputError: the repository exists already.
        OutputError: the folder cannot be written.
    """
    name = f"{fleet.settings.name} on sticks"[:100]
    settings = msgspec.structs.replace(fleet.settings, name=name, stick=True, signers={}, address="")
    return create_fleet(fleet.folder / FOLDER, settings, quorums, passphrase, now)


def open_stick(fleet: Fleet) -> Fleet:
    """Open the repository for USB sticks of a fleet.

    Raises:
        InputError: the fleet has none.
    """
    if not (fleet.folder / FOLDER).is_dir():
        do = "Make it with `edgewright fleet stick init`"
        raise UsbStickError("a repository for sticks", "none", str(fleet.folder / FOLDER), do)
    return open_fleet(fleet.folder / FOLDER)


def write_stick(fleet: Fleet, mount: Path, ring: Ring, now: float) -> Exported:
    """Sign the files of the fleet's rollouts with the stick's keys and write them to a mounted stick.

    Args:
        fleet: fleet with the standings, plans and packages.
        mount: mount point of the stick; the function writes to its folder `edgewright`.
        ring: the stick's keys of releases, rollouts, snapshot and timestamp.
        now: seconds since 1970.

    Raises:
        InputError: no stick is mounted there, keys are missing, or the fleet has no rollout.
        OutputError: a file cannot be written.
    """
    if not mount.is_dir():
        raise UsbStickError("the folder where a stick is mounted", "none", str(mount), "Mount it first")
    stick = open_stick(fleet)
    with writing(stick, now, ring):
        role_files = read_published(fleet)
        index = read_index(fleet, role_files)
        needed = _needed(fleet, role_files, index)
        own = read_held(stick)
        have = metadata.named_targets(own)
        new = [file for path, file in needed.items() if path not in have]
        if new:
            contents = {file.path: read_target(fleet, file.path, file.hashes["sha256"]) for file in new}
            roles = metadata.with_targets(own, new, now)
            change = changes.change(f"{len(new)} targets for sticks", roles, write_targets(stick, contents))
            settle(stick, change, ring, now)
        publish(stick, {}, now, ring, index)
        return export(stick, mount / ON_STICK, now)


def _needed(fleet: Fleet, role_files: Mapping[str, bytes], index: bytes | None) -> dict[str, TargetFile]:
    """Return the targets of all rollouts: plans, packages and rollback releases, as signed for the network."""
    standings = msgspec.json.decode(index, type=Standings) if index else None
    if standings is None or not standings.rollouts:
        do = "Start one: edgewright fleet rollout start"
        raise UsbStickError("a rollout for the stick to carry", "none", str(fleet.folder), do)
    signed = metadata.named_targets(role_files)
    needed = {}
    for standing in standings.rollouts:
        file = signed.get(plan_target(standing.plan))
        if file is None:
            raise FleetMissingError("the plan of each rollout", "none", f"{PLANS}, {standing.plan}")
        plan = msgspec.json.decode(read_target(fleet, file.path, file.hashes["sha256"]), type=Plan)
        needed[file.path] = file
        for release in (plan.release, *([plan.revert] if plan.revert else [])):
            needed[release.target] = signed[release.target]
    return needed
