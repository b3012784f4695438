"""Commands on what a fleet has signed: keys and folder, releases, changes that wait, static files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import FLEET, PASSPHRASES, PREPARE, KeyOptions, passphrases, settled_lines
from edgewright.core.errors import InvalidNameError
from edgewright.core.formatting import bytes_text

if TYPE_CHECKING:
    from edgewright.fleet.repository.folder import Fleet
    from edgewright.fleet.repository.key_rotation import Quorum
    from edgewright.fleet.repository.publication import Contents


def _count(role: str, thing: str, usual: int) -> Any:  # noqa: ANN401 - a field
    words = f"Number of {role} keys." if thing == "keys" else f"Signatures that {role} needs."
    return option(type=click.IntRange(1, 16), metavar="N", help=f"{words}  [default: {usual}]")


@dataclass(frozen=True, kw_only=True)
class QuorumOptions:
    """How many keys each offline role has, and how many of them must sign."""

    root_keys: int | None = _count("root", "keys", 3)
    root_threshold: int | None = _count("root", "threshold", 2)
    targets_keys: int | None = _count("targets", "keys", 3)
    targets_threshold: int | None = _count("targets", "threshold", 2)
    releases_keys: int | None = _count("releases", "keys", 2)
    releases_threshold: int | None = _count("releases", "threshold", 1)

    def read(self) -> dict[str, Quorum]:
        """Of root, targets and releases; a threshold that was not given is a majority of keys that were."""
        from edgewright.fleet.repository.key_rotation import USUAL, Quorum

        quorums = {}
        for role, usual in USUAL.items():
            keys, threshold = getattr(self, f"{role}_keys"), getattr(self, f"{role}_threshold")
            if threshold is None:
                threshold = usual.threshold if keys is None else min(usual.threshold, keys // 2 + 1)
            quorums[role] = Quorum(keys=max(usual.keys, threshold) if keys is None else keys, threshold=threshold)
        return quorums


@declare(example="my-fleet --product pump --passphrase-file secret.txt")
def init(
    *,
    folder: Path = argument(metavar="DIR"),
    name: str = option(help="Name of the fleet; the folder's name by default."),
    products: tuple[str, ...] = option(
        "--product",
        metavar="NAME",
        help="Product (a line of packages) that devices follow; may be repeated. [default: main]",
    ),
    address: str = option(metavar="URL", help="Address at which devices will reach the fleet."),
    quorums: QuorumOptions,
    passphrase_files: tuple[Path, ...] = PASSPHRASES,
) -> Result:
    """Create a fleet in DIR: keys, signed metadata, and instructions for storing the keys.

    Move the offline keys (root, targets, releases) off this machine; the printed steps say which goes where and how to
    check it. The online keys (rollouts, snapshot, timestamp) stay with `fleet serve`.
    """
    from edgewright.fleet.protocol.keys import ceremony, lines
    from edgewright.fleet.protocol.layout import FleetSettings
    from edgewright.fleet.protocol.transport import checked_address
    from edgewright.fleet.repository.folder import read_published, root_hash
    from edgewright.fleet.repository.key_rotation import create_fleet
    from edgewright.fleet.repository.metadata import role_keys

    if address:
        checked_address(address, "--address")
    record = {"name": name or folder.absolute().name, "products": products or ("main",), "address": address}
    try:
        settings = msgspec.convert(record, type=FleetSettings)
    except msgspec.ValidationError as error:
        raise InvalidNameError(
            "a name, and products of small letters, digits and '-'", str(error), "fleet init"
        ) from None
    passphrase = next(iter(passphrases(passphrase_files)), None)
    fleet, keys = create_fleet(folder, settings, quorums.read(), passphrase, time.time())
    steps = ceremony(folder, root_hash(fleet), role_keys(read_published(fleet)), keys)
    return Result(steps, ["\n".join(lines(steps))])


@declare(example="runs/pump --fleet my-fleet --notes 'more pumps'")
def publish(
    *,
    package: str = argument(metavar="PACKAGE"),
    folder: Path = FLEET,
    product: str | None = option(
        metavar="NAME", help="Product (a line of packages); required if the fleet has several."
    ),
    profiles: tuple[str, ...] = option(
        "--profile", metavar="NAME", help="Hardware profile that the release is for; may be repeated. [default: all]"
    ),
    wheels: Path | None = option(
        "--agent-wheels", metavar="DIR", help="Folder with wheels of the agent that devices install with the release."
    ),
    settings: Path | None = option(
        metavar="FILE", help="Settings that devices take with the release: a part of a device.toml."
    ),
    minimum: str = option(
        "--least", metavar="VERSION", help="Lowest version of Edgewright that a device needs to run it."
    ),
    notes: str = option(help="Release notes; devices do not read them."),
    counter: int | None = option(
        type=click.IntRange(1), metavar="N", help="Number of the release; the next one by default."
    ),
    back: int | None = option(
        "--back-to",
        type=click.IntRange(1),
        metavar="N",
        help="Release to which a rollback returns; by default the newest whose rollout was not aborted.",
    ),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Check PACKAGE (a .edge file or a run folder), and sign it as the next release of a product.

    Its test vectors must pass on this machine. A dormant release is signed too, with the next number and the bytes of
    the newest earlier release whose rollout was not aborted: an aborted rollout can then send devices back to it
    without an offline key. No device runs the release before a rollout says so (edgewright fleet rollout start).
    """
    from edgewright.core.predictor import package_path
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.publication import (
        check_package,
        prepare_release,
        with_settings,
        with_wheels,
    )

    fleet = open_fleet(folder)
    path, now = package_path(package), time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring), TemporaryDirectory() as temporary:
        if settings is not None:
            path = with_settings(path, settings, Path(temporary))
        if wheels is not None:
            path = with_wheels(path, wheels, Path(temporary))
        contents, line = check_package(path), fleet.product(product)
        requirements = publication_lines(fleet, contents, line)
        change, releases = prepare_release(
            fleet, contents, now, product=line, counter=counter, profiles=profiles, minimum=minimum,
            notes=notes[:1000], back=back,
        )  # fmt: skip
        settled = settle(fleet, change, ring, now, prepare)
    lines = []
    for published in releases:
        release, way = published.release, f", the way back to {published.of}" if published.revert else ""
        lines.append(f"{release.product} {release.counter}: {release.package}, {release.length:,} bytes{way}")
    return Result(
        {"change": settled, "releases": releases, "needs": contents.needs},
        [*lines, *requirements, *settled_lines(settled, folder)],
    )


def publication_lines(fleet: Fleet, contents: Contents, product: str) -> list[str]:
    """Return what devices must have for a package, and that it has no settings where the release before had some."""
    from edgewright.fleet.repository.publication import without_settings

    lines = [f"each device must have: {', '.join(contents.needs)}"] if contents.needs else []
    dropped = without_settings(fleet, contents, product)
    if dropped is not None:
        lines.append(f"warning: release {dropped} has settings and this one has none: --settings FILE gives it some")
    return lines


@declare(example="--fleet my-fleet")
def releases(
    folder: Path = FLEET,
    product: str | None = option(metavar="NAME", help="Only releases of this product."),
) -> Result:
    """List signed releases with what each carries beside its model; each rollback release follows its release."""
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.changes import plain
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.metadata import listed
    from edgewright.fleet.repository.publication import carried_parts

    fleet = open_fleet(folder)
    wanted = None if product is None else fleet.product(product)
    releases = [release for release in listed(read_held(fleet)) if wanted in (None, release.release.product)]
    carried = [carried_parts(fleet, release.release) for release in releases]

    def text() -> Iterator[str]:
        for release, parts in zip(releases, carried, strict=True):
            way = f"  back to {release.of}" if release.revert else ""
            profiles = f"  for {', '.join(release.release.profiles)}" if release.release.profiles else ""
            notes = f"  {release.notes}" if release.notes and not release.revert else ""
            signed = release.release
            more = "  file cannot be read" if parts is None else f"  with {', '.join(parts)}" if parts else ""
            yield plain(f"{signed.product} {signed.counter:>5}  {signed.package}{way}{more}{profiles}{notes}")
        if not releases:
            yield "no releases yet: edgewright fleet publish PACKAGE"

    records = [
        {**msgspec.to_builtins(release), "carries": parts} for release, parts in zip(releases, carried, strict=True)
    ]
    return Result(records, text())


@declare(example="release-7.json --fleet my-fleet")
def finish(
    *,
    file: Path = argument(metavar="FILE"),
    folder: Path = FLEET,
    signing: KeyOptions,
) -> Result:
    """Publish a change that `--prepare FILE` wrote, once it has enough signatures.

    Keys that are available here sign it too.
    """
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.changes import read_change
    from edgewright.fleet.repository.folder import open_fleet

    fleet, now = open_fleet(folder), time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring):
        settled = settle(fleet, read_change(file), ring, now)
    return Result(settled, settled_lines(settled, folder))


@declare(example="--fleet my-fleet")
def waiting(
    folder: Path = FLEET,
    withdraw: int | None = option(type=click.IntRange(1), metavar="N", help="Withdraw change N and those after it."),
) -> Result:
    """List changes that are signed and wait to be published, or withdraw some.

    The control plane publishes them as soon as it runs. If it refuses one (its log says why), the changes after it wait
    too.
    """
    from edgewright.fleet.repository import acceptance
    from edgewright.fleet.repository.changes import plain
    from edgewright.fleet.repository.folder import locked, open_fleet

    fleet = open_fleet(folder)
    if withdraw is None:
        changes = acceptance.waiting(fleet)
    else:
        with locked(fleet):
            changes = acceptance.withdraw(fleet, withdraw)

    def text() -> Iterator[str]:
        prefix = "" if withdraw is None else "taken back: "
        for change in changes:
            yield plain(f"{prefix}{int(change.path.stem)}  {change.change.about}")
        if not changes:
            yield "nothing waits"

    return Result([{"number": int(change.path.stem), "about": change.change.about} for change in changes], text())


@declare(example="my-fleet /srv/www/fleet")
def export(
    *,
    folder: Path = argument(metavar="DIR"),
    out: Path = argument(metavar="OUT"),
) -> Result:
    """Copy all files that devices of the fleet in DIR request to OUT, the timestamp last.

    Files with a version or hash in their names never change and can be cached for ever; OUT/CACHING.md says how long
    the others can be. Files already in OUT stay, so that a device in the middle of an update finds them. Exits with 1
    if the timestamp has expired.
    """
    from edgewright.fleet.repository.distribution import NOTE, export
    from edgewright.fleet.repository.folder import locked, open_fleet

    fleet = open_fleet(folder)
    with locked(fleet):
        written = export(fleet, out, time.time())

    def text() -> Iterator[str]:
        yield (f"{written.written} files written ({bytes_text(written.bytes)}), {written.kept} existed already")
        yield f"the timestamp is valid until {written.expires}; export again before then"
        for kind, value in written.cache.items():
            yield f"  {kind:<44} Cache-Control: {value}"
        yield f"also written to {click.format_filename(out / NOTE)}"

    return Result(written, text())
