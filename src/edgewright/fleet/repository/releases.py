"""Reads and extends the metadata of `releases`: packages with counters, plans, and hash bins for many packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from tuf.api.metadata import Delegations, SuccinctRoles, TargetFile, Targets

from edgewright.fleet.protocol.layout import (
    ABORTED,
    BINS_ABOVE,
    PACKAGES,
    PLANS,
    RELEASES,
    TARGETS,
    package_target,
    plan_target,
)
from edgewright.fleet.repository import metadata, offline
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import Published
from edgewright.schema.fleet_plan import FORMAT, Plan, Release

# The number of bins can never change, since a role cannot leave the snapshot. A bin of 1,000 packages has 400 kB.
_BITS, _BIN = 5, PACKAGES


def package_file(published: Published, data: bytes) -> TargetFile:
    """Return the metadata entry of a release."""
    release = published.release
    custom: dict[str, Any] = {"format": FORMAT, "product": release.product, "counter": release.counter}
    more: dict[str, Any] = {
        "package": release.package,
        "profiles": list(release.profiles),
        "least": release.minimum_version,
    }
    more |= {"revert": published.revert, "of": published.of if published.revert else 0, "notes": published.notes}
    # Omit empty fields: a device reads up to a thousand entries in one file.
    custom |= {name: value for name, value in more.items() if value}
    return metadata.target(release.target, data, custom)


def plan_file(plan: Plan, data: bytes) -> TargetFile:
    """Return the metadata entry of a plan."""
    custom = {"format": FORMAT, "product": plan.release.product, "counter": plan.release.counter}
    return metadata.target(plan_target(plan.id), data, custom)


def listed(role_files: Mapping[str, bytes]) -> list[Published]:
    """Return all signed releases, sorted by product and counter.

    Raises:
        InputError: this version cannot read a target.
    """
    entries = [
        _published(path, file)
        for role in (RELEASES, *offline.bins(role_files))
        for path, file in metadata.read(role_files[role], role).signed.targets.items()
        if path.startswith(f"{PACKAGES}/")
    ]
    return sorted(entries, key=lambda p: (p.release.product, p.release.counter))


def plans(role_files: Mapping[str, bytes]) -> dict[str, tuple[str, int]]:
    """Return SHA-256 and length of all signed plans by id."""
    files = metadata.read(role_files[RELEASES], RELEASES).signed.targets.items()
    start = len(f"{PLANS}/")
    return {p[start:-5]: (f.hashes["sha256"], f.length) for p, f in files if p.startswith(f"{PLANS}/")}


def aborted(role_files: Mapping[str, bytes]) -> tuple[int, frozenset[str]]:
    """Return the version of `releases` and the plans that it aborts; 0 if there are none."""
    signed = metadata.read(role_files[RELEASES], RELEASES).signed if RELEASES in role_files else None
    plan_names = (
        {path for path, file in signed.targets.items() if (file.custom or {}).get(ABORTED) is True} if signed else {}
    )
    names = frozenset(path[len(f"{PLANS}/") : -5] for path in plan_names)
    return (int(signed.version) if signed and names else 0), names


def with_abort(role_files: Mapping[str, bytes], plan: str, now: float) -> dict[str, bytes]:
    """Return unsigned metadata of `releases` that aborts the rollout of a plan.

    The plan stays a target, since devices with its release need it for the rollback.

    Raises:
        InputError: the plan is not signed, or its abort is already signed.
    """
    signed: Targets = offline.next_signed(role_files, RELEASES, now)
    file = signed.targets.get(plan_target(plan))
    if file is None:
        known = ", ".join(sorted(plans(role_files))) or "none"
        raise InputError("a plan that was signed offline", f"{plan!r}; signed are: {known}", "PLAN")
    if plan in aborted(role_files)[1]:
        raise InputError("an abort that is not signed offline yet", f"one that is, of {plan}", RELEASES)
    file.unrecognized_fields["custom"] = {**(file.custom or {}), ABORTED: True}
    return {RELEASES: metadata.sign(signed, [])}


def find(role_files: Mapping[str, bytes], product: str, counter: int | None = None) -> Published:
    """Return a release of a product by counter; without a counter, the newest that is not a rollback release.

    Raises:
        InputError: the release does not exist.
    """
    of_product = [p for p in listed(role_files) if p.release.product == product]
    matches = [p for p in of_product if (not p.revert if counter is None else p.release.counter == counter)]
    if not matches:
        known = ", ".join(str(p.release.counter) for p in of_product) or "none"
        wanted = "a release" if counter is None else f"release {counter}"
        raise InputError(
            f"{wanted} of {product}", f"these: {known}", do="Publish one: edgewright fleet publish PACKAGE"
        )
    return matches[-1]


def revert_of(role_files: Mapping[str, bytes], release: Release) -> Release | None:
    """Return the rollback release that was signed with a release; None if there is none."""
    for published in listed(role_files):
        same = published.release.product == release.product and published.release.counter == release.counter + 1
        if same and published.revert:
            return published.release
    return None


def with_targets(role_files: Mapping[str, bytes], files: Iterable[TargetFile], now: float) -> dict[str, bytes]:
    """Add targets to `releases` or its hash bins and return the changed metadata, unsigned.

    Args:
        role_files: metadata by role.
        files: new packages and plans; their paths must not be in use.
        now: seconds since 1970.

    Raises:
        InputError: a path is in use.
    """
    releases: Targets = offline.next_signed(role_files, RELEASES, now)
    roles: dict[str, Targets] = {}
    new = list(files)
    packages = [file for file in new if file.path.startswith(f"{PACKAGES}/")]
    held_packages = sum(path.startswith(f"{PACKAGES}/") for path in releases.targets)
    if releases.delegations is None and held_packages + len(packages) > BINS_ABOVE:
        roles |= _split(role_files, releases, now)
    for file in new:
        role, location = RELEASES, releases
        if file in packages and releases.delegations is not None and releases.delegations.succinct_roles is not None:
            role = releases.delegations.succinct_roles.get_role_for_target(file.path)
            location = roles[role] if role in roles else offline.next_signed(role_files, role, now)
        if file.path in location.targets:
            raise InputError("a name that is not in use", file.path, do="Released names and counters cannot be reused")
        location.targets[file.path] = file
        roles[role] = location
    return {role: metadata.sign(signed, []) for role, signed in roles.items()}


def _split(role_files: Mapping[str, bytes], releases: Targets, now: float) -> dict[str, Targets]:
    """Move packages from `releases` into hash bins with the same keys."""
    named = offline.role_of(role_files, RELEASES)
    above = metadata.read(role_files[TARGETS], TARGETS).signed
    succinct = SuccinctRoles(list(named.keyids), named.threshold, _BITS, _BIN)
    releases.delegations = Delegations({name: above.get_key(name) for name in named.keyids}, None, succinct)
    bins_new = {name: Targets(1, None, metadata.expiry(name, now), {}) for name in succinct.get_roles()}
    for path in [path for path in releases.targets if path.startswith(f"{PACKAGES}/")]:
        bins_new[succinct.get_role_for_target(path)].targets[path] = releases.targets.pop(path)
    return {RELEASES: releases, **bins_new}


def _published(path: str, file: TargetFile) -> Published:
    custom = file.custom if isinstance(file.custom, dict) else {}
    number = custom.get("format")
    if not isinstance(number, int) or number > FORMAT:
        do = "A newer Edgewright published it: upgrade"
        raise InputError(f"a release of format {FORMAT} or older", repr(number), path, do)
    record = {name: custom[name] for name in ("product", "counter", "package", "profiles", "least") if name in custom}
    try:
        release = msgspec.convert(
            {**record, "target": path, "sha256": file.hashes["sha256"], "length": file.length}, type=Release
        )
        rest = {name: custom[name] for name in ("revert", "of", "notes") if name in custom}
        published = msgspec.convert({"of": release.counter, **rest, "release": release}, type=Published)
    except (msgspec.ValidationError, KeyError) as error:
        raise InputError("a release", str(error), path) from None
    if path != package_target(release.product, release.counter):
        raise InputError(package_target(release.product, release.counter), path, "releases")
    return published
