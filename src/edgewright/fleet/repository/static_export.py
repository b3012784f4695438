"""Exports a fleet as static files for any web server, object store or CDN, with cache times for each kind of file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from edgewright.fleet.protocol.layout import ROLLOUTS, TIMESTAMP
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.public_files import (
    make_folder,
    read_published,
    read_target,
    root_versions,
    write_again,
)
from edgewright.schema.errors import CheckFailedError, InputError

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
        raise InputError("a folder for static files", "the folder of a fleet" if out.is_dir() else "a file", str(out))
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
    """Yield names and bytes in writing order."""
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
