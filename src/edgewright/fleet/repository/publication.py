"""Publishing: a package becomes a release with a number and a dormant way back; a plan becomes a target."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edgewright.core.package import Package, read_package
from edgewright.core.predictor import Predictor
from edgewright.fleet.protocol.layout import RELEASES, package_target, plan_target
from edgewright.fleet.repository import changes, metadata, releases
from edgewright.fleet.repository.acceptance import read_held, settle, writing
from edgewright.fleet.repository.folder import Fleet, open_fleet
from edgewright.fleet.repository.public_files import read_index, read_target, write_targets
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import Change, Published
from edgewright.schema.fleet_plan import Plan, Release, Standings


def publish_plan(
    folder: Path, plan: Plan, *, keys: tuple[Path, ...] = (), passphrases: tuple[bytes, ...] = (),
    now: float | None = None,
) -> bytes:  # fmt: skip
    """Return signs `plans/ID.json` into `releases`.

    Where a control plane publishes, the signed change waits in `incoming` and is taken in by it
    (`accepting.waiting`); where there is none, it is published when this returns.

    Args:
        folder: of the fleet.
        plan: whose releases are signed already.
        keys: folders with keys of `releases` beside those in the fleet's own folder.
        passphrases: of these keys.
        now: seconds since 1970; the clock's when None.

    Returns:
        The plan's bytes, whose SHA-256 the standings name.

    Raises:
        InputError: too few keys, an id in use, or a release that is not signed as the plan says.
        OutputError: a file cannot be written.
    """
    moment = time.time() if now is None else now
    fleet = open_fleet(folder)
    ring = fleet.ring(keys, passphrases)
    with writing(fleet, moment, ring):
        change, data = prepare_plan(fleet, plan, moment)
        settle(fleet, change, ring, moment)
    return data


def check_package(path: Path) -> tuple[Package, bytes]:
    """Return a package that proved itself: every form answers its test vectors here, with the engine at hand.

    Raises:
        InputError: it is no package.
        CheckFailedError: an answer is further off than the package allows.
    """
    package = read_package(path)
    data = path.read_bytes()
    if metadata.sha256(data) != package.sha256:
        raise InputError("a file that no process is writing", "one that changed while it was read", str(path))
    for form in package.manifest.forms:
        Predictor(package, form=form, rows=1)
    return package, data


def prepare_release(
    fleet: Fleet, path: Path, now: float, *, product: str, counter: int | None = None, profiles: tuple[str, ...] = (),
    least: str = "", notes: str = "", back: int | None = None,
) -> tuple[Change, tuple[Published, ...]]:  # fmt: skip
    """Return a change that publishes a package, without signatures; its bytes lie among the targets already.

    Args:
        fleet: locked by the caller.
        path: of the package.
        now: seconds since 1970.
        product: line of packages.
        counter: its number; None for the next.
        profiles: hardware profiles that it is for; empty for all.
        least: version of Edgewright from which it runs.
        notes: for people.
        back: counter of the release whose bytes the way back carries; None for the newest before this one whose rollout
            was not aborted.

    Returns:
        The change; the release and its way back, unless nothing is there to go back to: a product's first release, or
        one before which every rollout was aborted.

    Raises:
        InputError: it is no package, the newest release has the same bytes, or its counter is in use.
        CheckFailedError: its test vectors get other answers.
        OutputError: a file cannot be written.
    """
    package, data = check_package(path)
    held = read_held(fleet)
    before = [p for p in releases.listed(held) if p.release.product == product]
    normal = [p for p in before if not p.revert]
    highest = before[-1].release.counter if before else 0
    if normal and normal[-1].release.sha256 == package.sha256:
        newest = f"release {normal[-1].release.counter} of {product}"
        raise InputError("a package that is new", f"the bytes of {newest}", str(path), "It is published already")
    counter = highest + 1 if counter is None else counter
    if counter <= highest:
        raise InputError(f"a counter above {highest}", str(counter), f"product {product}", "Leave --counter out")
    name, target = f"{package.manifest.name} {package.sha256[:16]}", package_target(product, counter)
    fields = {"product": product, "counter": counter, "sha256": package.sha256, "length": len(data), "package": name}
    try:  # checked as a device checks it
        release = msgspec.convert({**fields, "target": target, "profiles": profiles, "least": least}, type=Release)
    except msgspec.ValidationError as error:
        raise InputError("a release", str(error), RELEASES) from None
    made = [Published(release=release, of=counter, notes=notes)]
    contents = {target: data}
    before_it = _back(normal, product, back, _aborted(fleet, held)) if normal else None
    if before_it is not None:
        way = msgspec.structs.replace(before_it, counter=counter + 1, target=package_target(product, counter + 1))
        contents[way.target] = read_target(fleet, before_it.target, before_it.sha256)
        made.append(Published(release=way, revert=True, of=before_it.counter, notes=f"back from {counter}"))
    files = [releases.package_file(p, contents[p.release.target]) for p in made]
    roles = releases.with_targets(held, files, now)
    about = f"release {counter} of {product}: {name}"
    return changes.change(about, roles, write_targets(fleet, contents)), tuple(made)


def prepare_plan(fleet: Fleet, plan: Plan, now: float) -> tuple[Change, bytes]:
    """Return a change that publishes a plan, without signatures, and the plan's bytes.

    Args:
        fleet: locked by the caller.
        plan: whose releases are signed already.
        now: seconds since 1970.

    Raises:
        InputError: its id is in use, or a release that it names is not signed as it says.
        OutputError: a file cannot be written.
    """
    held = read_held(fleet)
    if plan.id in releases.plans(held):
        raise InputError("a plan's id that is not in use", plan.id, do="Plan ids are permanent: choose another name")
    signed = {(p.release.product, p.release.counter): p.release for p in releases.listed(held)}
    for release in (plan.release, *([plan.revert] if plan.revert else [])):
        if signed.get((release.product, release.counter)) != release:
            what = f"{release.product} {release.counter}"
            raise InputError(f"the signed release {what}", "another or none", f"plan {plan.id}")
    if plan.revert and plan.revert.counter != plan.release.counter + 1:
        raise InputError(f"a way back with counter {plan.release.counter + 1}", str(plan.revert.counter), plan.id)
    data = msgspec.json.encode(plan)
    path = plan_target(plan.id)
    roles = releases.with_targets(held, [releases.plan_file(plan, data)], now)
    about = f"plan {plan.id} of {plan.release.product} {plan.release.counter}"
    return changes.change(about, roles, write_targets(fleet, {path: data})), data


def _aborted(fleet: Fleet, held: Mapping[str, bytes]) -> set[tuple[str, int]]:
    """Product and counter of every release whose rollout was aborted: no device is to be sent to those bytes again."""
    index, plans = read_index(fleet, held), releases.plans(held)
    standings = msgspec.json.decode(index, type=Standings).rollouts if index else ()
    bodies = [read_target(fleet, plan_target(s.plan), plans[s.plan][0]) for s in standings
              if s.state == "aborted" and s.plan in plans]  # fmt: skip
    found = (msgspec.json.decode(body, type=Plan).release for body in bodies)
    return {(release.product, release.counter) for release in found}


def _back(normal: list[Published], product: str, counter: int | None, aborted: set[tuple[str, int]]) -> Release | None:
    """Whose bytes the way back carries."""
    if counter is None:
        good = [p.release for p in normal if (p.release.product, p.release.counter) not in aborted]
        return good[-1] if good else None
    for published in normal:
        if published.release.counter == counter:
            return published.release
    known = ", ".join(str(p.release.counter) for p in normal)
    raise InputError(f"a release of {product}: {known}", str(counter), "--back-to")
