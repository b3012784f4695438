"""Publishes packages as numbered releases, each with a rollback release in reserve, and plans as targets."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgewright.core.archive import DAMAGED
from edgewright.core.errors import FleetChangeError, PlanError, ReleaseError, SignatureError
from edgewright.core.package import package_bytes, parse_package, read_package
from edgewright.core.predictor import Predictor
from edgewright.core.records.fleet import Plan, Release, Standings
from edgewright.core.records.package import PACKAGE_VERSION
from edgewright.device.agent.packages import SETTINGS
from edgewright.device.agent.release_settings import check_carried, collect_files
from edgewright.fleet.protocol.layout import FOLDER, RELEASES, Change, Published, checked, package_target, plan_target
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import read_held, settle, writing
from edgewright.fleet.repository.folder import Fleet, open_fleet, read_index, read_target, write_targets

_AGENTS = ("edgewright-", "edgewright_device-")


def publish_plan(
    folder: Path, plan: Plan, *, keys: tuple[Path, ...] = (), passphrases: tuple[bytes, ...] = (),
    now: float | None = None,
) -> bytes:  # fmt: skip
    """Sign `plans/ID.json` as a target of `releases` and publish it.

    With a control plane, the signed change waits in `incoming` until the control plane publishes it
    (`acceptance.waiting`); without one, this function publishes it.

    Args:
        folder: folder of the fleet.
        plan: plan whose releases are already signed.
        keys: folders with keys of `releases`, in addition to the fleet's own folder.
        passphrases: passphrases of these keys.
        now: seconds since 1970; None for the current time.

    Returns:
        The plan's bytes; the standings contain their SHA-256.

    Raises:
        InputError: there are too few keys, the id is in use, or a release differs from the signed one.
        OutputError: a file cannot be written.
    """
    moment = time.time() if now is None else now
    fleet = open_fleet(folder)
    ring = fleet.ring(keys, passphrases)
    with writing(fleet, moment, ring):
        change, data = prepare_plan(fleet, plan, moment)
        settle(fleet, change, ring, moment)
    return data


class Contents(NamedTuple):
    """A package that was checked; `needs` names what its settings take from each device."""

    name: str
    data: bytes
    needs: tuple[str, ...] = ()


def check_package(path: Path) -> Contents:
    """Read a package, run the test vectors of every form with the engine of this machine, and check its settings.

    Raises:
        InputError: the file is not a package, or a device would refuse the settings that it carries.
        CheckFailedError: an answer deviates by more than the package allows.
    """
    package = read_package(path)
    data = path.read_bytes()
    if metadata.sha256(data) != package.sha256:
        raise FleetChangeError("a file that does not change", "one that changed while it was read", str(path))
    for form in package.manifest.forms:
        Predictor(package, form=form, rows=1)
    needs = check_carried(path, desk=True) if any(name.startswith(SETTINGS) for name in package.files) else ()
    return Contents(f"{package.manifest.name} {package.sha256[:16]}", data, needs)


def with_wheels(path: Path, folder: Path, into: Path) -> Path:
    """Write a package that carries the wheels of a folder; its path.

    Args:
        path: path of the package.
        folder: with wheels, that of Edgewright among them.
        into: folder for the new package.

    Raises:
        InputError: no package, no wheel of Edgewright, or a damaged wheel.
    """
    wheels = {checked(wheel.name): wheel.read_bytes() for wheel in sorted(folder.glob("*.whl"))}
    if not any(name.startswith(_AGENTS) for name in wheels):
        raise ReleaseError(
            "a wheel of edgewright or edgewright-device", ", ".join(wheels) or "none", str(folder),
            "Make one: pip wheel edgewright --no-deps -w DIR",
        )  # fmt: skip
    for name, data in wheels.items():
        if not _whole(data):
            raise ReleaseError("a whole wheel", "a damaged file", str(folder / name), "Build or download it again")
    return _with_folder(path, FOLDER, wheels, into)


def _whole(wheel: bytes) -> bool:
    """Return whether each file of a wheel can be read, the list of its files among them."""
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            listed = any(name.endswith(".dist-info/RECORD") for name in archive.namelist())
            return listed and archive.testzip() is None
    except DAMAGED:
        return False


def with_settings(path: Path, settings: Path, into: Path) -> Path:
    """Write a package that carries settings of its devices; its path.

    Args:
        path: path of the package.
        settings: a part of a device.toml; tables and detectors that it names lie below its folder.
        into: folder for the new package.

    Raises:
        InputError: no package, or a file that cannot be read or that no release may carry.
    """
    return _with_folder(path, SETTINGS, collect_files(settings), into, version=PACKAGE_VERSION)


def _with_folder(path: Path, folder: str, contents: Mapping[str, bytes], into: Path, **changes: int) -> Path:
    """Write a package with a folder's files in place of those that it had there; its path."""
    package = read_package(path)
    files = {name: data for name, data in package.files.items() if not name.startswith(folder)}
    files |= {f"{folder}{name}": data for name, data in contents.items()}
    copy = into / path.name
    copy.write_bytes(package_bytes(msgspec.structs.replace(package.manifest, **changes), files))
    return copy


def without_settings(fleet: Fleet, package: Contents, product: str) -> int | None:
    """Return the newest release of a product if it has settings and a package has none; None otherwise.

    Raises:
        InputError: the release's file is missing or altered.
    """
    entries = metadata.listed(read_held(fleet))
    before = [p.release for p in entries if p.release.product == product and not p.revert]
    if not before or _has_settings(package.data):
        return None
    newest = before[-1]
    return newest.counter if _has_settings(read_target(fleet, newest.target, newest.sha256)) else None


def _has_settings(data: bytes) -> bool:
    return any(name.startswith(SETTINGS) for name in parse_package(data, "a package").files)


def carried_parts(fleet: Fleet, release: Release) -> tuple[str, ...] | None:
    """Return what a release carries beside its model; None where its file cannot be read."""
    path = fleet.targets / metadata.prefixed(release.target, release.sha256)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except DAMAGED:
        return None
    settings, agent = (any(name.startswith(folder) for name in names) for folder in (SETTINGS, FOLDER))
    return (*["settings"] * settings, *["agent"] * agent)


def prepare_release(
    fleet: Fleet, package: Path | Contents, now: float, *, product: str, counter: int | None = None,
    profiles: tuple[str, ...] = (), minimum: str = "", notes: str = "", back: int | None = None,
) -> tuple[Change, tuple[Published, ...]]:  # fmt: skip
    """Create an unsigned change that publishes a package; the package is written to the targets.

    Args:
        fleet: locked by the caller.
        package: its file, or what is in it after `check_package`.
        now: seconds since 1970.
        product: product of the release.
        counter: counter of the release; None for the next one.
        profiles: supported hardware profiles; empty for all.
        minimum: oldest supported version of Edgewright.
        notes: notes for people.
        back: counter of the release whose bytes the rollback release contains; None for the newest earlier release
            whose rollout was not aborted.

    Returns:
        The change; the release and its rollback release. There is no rollback release for a product's first release,
        or if every earlier rollout was aborted.

    Raises:
        InputError: the file is not a package, the newest release has the same bytes, or the counter is in use.
        CheckFailedError: the test vectors give different answers.
        OutputError: a file cannot be written.
    """
    name, data, _ = check_package(package) if isinstance(package, Path) else package
    role_files, sha256 = read_held(fleet), metadata.sha256(data)
    before = [p for p in metadata.listed(role_files) if p.release.product == product]
    normal = [p for p in before if not p.revert]
    highest = before[-1].release.counter if before else 0
    aborted = _aborted(fleet, role_files)
    newest_release = normal[-1].release if normal else None
    if newest_release and newest_release.sha256 == sha256 and (product, newest_release.counter) not in aborted:
        newest = f"release {newest_release.counter} of {product}"
        raise SignatureError("a new package", f"the bytes of {newest}", name, "It is already published")
    counter = highest + 1 if counter is None else counter
    if counter <= highest:
        raise ReleaseError(f"a counter above {highest}", str(counter), f"product {product}", "Leave --counter out")
    target = package_target(product, counter)
    fields = {"product": product, "counter": counter, "sha256": sha256, "length": len(data), "package": name}
    try:  # the same validation as on a device
        release = msgspec.convert({**fields, "target": target, "profiles": profiles, "least": minimum}, type=Release)
    except msgspec.ValidationError as error:
        raise ReleaseError("a release", str(error), RELEASES) from None
    entries = [Published(release=release, of=counter, notes=notes)]
    contents = {target: data}
    before_it = _back(normal, product, back, aborted) if normal else None
    if before_it is not None:
        way = msgspec.structs.replace(before_it, counter=counter + 1, target=package_target(product, counter + 1))
        contents[way.target] = read_target(fleet, before_it.target, before_it.sha256)
        entries.append(Published(release=way, revert=True, of=before_it.counter, notes=f"back from {counter}"))
    files = [metadata.package_file(p, contents[p.release.target]) for p in entries]
    roles = metadata.with_targets(role_files, files, now)
    about = f"release {counter} of {product}: {name}"
    return changes.change(about, roles, write_targets(fleet, contents)), tuple(entries)


def prepare_plan(fleet: Fleet, plan: Plan, now: float) -> tuple[Change, bytes]:
    """Create an unsigned change that publishes a plan; return it and the plan's bytes.

    Args:
        fleet: locked by the caller.
        plan: plan whose releases are already signed.
        now: seconds since 1970.

    Raises:
        InputError: the id is in use, or a release in the plan differs from the signed one.
        OutputError: a file cannot be written.
    """
    role_files = read_held(fleet)
    if plan.id in metadata.plans(role_files):
        raise PlanError("a plan's id that is not in use", plan.id, do="Plan ids are permanent: choose another name")
    signed = {(p.release.product, p.release.counter): p.release for p in metadata.listed(role_files)}
    for release in (plan.release, *([plan.revert] if plan.revert else [])):
        if signed.get((release.product, release.counter)) != release:
            subject = f"{release.product} {release.counter}"
            raise SignatureError(f"the signed release {subject}", "another or none", f"plan {plan.id}")
    if plan.revert and plan.revert.counter != plan.release.counter + 1:
        raise PlanError(f"a rollback with counter {plan.release.counter + 1}", str(plan.revert.counter), plan.id)
    data = msgspec.json.encode(plan)
    path = plan_target(plan.id)
    roles = metadata.with_targets(role_files, [metadata.plan_file(plan, data)], now)
    about = f"plan {plan.id} of {plan.release.product} {plan.release.counter}"
    return changes.change(about, roles, write_targets(fleet, {path: data})), data


def prepare_abort(fleet: Fleet, plan: str, now: float) -> Change:
    """Create an unsigned change that aborts a rollout offline.

    Args:
        fleet: locked by the caller.
        plan: plan whose rollout is permanently aborted.
        now: seconds since 1970.

    Raises:
        InputError: the plan is not signed, or its abort is already signed.
    """
    return changes.change(f"abort of plan {plan}", metadata.with_abort(read_held(fleet), plan, now))


def _aborted(fleet: Fleet, role_files: Mapping[str, bytes]) -> set[tuple[str, int]]:
    """Return product and counter of all releases with an aborted rollout; no device may return to their bytes."""
    index, plans = read_index(fleet, role_files), metadata.plans(role_files)
    standings = msgspec.json.decode(index, type=Standings).rollouts if index else ()
    names = {standing.plan for standing in standings if standing.state == "aborted"} | metadata.aborted(role_files)[1]
    bodies = [read_target(fleet, plan_target(name), plans[name][0]) for name in names if name in plans]
    releases_aborted = (msgspec.json.decode(body, type=Plan).release for body in bodies)
    return {(release.product, release.counter) for release in releases_aborted}


def _back(normal: list[Published], product: str, counter: int | None, aborted: set[tuple[str, int]]) -> Release | None:
    """Return the release whose bytes the rollback release contains."""
    if counter is None:
        good = [p.release for p in normal if (p.release.product, p.release.counter) not in aborted]
        return good[-1] if good else None
    for published in normal:
        if published.release.counter == counter:
            return published.release
    known = ", ".join(str(p.release.counter) for p in normal)
    raise ReleaseError(f"a release of {product}: {known}", str(counter), "--back-to")
